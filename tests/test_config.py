"""--config FILE.toml says what the command line would."""

import json

import click
import pytest
from test_help import COMMANDS

from cli.main import run

POINT = 'loss = "logistic"\nsignal = 1.5\nsampling_ratio = 1.5\nridge = 0.1\n'


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return str(path)

    return write


def answer(capsys, *arguments):
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_file_gives_what_the_options_give(config, capsys):
    typed = ["--loss", "logistic", "--signal", "1.5", "--sampling-ratio", "1.5", "--ridge", "0.1"]
    by_file = answer(capsys, "accuracy", "--config", config(POINT + "intercept = true\nprior=0.3"))
    by_line = answer(capsys, "accuracy", *typed, "--intercept", "--prior", "0.3")
    assert by_file == by_line


def test_a_list_a_grid_and_a_kebab_name_are_read(config, capsys):
    text = 'loss = "square"\nsignal = 1\nridge = [0.1, 1]\nsampling-ratio = "0.5:2:3"\n'
    rows = answer(capsys, "curve", "--config", config(text))["rows"]
    assert [(row["sampling_ratio"], row["ridge"]) for row in rows][:3] == [
        (0.5, 0.1),
        (0.5, 1.0),
        (1.25, 0.1),
    ]


def test_the_command_line_wins(config, capsys):
    found = answer(capsys, "accuracy", "--config", config(POINT), "--ridge", "1")
    assert found["ridge"] == 1


def test_a_subcommand_of_a_group_takes_a_file(config, capsys):
    text = "strength = '0.1:10:5:log'\ncorrelation = '0.1:1:4'\nnoise = 0.5\nridge = 0.1\n"
    text += 'loss = "square"\nsampling-ratio = 2\n'
    assert answer(capsys, "layers", "phase", "--config", config(text))["rows"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (POINT + "los = 1", 2, "los is no option of accuracy; did you mean loss?"),
        (POINT + "zzz = 1", 2, "known: "),
        (POINT + "intercept = 1", 1, "intercept must be true or false, got 1"),
        (POINT + "gain = true", 1, "gain must be a number, a text or a list of them"),
        ("loss = ", 1, "is not TOML"),
        (POINT + 'gain = 2\nobjective = "cosine"', 2, "--gain and --objective exclude"),
        (POINT + 'gain = "two"', 1, "expected a number"),
    ],
)
def test_a_bad_file_is_one_line(config, capsys, text, code, message):
    assert run(["accuracy", "--config", config(text)]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_file_is_one_line(capsys):
    assert run(["accuracy", "--config", "no.toml"]) == 1
    assert "no.toml cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_a_config(path):
    command = COMMANDS[path]
    assert any(p.name == "config" for p in command.params)
    assert len([p for p in command.params if p.name == "config"]) == 1
    assert isinstance(command, click.Command)
