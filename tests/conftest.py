"""Fixtures of several files."""

import pytest

from cli.main import run


@pytest.fixture
def call(capsys):
    """Run the command line; returns (exit code, standard output, standard error)."""

    def invoke(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke
