"""Implicit derivatives of the limit: against mpmath at thirty digits and central differences."""

import json

import numpy as np
import pytest
import sympy as sp
from mpmath import mp

from asymptotics.conventions import mean_ridge
from asymptotics.errors import InvalidInput
from asymptotics.limits import limit
from asymptotics.probes import PROBES
from asymptotics.reference import reference_accuracy
from asymptotics.responses import derivatives, differentiable
from asymptotics.sensitivity import PARAMETERS, differentiate
from asymptotics.sweep import curve, make_problem
from asymptotics.symbolic.exact import square_loss
from asymptotics.training import trained_accuracy
from cli.main import run

STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
SPECTRUM = {
    "eigenvalues": [0.5, 1.0, 3.0],
    "weights": [0.3, 0.5, 0.2],
    "squared_means": [0.2, 1.0, 2.0],
}


def arrays():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    return {"mean": 0.5 * rng.normal(size=6), "covariance": root @ root.T / 6 + 0.3 * np.eye(6)}


SOURCES = {"signal": 1.3, "spectrum": SPECTRUM, "arrays": arrays()}
RATIOS = {"max-margin": 1.5, "min-norm": 0.6, "least-squares": 1.7, "logistic-mle": 90.0}


def point(loss, source, intercept):
    given = {
        "loss": loss,
        "sampling_ratio": RATIOS.get(loss, 1.4),
        "gain": 1.7,
        "prior": 0.35,
        "intercept": intercept,
        source: SOURCES[source],
    }
    return given | ({} if PROBES[loss].ridge is not None else {"ridge": 0.2})


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("loss", PROBES)
def test_derivatives_are_central_differences_for_every_probe_and_geometry(loss, source):
    choices = (False, True) if source == "signal" else (True,)
    for intercept in choices if loss != "averaging" else (False,):
        given = point(loss, source, intercept)
        result = limit(make_problem(**given)).raise_on_failure()
        for name in PARAMETERS:
            if name not in given or given[name] is None:
                continue
            found = differentiate(result, name)
            step = 1e-3 * given[name]
            shifts = np.array(list(STENCIL))
            moved = limit(make_problem(**given | {name: given[name] + step * shifts}))
            weights = np.array(list(STENCIL.values())) / step
            assert found.accuracy == pytest.approx(weights @ moved.accuracy, abs=2e-11)
            slope = weights @ np.log(moved.test_error)
            assert found.log_test_error == pytest.approx(slope, abs=3e-10)


EXTREME = {
    "logistic": {"signal": 2.5, "sampling_ratio": 60, "ridge": 0.0005, "gain": 0.4},
    "hinge": {"signal": 0.7, "sampling_ratio": 0.3, "ridge": 0.6, "gain": 3},
    "squared-hinge": {"signal": 3, "sampling_ratio": 5, "ridge": 0.001, "gain": 0.5},
    "square": {"signal": 1, "sampling_ratio": 1.01, "ridge": 0.0001, "gain": 2},
    "max-margin": {"signal": 1, "sampling_ratio": 3.5, "gain": 0.6},
}


# a logistic limit takes seconds at thirty digits
CASES = [
    pytest.param(loss, marks=[pytest.mark.slow] if loss == "logistic" else []) for loss in EXTREME
]


@pytest.mark.parametrize("loss", CASES)
def test_derivatives_agree_with_mpmath_differences_of_thirty_digit_limits(loss):
    doubles = EXTREME[loss]
    result = limit(make_problem(loss=loss, **doubles))
    base = reference_accuracy(loss, **doubles, digits=30)
    start = (base.gamma, base.mean, base.variance, base.intercept)
    for name in doubles:
        found = differentiate(result, name)
        with mp.workdps(60):
            step = mp.mpf(doubles[name]) * mp.mpf(10) ** -8
            ahead, behind = (
                reference_accuracy(
                    loss,
                    **doubles | {name: mp.mpf(doubles[name]) + way * step},
                    digits=30,
                    start=start,
                ).test_error
                for way in (1, -1)
            )
            slope = -(ahead - behind) / (2 * step)
            log_slope = (mp.log(ahead) - mp.log(behind)) / (2 * step)
        assert float(abs(found.accuracy / slope - 1)) < 1e-10
        assert float(abs(found.log_test_error / log_slope - 1)) < 1e-10
        assert float(abs(found.accuracy - slope)) < float(found.error_estimate)


