"""`python -m cli` is `asymptotics`."""

from cli.main import main

main()
