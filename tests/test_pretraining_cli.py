"""`asymptotics pretraining`: output, files, exit codes."""

import json

import click
import pytest
from click.testing import CliRunner

from asymptotics.pretraining.table import pretraining_curve
from cli.pretraining import command


def call(*arguments):
    """(exit code, standard output, standard error) of the command."""
    texts = [str(argument) for argument in arguments]
    done = CliRunner().invoke(command, texts, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, done.stdout, done.stderr


POINT = ("--signal", 2, "--augmentation", 0.5)


def test_the_command_prints_one_json_object():
    probe = ("--loss", "max-margin", "--sampling-ratio", 2)
    code, out, err = call(*POINT, "--pretraining-ratio", "2,20", *probe, "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    row = content["rows"][1]
    expected = pretraining_curve(
        signal=2.0, augmentation=0.5, pretraining_ratio=20.0, loss="max-margin", sampling_ratio=2.0
    ).rows()[0]
    for name in ("overlap", "eigenvalue", "transition", "gain", "accuracy_after"):
        assert row[name] == pytest.approx(expected[name], abs=1e-12)
    assert content["config"]["command"] == "pretraining"


def test_the_command_writes_maps_with_their_boundaries(tmp_path):
    grids = ("--signal", 2, "--pretraining-ratio", "0.1:50:9:log", "--augmentation", "0.2:2:7")
    assert call(*grids, "-o", tmp_path / "map.json")[0] == 0
    content = json.loads((tmp_path / "map.json").read_text())
    assert len(content["rows"]) == 63
    first = content["boundaries"][0]
    assert first["name"] == "transition"
    assert len(first["pretraining_ratio"]) == len(first["augmentation"]) > 1
    assert call(*grids, "-o", tmp_path / "map.png")[0] == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_exit_codes_and_usage_errors():
    code, out, err = call(*POINT, "--pretraining-ratio", "0.5,2")
    assert code == 3
    assert "no limit" in out
    assert "1 of 2 points have no limit" in err
    for extra, text in (
        (("--gain", 2), "--gain"),
        (("--ridge", 1), "--ridge needs a --loss"),
        (("--depth", 3), "--depth needs --encoder balanced"),
        (("--encoder", "balanced"), "--encoder needs a --loss"),
        (("--encoder", "balanced", "--depth", 3), "only a balanced net of 2 layers"),
        (("--prior", "0.1,0.2"), "--prior needs a --loss or an --intercept"),
        (("--loss", "square", "--sampling-ratio", 1), "--ridge is required"),
        (("--loss", "max-margin"), "--sampling-ratio is required"),
    ):
        with pytest.raises(click.UsageError, match=text):
            call(*POINT, "--pretraining-ratio", 2, *extra)