def test_the_error_estimate_bounds_the_error_over_the_whole_box():
    """The square loss in closed form, at sixty digits, with gains 0.1 to 10."""
    rng = np.random.default_rng(5)
    size = 50
    logs = {"sampling_ratio": (-1, 2), "ridge": (-5, 2), "gain": (-1, 1)}
    values = {"signal": rng.uniform(0.1, 5, size)}
    values |= {name: 10 ** rng.uniform(*ends, size) for name, ends in logs.items()}
    solved = square_loss()
    squared_t = solved.squared_t.subs(solved.gamma, solved.positive_root())
    argument = sp.lambdify(solved.parameters, sp.sqrt(squared_t), "mpmath")
    result = limit(make_problem(loss="square", **values)).raise_on_failure()
    for index, name in enumerate(values):
        found = differentiate(result, name)
        for k, given in enumerate(zip(*values.values(), strict=True)):
            with mp.workdps(60):
                at = [mp.mpf(value) for value in given]
                step = at[index] * mp.mpf(10) ** -15
                ends = (
                    mp.ncdf(argument(*at[:index], at[index] + way * step, *at[index + 1 :]))
                    for way in (1, -1)
                )
                slope = (next(ends) - next(ends)) / (2 * step)
            error = float(abs(mp.mpf(float(found.accuracy[k])) - slope))
            assert error <= found.error_estimate[k] + np.finfo(float).tiny
            assert error <= max(1e-10, 1e-7 * float(abs(slope)))


def test_gain_moves_nothing_without_a_penalty():
    for loss in ("least-squares", "logistic-mle"):
        result = limit(make_problem(loss=loss, signal=1.2, sampling_ratio=30.0, gain=0.3))
        assert abs(differentiate(result, "gain").accuracy) < 1e-15


def test_a_collapsed_head_has_no_gain_left_and_keeps_its_signal():
    given = {"loss": "logistic", "sampling_ratio": 1.4, "ridge": 0.3, "gain": np.inf}
    result = limit(make_problem(signal=1.3, **given))
    assert differentiate(result, "gain").accuracy == 0.0
    found = differentiate(result, "signal").accuracy
    moved = limit(make_problem(signal=1.3 + 1e-3 * np.array(list(STENCIL)), **given)).accuracy
    assert found == pytest.approx(np.array(list(STENCIL.values())) @ moved / 1e-3, abs=1e-11)


def test_without_a_signal_the_accuracy_starts_flat():
    result = limit(make_problem(loss="hinge", signal=0.0, sampling_ratio=1.4, ridge=0.3))
    for name in ("signal", "gain", "ridge", "sampling_ratio"):
        assert differentiate(result, name).accuracy == 0.0


def test_a_batch_is_its_points_and_failed_points_are_nan():
    ratios = np.array([[2.0], [3.6], [3.8]])
    problem = make_problem(
        loss="max-margin", signal=1.0, sampling_ratio=ratios, gain=np.array([0.5, 1.0, 2.0])
    )
    found = differentiate(limit(problem), "gain")
    assert found.accuracy.shape == (3, 3)
    assert np.isnan(found.accuracy[2]).all()
    single = limit(make_problem(loss="max-margin", signal=1.0, sampling_ratio=3.6, gain=2.0))
    assert found.accuracy[1, 2] == pytest.approx(differentiate(single, "gain").accuracy, rel=1e-12)


@pytest.mark.parametrize("convention", ["mean", "scaled-sum", "sum", "C"])
def test_derivatives_follow_the_ridge_in_its_own_convention(convention):
    given = {"ridge": 0.4, "sampling_ratio": 1.6, "num_samples": 3.0}
    fixed = {"loss": "logistic", "signal": 1.2, "ridge_convention": convention}

    def accuracy(**moved):
        values = given | moved
        ridge = mean_ridge(
            values["ridge"], convention, values["sampling_ratio"], values["num_samples"]
        )
        ratio = values["sampling_ratio"]
        return limit(
            make_problem(loss="logistic", signal=1.2, sampling_ratio=ratio, ridge=ridge)
        ).accuracy

    names = ["ridge", "sampling_ratio"] + ["num_samples"] * (convention in ("sum", "C"))
    table = derivatives(names, **fixed, **given)
    for name, found in zip(names, table["derivative"], strict=True):
        step = 1e-3 * given[name]
        moved = {k: given[name] + k * step for k in STENCIL}
        slope = sum(w * accuracy(**{name: moved[k]}) for k, w in STENCIL.items()) / step
        assert found == pytest.approx(slope, abs=2e-11)


