"""Published results remade: what they rest on, when they disagree, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from asymptotics.reproduce_plot import plot_remade
from asymptotics.table import Table
from validation.checks.run import Run
from validation.compare import Row
from validation.estimate import Estimate
from validation.finite_size import extrapolate
from validation.reproduce import double_descent, judgement, loureiro, mignacco, separability
from validation.reproduce.points import line, points
from validation.reproduce.simulation import accuracies, errors
from validation.reproduce.target import Claim, Effort, Evidence, Published, Remade, Target
from validation.reproduce.targets import TARGETS

NAMES = {
    "gmz-heat-map",
    "gmz-thresholds",
    "gmz-accuracy",
    "xue-weights",
    "xue-scenarios",
    "max-margin",
    "double-descent",
    "mignacco",
    "loureiro",
    "separability",
}
QUICK = Effort(trials=8, dimensions=(30, 45, 60), run=Run(jobs=1))
KINDS = {"cells", "boundary", "theory", "mark", "simulation", "published"}
KEYS = {"quantity", "published", "theory", "mean", "standard_error", "z", "status"}


def row(mean, error=0.01, theory=0.5, largest=0.02, fault=None):
    estimate = None if fault else Estimate(mean, error, 50)
    return Row({}, "accuracy", theory, estimate, largest, fault=fault)


def remade(*evidence):
    return Remade(evidence, points(line("panel", "series", [0.0, 1.0], [0.0, 1.0])), {"panel": {}})


NUMBER = Published(0.5, 1e-3, "table 1")
GOOD = Evidence("a", 0.5, NUMBER, simulated=row(0.501))


def verdict(*evidence):
    return judgement.judge({"x": remade(*evidence)})["x"]


def test_the_registry_is_complete_and_says_where_each_result_is_from():
    assert set(TARGETS) == NAMES
    for target in TARGETS.values():
        assert "arXiv" in target.source
        assert 10 < len(target.shows) < 80


def test_theory_simulation_and_number_together_agree():
    assert verdict(GOOD).status == "agrees"


@pytest.mark.parametrize(
    ("evidence", "status", "of_row"),
    [
        (Evidence("b", 0.5, replace(NUMBER, value=0.502)), "disagrees", judgement.OFF),
        (Evidence("b", np.nan, NUMBER), "disagrees", judgement.OFF),
        (Evidence("b", 0.5, claim=Claim("it rises", False)), "disagrees", judgement.FALSE),
        (Evidence("b", 0.5, simulated=row(0.6)), "disagrees", "disagrees"),
        (Evidence("b", 0.5, simulated=row(0.5, error=0.03)), "undecided", "too noisy"),
        (Evidence("b", 0.5, simulated=row(0, fault="no fit")), "undecided", "no fit"),
        (Evidence("b", 0.5, claim=Claim("it rises", True)), "agrees", "agrees"),
    ],
)
def test_one_bad_row_decides_about_the_target(evidence, status, of_row):
    found = verdict(GOOD, evidence)
    assert found.status == status
    assert found.rows[1]["status"] == of_row


def test_a_result_without_a_known_number_says_so():
    assert verdict(Evidence("a", 0.5, simulated=row(0.5))).status == judgement.NO_NUMBER


def test_the_false_alarm_rate_is_that_of_all_targets_together():
    # |z| = 3 on 50 degrees of freedom: p = 0.004, below 0.01 alone and above it among five
    odd = Evidence("odd", 0.5, simulated=row(0.53))
    calm = {str(k): remade(Evidence("a", 0.5, simulated=row(0.5))) for k in range(4)}
    assert judgement.judge({"x": remade(odd)}, 0.01)["x"].status == "disagrees"
    assert judgement.judge({"x": remade(odd), **calm}, 0.01)["x"].status == judgement.NO_NUMBER


def test_errors_are_the_complement_of_accuracies_with_the_same_z():
    (found,) = accuracies(QUICK, loss="square", signal=1.5, sampling_ratio=1.0, ridge=1.0)
    (error,) = errors([found])
    assert error.theory + found.theory == pytest.approx(1)
    assert error.estimate.value + found.estimate.value == pytest.approx(1)
    assert error.estimate.standard_error == found.estimate.standard_error
    assert [a.mean + b.mean for a, b in zip(error.finite, found.finite, strict=True)] == (
        pytest.approx([1, 1, 1])
    )


class StandIn(Run):
    """Answers in the place of simulations: right in form, and about right nowhere."""

    def tasks(self, stage, function, parameters):
        return [self.answer(function.__name__, given, k) for k, given in enumerate(parameters)]

    def answer(self, name, given, k):
        value = 0.5 + 0.01 * (k % 3)
        if name == "probe_trial":
            return [value] * len(given["dimensions"])
        if name == "weights_trial":
            weights = np.full((given["replicas"], 2, 5), value)
            return weights + 0.01 * np.arange(given["replicas"])[:, None, None]
        return value


FAST = ("double-descent", "mignacco", "loureiro")
# the others train on a loss whose exact map takes seconds: in the slow tests
THEORY = sorted(NAMES - {"gmz-heat-map", "gmz-thresholds"})


@pytest.fixture(scope="module")
def quick():
    return {name: TARGETS[name].remake(QUICK) for name in FAST}


@pytest.fixture(scope="module")
def stood_in():
    effort = replace(QUICK, run=StandIn())
    return {name: TARGETS[name].remake(effort) for name in THEORY}


class Failing(StandIn):
    """Fits that do not exist."""

    def answer(self, name, given, k):
        fault = "a fit did not converge"
        return [fault] * len(given["dimensions"]) if name == "probe_trial" else fault


@pytest.mark.parametrize("name", ["xue-scenarios", "gmz-accuracy", "double-descent"])
def test_a_fit_that_fails_leaves_its_target_undecided(name):
    result = TARGETS[name].remake(replace(QUICK, run=Failing()))
    found = judgement.judge({name: result})[name]
    assert found.status == "undecided"
    assert plot_remade(result.points, result.panels).axes


def check_evidence(result):
    for each in result.evidence:
        assert each.published or each.claim or each.simulated, each.quantity
        assert np.isfinite(each.theory), each.quantity
    assert any(each.simulated for each in result.evidence)
    assert len({each.quantity for each in result.evidence}) == len(result.evidence)


@pytest.mark.parametrize("name", THEORY)
def test_every_row_has_evidence_and_every_target_is_simulated(stood_in, name):
    check_evidence(stood_in[name])


@pytest.mark.parametrize("name", THEORY)
def test_wrong_simulations_make_a_target_disagree(stood_in, name):
    assert judgement.judge({name: stood_in[name]})[name].status == "disagrees"


@pytest.mark.parametrize("name", THEORY)
def test_the_theory_meets_every_published_number_and_claim(stood_in, name):
    for each in stood_in[name].evidence:
        if each.published:
            assert each.theory == pytest.approx(each.published.value, abs=each.published.tolerance)
        assert each.claim is None or each.claim.holds, each.quantity


@pytest.mark.parametrize("name", FAST)
def test_three_targets_agree_with_a_quick_simulation(quick, name):
    statuses = {row["status"] for row in judgement.judge({name: quick[name]})[name].rows}
    assert statuses <= {"agrees", "too noisy"}


@pytest.mark.parametrize("name", THEORY)
def test_a_figure_shows_theory_and_simulation_in_each_of_its_panels(stood_in, name):
    result = stood_in[name]
    assert set(result.points["kind"]) <= KINDS
    assert set(result.points["panel"]) == set(result.panels)
    for panel in result.panels:
        kinds = set(result.points["kind"][result.points["panel"] == panel])
        assert {"theory", "simulation"} <= kinds
    figure = plot_remade(result.points, result.panels)
    for axes, properties in zip(figure.axes, result.panels.values(), strict=True):
        assert axes.get_xlabel() == properties["xlabel"]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert "simulation" in labels
        assert len(labels) == len(set(labels))


def test_a_map_keeps_its_cells_boundary_and_scale():
    x, y = np.meshgrid([0.1, 1.0, 10.0], [1.0, 2.0])
    parts = [
        {
            "panel": "map",
            "series": "EM",
            "kind": "cells",
            "x": x.ravel(),
            "y": y.ravel(),
            "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        },
        line("map", "one", [0.1, 1.0], [1.0, 2.0], "boundary"),
    ]
    axes, bar = plot_remade(points(*parts), {"map": {"xscale": "log"}}).axes
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), [[1, 2, 3], [4, 5, 6]])
    assert bar.get_ylabel() == "EM"


def test_a_wrong_published_number_makes_its_target_disagree(monkeypatch):
    wrong = replace(double_descent._INTERPOLATION, value=1.01)
    monkeypatch.setattr(double_descent, "_INTERPOLATION", wrong)
    found = judgement.judge({"x": double_descent.remake(QUICK)})["x"]
    assert found.status == "disagrees"
    assert [r["quantity"] for r in found.rows if r["status"] == judgement.OFF] == [
        "n/p at which least squares interpolates"
    ]


def test_a_wrong_theory_disagrees_with_published_numbers(monkeypatch):
    honest = loureiro.curve

    def off(**parameters):
        table = honest(**parameters)
        return Table(dict(table.columns) | {"accuracy": table["accuracy"] + 1e-6})

    monkeypatch.setattr(loureiro, "curve", off)
    rows = judgement.judge({"x": loureiro.remake(QUICK)})["x"].rows
    assert all(r["status"] == judgement.OFF for r in rows)


def test_the_bayes_error_is_averagings_limit():
    # q/Delta of the formula is R^4/(R^2 + 1/delta) with R^2 = 1/Delta
    alpha, variance = 1.7, 0.6
    found = mignacco.accuracies(
        QUICK, loss="averaging", signal=variance**-0.5, sampling_ratio=alpha
    )[0]
    assert 1 - found.theory == pytest.approx(mignacco.bayes_error(alpha, variance), abs=1e-12)


def test_the_published_separability_formula_gives_covers_two_without_a_signal():
    assert separability.candes_sur(0.0) == pytest.approx(2, abs=1e-9)


def test_the_first_inseparable_size_has_covers_mean():
    # E N = 2 p + 1, variance 2 p: exact at every p
    p, trials = 10, 120
    sizes = [
        p
        * separability.first_inseparable(np.random.default_rng(s), signal=0.0, dimension=p, trial=s)
        for s in range(trials)
    ]
    assert abs(np.mean(sizes) - (2 * p + 1)) < 3.5 * np.sqrt(2 * p / trials)
    assert np.var(sizes) == pytest.approx(2 * p, rel=0.4)


def test_the_first_inseparable_size_is_the_first(monkeypatch):
    # every smaller sample is separable: the search may not overshoot
    rng = partial(np.random.default_rng, 5)
    size = round(10 * separability.first_inseparable(rng(), signal=1.0, dimension=10, trial=0))
    calls = []
    honest = separability._separable

    def watched(features, labels):
        calls.append((len(labels), honest(features, labels)))
        return calls[-1][1]

    monkeypatch.setattr(separability, "_separable", watched)
    separability.first_inseparable(rng(), signal=1.0, dimension=10, trial=0)
    assert max(n for n, yes in calls if yes) == size - 1
    assert min(n for n, yes in calls if not yes) == size


def fake(*evidence):
    return Target("A paper, arXiv 0000.00000", "a result", lambda effort: remade(*evidence))


@pytest.fixture
def targets(monkeypatch):
    """The registry with three invented results."""
    wrong = Evidence("b", 0.5, replace(NUMBER, value=0.6))
    noisy = Evidence("c", 0.5, simulated=row(0.5, error=0.03))
    entries = {"right": fake(GOOD), "wrong": fake(GOOD, wrong), "noisy": fake(GOOD, noisy)}
    monkeypatch.setattr("validation.reproduce.targets.TARGETS", entries)


def test_without_a_name_the_targets_are_listed(call):
    code, out, _ = call("reproduce")
    assert code == 0
    for name, target in TARGETS.items():
        assert name in out
        assert target.source in out
    code, out, _ = call("reproduce", "--json")
    assert code == 0
    listed = json.loads(out)["targets"]
    assert [set(entry) for entry in listed] == [{"name", "source", "shows"}] * len(TARGETS)


@pytest.mark.parametrize(
    ("names", "code"), [(["right"], 0), (["wrong"], 4), (["noisy"], 3), (["--all"], 4)]
)
def test_the_exit_code_is_the_verdict(call, targets, names, code):
    found, out, _ = call("reproduce", *names, "--json")
    assert found == code
    entries = json.loads(out)["targets"]
    assert len(entries) == (3 if names == ["--all"] else 1)
    for entry in entries:
        assert {"name", "source", "status", "rows"} <= set(entry)
        assert all(set(r) >= KEYS for r in entry["rows"])


def test_a_table_names_the_status_and_the_claims(call, targets):
    code, out, err = call("reproduce", "wrong")
    assert code == 4
    assert out.startswith("wrong: disagrees (A paper")
    assert judgement.OFF in out
    assert "wrong, 1 of 1" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["loureir"], 2, "did you mean loureiro?"),
        (["qqqq"], 2, "targets: gmz-heat-map"),
        (["loureiro", "--all"], 2, "names or --all"),
        (["-o", "there"], 2, "name the targets"),
        (["loureiro", "--trials", "2"], 2, "--trials"),
        (["loureiro", "mignacco", "-o", "x.csv"], 1, "one file for 2 targets"),
        (["loureiro", "-o", "x.txt"], 1, "ending"),
        (["loureiro", "-o", "no/such/folder"], 1, "does not exist"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_computed(call, arguments, code, message):
    found, out, err = call("reproduce", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_folder_gets_a_figure_and_data_of_each_target(call, targets, tmp_path):
    folder = tmp_path / "remade"
    assert call("reproduce", "right", "wrong", "-o", folder)[0] == 4
    assert sorted(p.name for p in folder.iterdir()) == [
        f"{name}.{ending}" for name in ("right", "wrong") for ending in ("json", "pdf")
    ]
    content = json.loads((folder / "wrong.json").read_text())
    assert content["target"]["status"] == "disagrees"
    assert content["config"]["parameters"]["seed"] == 0
    assert content["rows"][0]["series"] == "series"


@pytest.mark.parametrize("ending", ["svg", "csv", "npz"])
def test_one_target_fits_in_one_file(call, targets, tmp_path, ending):
    path = tmp_path / f"right.{ending}"
    assert call("reproduce", "right", "-o", path)[0] == 0
    assert path.stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_target_is_remade_and_does_not_disagree(name, tmp_path):
    result = TARGETS[name].remake(Effort())
    check_evidence(result)
    found = judgement.judge({name: result})[name]
    assert found.status in ("agrees", judgement.NO_NUMBER), found.rows
    plot_remade(result.points, result.panels).savefig(tmp_path / "figure.pdf")


@pytest.mark.slow
def test_the_simulated_threshold_is_linear_in_1_over_p():
    sizes, trials = (16, 33, 66), 60
    values = [
        [
            separability.first_inseparable(
                np.random.default_rng([p, s]), signal=0.0, dimension=p, trial=s
            )
            for s in range(trials)
        ]
        for p in sizes
    ]
    fit = extrapolate(sizes, values)
    # E N/p = 2 + 1/p
    assert abs(fit.bias.value - 1) < 4 * fit.bias.standard_error
