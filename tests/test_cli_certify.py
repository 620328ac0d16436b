"""`asymptotics certify` and `accuracy --certify` as their user meets them."""

import json
from fractions import Fraction

import pytest

pytest.importorskip("flint")

POINT = ["--loss", "hinge", "--signal", "1.5", "--sampling-ratio", "1.5", "--ridge", "0.1"]

SCALED = ["--temperature", "1", "--dimension", "20"]


def test_the_json_object_has_proved_digits(call):
    code, out, err = call("certify", *POINT, "--gain", 2, "--digits", 40, "--json")
    content = json.loads(out)
    assert (code, err, content["certified"]) == (0, "", True)
    assert content["accuracy"].startswith("0.88473643049507520365493712051994")
    assert 0 < Fraction(content["radius"]) <= Fraction(10) ** -40
    assert content["bits"] >= 40 * 3.32
    assert content["problem"]["ridge"] == "0.1"
    assert content["proved"]
    assert content["not_proved"]


def test_text_output_says_what_is_proved_and_what_is_not(call):
    code, out, _ = call("certify", *POINT)
    assert code == 0
    for words in ("accuracy", "radius", "bits", "no other root lies in", "not proved"):
        assert words in out


def test_a_second_command_checks_the_certificate(call, tmp_path):
    path = tmp_path / "proof.json"
    assert call("certify", *POINT, "-o", path) == (0, "", "")
    code, out, _ = call("certify", "--check", path)
    assert code == 0
    assert "0.850083150998086891206043750179" in out
    path.write_text(path.read_text().replace('"0.85008', '"0.85009'))
    code, out, err = call("certify", "--check", path)
    assert (code, out) == (1, "")
    assert "not within the stated radius" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--quantity", "separability", "--signal", "1"], "3.70003345568567608658429662460"),
        (
            ["--quantity", "separability", "--signal", "1", "--prior", "0.25", "--intercept"],
            "4.40143522781029635904708761",
        ),
        (
            ["--objective", "cosine-scaled", "--signal", "2", "--augmentation", "1", *SCALED],
            "1.649145983861807247053364148",
        ),
    ],
)
def test_thresholds_and_gains_are_certified(call, arguments, start):
    code, out, _ = call("certify", *arguments, "--json")
    content = json.loads(out)
    assert code == 0
    assert content[content["quantity"]].startswith(start)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_spectrum_is_read_at_its_exact_decimals(call, tmp_path, ending):
    path = tmp_path / f"spectrum.{ending}"
    columns = {"eigenvalues": [0.2, 1.1], "weights": [0.5, 0.5], "squared_means": [0, 0.3]}
    if ending == "json":
        path.write_text(json.dumps(columns))
    else:
        path.write_text("eigenvalues,weights,squared_means\n0.2,0.5,0\n1.1,0.5,0.3\n")
    options = ["--loss", "min-norm", "--sampling-ratio", "0.5", "--spectrum", path, "--json"]
    content = json.loads(call("certify", *options)[1])
    assert content["problem"]["spectrum"]["eigenvalues"] == ["0.2", "1.1"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--loss", "hinge"], 2, "--sampling-ratio is required for the accuracy"),
        (POINT[:-2], 2, "--ridge is required with --loss hinge"),
        ([*POINT, "--dimension", "3"], 2, "--dimension has no part in the accuracy"),
        (["--quantity", "separability"], 2, "--signal is required for the separability"),
        (POINT[:2] + POINT[4:], 2, "exactly one of --signal and --spectrum"),
        (["--check", "x.json", "--loss", "hinge"], 2, "--check takes no other option"),
        (["--check", "absent.json"], 1, "No such file"),
        ([*POINT, "--digits", "0"], 1, "digits must lie in"),
        ([*POINT, "--gain", "two"], 1, "gain must be a finite number"),
        (
            ["--loss", "max-margin", "--signal", "1", "--sampling-ratio", "5"],
            1,
            "separability threshold",
        ),
    ],
)
def test_bad_input_is_one_line_and_a_code(call, arguments, code, message):
    found, out, err = call("certify", *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"text"', "{}"])
def test_a_file_that_is_no_certificate_is_one_line(call, tmp_path, text):
    path = tmp_path / "proof.json"
    path.write_text(text)
    code, out, err = call("certify", "--check", path)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_accuracy_takes_a_proved_radius(call):
    code, out, _ = call("accuracy", *POINT, "--certify", "--json")
    row = json.loads(out)
    assert code == 0
    assert row["certified"] is True
    exact = "0.850083150998086891206043750179446"
    assert abs(Fraction(row["accuracy"]) - Fraction(exact)) < Fraction(row["radius"]) + 1e-17
    assert row["radius"] < 1e-14


def test_accuracy_certifies_no_trained_head(call):
    options = ["--objective", "spectral", "--augmentation", "1", "--dimension", "20"]
    code, _, err = call("accuracy", *POINT, *options, "--certify")
    assert code == 2
    assert "--certify takes --gain" in err