@pytest.mark.parametrize(
    "objective", ["spectral", "inner-product-fixed-norm", "cosine-scaled", "cosine"]
)
def test_a_trained_head_moves_with_its_objective(objective):
    given = {"signal": 1.5, "temperature": 0.4, "augmentation": 0.9, "dimension": 25.0}
    fixed = {"loss": "hinge", "sampling_ratio": 1.5, "ridge": 0.1, "objective": objective}
    names = [name for name in differentiable(fixed | given) if name in given]
    assert ("dimension" in names) == (objective != "cosine")
    table = derivatives(names, **fixed, **given)
    assert table["converged"].all()
    for name, found, error in zip(names, table["derivative"], table["error_estimate"], strict=True):
        step = 1e-3 * given[name]
        slope = sum(
            weight
            * trained_accuracy(**fixed, **given | {name: given[name] + k * step})["accuracy"][0]
            for k, weight in STENCIL.items()
        )
        assert found == pytest.approx(slope / step, abs=3e-10)
        assert error < 1e-9


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["gian"], {}, "must be one of"),
        (["num_samples"], {}, "does not enter the ridge convention"),
        (["ridge"], {"loss": "max-margin", "ridge": None}, "not a parameter of the limit"),
        (["signal"], {"signal": None, "spectrum": SPECTRUM}, "isotropic classes only"),
        (
            ["gain"],
            {"signal": None, "arrays": {**arrays(), "projector": np.eye(6)}, "gain": None},
            "explicit projector",
        ),
        (["gain"], {"objective": "spectral", "augmentation": 1.0, "dimension": 9.0}, "trained"),
        (
            ["dimension"],
            {"objective": "cosine", "augmentation": 1.0, "dimension": 9.0, "temperature": 0.5},
            "integer dimensions",
        ),
    ],
)
def test_a_parameter_that_is_not_there_is_refused(names, given, message):
    base = {"loss": "logistic", "signal": 1.0, "sampling_ratio": 1.5, "ridge": 0.1}
    with pytest.raises(InvalidInput, match=message):
        derivatives(names, **base | given)


def test_every_given_parameter_is_differentiated_by_default():
    assert differentiable({"signal": 1, "sampling_ratio": 2, "ridge": 1, "gain": 1}) == (
        *("signal", "sampling_ratio", "ridge", "gain"),
    )
    assert "prior" in differentiable({"spectrum": SPECTRUM, "intercept": True})
    assert "temperature" in differentiable({"signal": 1, "objective": "cosine", "temperature": 1})


@pytest.fixture
def call(capsys):
    """Run the command line; returns (exit code, standard output, standard error)."""

    def invoke(*arguments):
        code = run(["derivative", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return invoke


POINT = ["--loss", "logistic", "--signal", 1.5, "--sampling-ratio", 1.5, "--ridge", 0.1]


def test_the_command_prints_a_row_for_each_point_and_parameter(call):
    code, out, err = call(*POINT, "--gain", "0.5,2", "--with-respect-to", "gain,ridge", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)["rows"]
    assert [(row["gain"], row["parameter"]) for row in rows] == [
        *((0.5, "gain"), (0.5, "ridge"), (2.0, "gain"), (2.0, "ridge")),
    ]
    problem = make_problem(loss="logistic", signal=1.5, sampling_ratio=1.5, ridge=0.1, gain=0.5)
    assert rows[0]["derivative"] == float(differentiate(limit(problem), "gain").accuracy)


def test_the_command_marks_points_without_a_limit_and_exits_3(call):
    code, out, _ = call("--loss", "max-margin", "--signal", 1, "--sampling-ratio", "3,4")
    assert code == 3
    assert "no limit" in out


def test_the_command_refuses_unknown_parameters_in_one_line(call):
    code, out, err = call(*POINT, "--with-respect-to", "colour")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "view", [{"redrawn": 0.4}, {"masked": 0.3}, {"augmentation": 0.5, "augmentation_across": 1.0}]
)
def test_a_head_trained_on_any_views_moves_with_the_signal(view):
    given = {"objective": "spectral", "dimension": 20, "loss": "logistic", "ridge": 0.1}
    given |= {"sampling_ratio": 2.0, **view}
    found = derivatives(["signal"], signal=2.0, **given)
    step = 1e-4
    table = curve(signal=[2.0 - step, 2.0 + step], **given)
    slope = np.diff(table["accuracy_after"])[0] / (2 * step)
    assert found["derivative"][0] == pytest.approx(slope, rel=1e-6)


def test_a_parameter_of_training_that_is_not_given_cannot_move():
    with pytest.raises(InvalidInput, match="augmentation is not given"):
        derivatives(
            ["augmentation"], objective="spectral", dimension=20, loss="logistic", ridge=0.1,
            sampling_ratio=2.0, signal=2.0, redrawn=0.4,
        )  # fmt: skip
