"""Speed as ratios, measured in one run against named alternatives: ``python -m benchmarks``."""
