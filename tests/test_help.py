"""What --help promises of every option, and what a terminal of any width shows."""

import re

import click
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

from cli import output
from cli.grids import GridType
from cli.main import asymptotics, run


def walk(command, path):
    """(words, command) of every command that can be typed."""
    context = click.Context(command, info_name=path[-1])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))
    if len(path) > 1:
        yield path[1:], command


COMMANDS = dict(walk(asymptotics, ("asymptotics",)))
RANGE = re.compile(
    r">|<|between|\bin [\[(]|[Dd]egree|[Pp]robabilit|[Dd]eviation|in units of|in its units"
)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_number_says_its_range_or_unit(path):
    for option in COMMANDS[path].params:
        number = isinstance(option.type, GridType) or option.type in (click.INT, click.FLOAT)
        if isinstance(option, click.Option) and number and not option.is_flag:
            assert RANGE.search(option.help or ""), f"{option.opts}: {option.help}"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_has_a_help(path):
    for option in COMMANDS[path].params:
        assert not isinstance(option, click.Option) or option.help, option.opts


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal(path, width):
    shown = CliRunner().invoke(asymptotics, [*path, "--help"], terminal_width=width).output
    long = [line for line in shown.splitlines() if len(line) > width]
    # a line that cannot be broken: an example, or a list of endings
    assert all(re.match(r"\s*(--|asymptotics|bash|zsh|fish)", line) for line in long), long


def test_a_wide_table_is_shown_in_parts_on_a_narrow_terminal(capsys, monkeypatch):
    rows = [{"ridge": 0.1, "accuracy": 0.9, "test_error": 0.1, "status": "converged"}]
    names = list(rows[0])
    monkeypatch.setattr(output.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "24")
    output.print_table(rows, names)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 24
    assert [line.split()[0] for line in lines if line and "0.1" not in line.split()[0]] == [
        "ridge"
    ] * sum(line.startswith("ridge") for line in lines)
    assert "converged" in " ".join(lines)


def test_a_table_in_a_pipe_is_never_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    output.print_table([{"a" * 20: 1.0, "b" * 20: 2.0}], ["a" * 20, "b" * 20])
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["acuracy"], "did you mean accuracy?"),
        (["accuracy", "--los", "x"], "--loss"),
        (["accuracy", "--loss", "logistc"], "did you mean logistic?"),
        (["projector", "--objective", "cosin"], "did you mean cosine?"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(arguments, hint, capsys):
    point = ["--signal", "1", "--sampling-ratio", "1", "--ridge", "1"]
    training = ["--signal", "1", "--dimension", "9", "--augmentation", "1", "--temperature", "1"]
    rest = {"accuracy": point, "projector": training}.get(arguments[0], [])
    assert run([*arguments, *rest]) in (1, 2)
    assert hint in capsys.readouterr().err


def test_nothing_is_coloured(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    for arguments in (["--help"], ["accuracy", "--loss", "x"], ["thresholds", "--signal", "1"]):
        run(arguments)
    captured = capsys.readouterr()
    assert "\x1b[" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["cur"], "curve"),
        (["curve", "--samp"], "--sampling-ratio"),
        (["curve", "--loss", "hin"], "hinge"),
        (["phase", "--objective", "cosine-s"], "cosine-scaled"),
        (["curve", "--quantity", "au"], "auc"),
        (["curve", "--ridge-convention", "sc"], "scaled-sum"),
        (["layers", "ph"], "phase"),
    ],
)
def test_a_shell_completes_commands_options_and_names(typed, expected):
    bash = get_completion_class("bash")(asymptotics, {}, "asymptotics", "_ASYMPTOTICS_COMPLETE")
    found = [item.value for item in bash.get_completions(typed[:-1], typed[-1])]
    assert expected in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_names_this_command(shell, capsys):
    assert run(["completion", shell]) == 0
    assert "_ASYMPTOTICS_COMPLETE" in capsys.readouterr().out
