"""Theory against simulation, a module a check: `probe`, `projector`, `pipeline`.

Each simulates what the theory predicts from the same parameters, through `validation.execution`,
and hands its rows to `validation.compare`.
"""
