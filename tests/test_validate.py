"""Theory against simulation of the same problems, and the ways in which a check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import validation
from asymptotics import accuracy
from asymptotics.errors import InvalidInput
from validation import Run, Training, assert_agreement, validate_probe
from validation.checks import probe_trial as probe_trial_module
from validation.checks.head_trial import without_step_bias
from validation.checks.pipeline import _with_errors_of_gain, validate_pipeline
from validation.checks.prediction import Prediction
from validation.checks.probe import choose_dimensions
from validation.checks.probe_trial import features_at
from validation.checks.projector import gain_rows, validate_projector
from validation.compare import Row
from validation.estimate import Estimate
from validation.probes import fit_probe
from validation.store import Store
from validation.training.trainer import DECAY

SMALL = {"probe_dimensions": (30, 60, 120), "trials": 24, "accuracy_error": 0.02}
LOGISTIC = {"loss": "logistic", "signal": 2.0, "sampling_ratio": 2.0, "ridge": 0.1}
QUICK = Training(heads=8, batch_size=32, max_pairs=2**16)


def test_the_assertion_takes_two_lines():
    result = validate_probe(**LOGISTIC, probe_dimensions=(40, 80, 160), trials=40)
    assert_agreement(result)


def test_no_exported_name_is_hidden_by_a_module():
    for name in validation.__all__:
        assert callable(getattr(validation, name)), name


def test_an_error_of_one_percent_planted_in_the_theory_is_detected():
    wrong = 1.01 * float(accuracy(**LOGISTIC).accuracy)
    result = validate_probe(**LOGISTIC, probe_dimensions=(40, 80, 160), trials=40, theory=wrong)
    assert result.agreement is False
    assert result.table["standard_error"][0] <= 0.002
    with pytest.raises(AssertionError, match=r"disagree: 1 disagrees.*\n  accuracy at signal=2, "):
        assert_agreement(result)


PROBLEMS = {
    "square": {"loss": "square", "signal": 1.5, "sampling_ratio": 1.5, "ridge": 0.1, "gain": 0.5},
    "logistic": {"loss": "logistic", "signal": 1.0, "sampling_ratio": 1.5, "ridge": 0.1, "gain": 2},
    "hinge": {"loss": "hinge", "signal": 1.5, "sampling_ratio": 1.2, "ridge": 0.2},
    "squared-hinge": {"loss": "squared-hinge", "signal": 1, "sampling_ratio": 2, "ridge": 0.5},
    "max-margin": {"loss": "max-margin", "signal": 1.5, "sampling_ratio": 1.0},
    "min-norm": {"loss": "min-norm", "signal": 1.5, "sampling_ratio": 0.5},
    "least-squares": {"loss": "least-squares", "signal": 1.0, "sampling_ratio": 2.5},
    "logistic-mle": {"loss": "logistic-mle", "signal": 0.5, "sampling_ratio": 5.0},
    "averaging": {"loss": "averaging", "signal": 1.0, "sampling_ratio": 1.5},
    "intercept": LOGISTIC | {"signal": 1.0, "prior": 0.25, "intercept": True},
    "fractional n": LOGISTIC | {"signal": 1.0, "sampling_ratio": 1.0137},
    "spectrum": {
        "loss": "logistic",
        "sampling_ratio": 2.0,
        "ridge": 0.1,
        "spectrum": {
            "eigenvalues": [0.3, 2.0],
            "weights": [0.5, 0.5],
            "squared_means": [0.2, 1.0],
        },
    },
    "trained head": {
        "loss": "square",
        "signal": 1.5,
        "sampling_ratio": 1.5,
        "ridge": 0.3,
        "objective": "spectral",
        "augmentation": 1.0,
        "dimension": 50,
    },
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_probe_and_mixture_agrees_with_its_simulation(name):
    assert_agreement(validate_probe(**PROBLEMS[name], **SMALL))


def test_explicit_arrays_behind_a_projector_agree_with_copies_of_themselves():
    rng = np.random.default_rng(3)
    root, head = rng.standard_normal((10, 10)) / 3, rng.standard_normal((8, 10)) / 3
    arrays = {"mean": rng.standard_normal(10) / 2, "covariance": root @ root.T, "projector": head}
    result = validate_probe(
        loss="logistic",
        sampling_ratio=3.0,
        ridge=0.1,
        arrays=arrays,
        probe_dimensions=(40, 80, 160),
        trials=40,
        accuracy_error=0.02,
    )
    assert_agreement(result)


def test_copies_of_explicit_features_have_their_spectrum_and_separation():
    coordinates = {"means": [1.0, 2.0], "scales": [0.5, 3.0]}
    features = features_at({"coordinates": coordinates}, 8, 1.0, 0.3)
    assert np.sum(features.mean**2) == pytest.approx(5.0)
    assert np.sum((features.mean / features.scales) ** 2) == pytest.approx(4.0 + 4 / 9)
    assert sorted(features.scales) == [0.5] * 4 + [3.0] * 4


def test_the_published_curve_of_loureiro_et_al_is_met():
    # 2106.03791: logistic, variance 1/2, |mean| = 1, sum of losses + (0.01/2) |w|^2, error 0.14696
    result = validate_probe(
        loss="logistic",
        spectrum={"eigenvalues": [0.5], "weights": [1.0], "squared_means": [1.0]},
        sampling_ratio=1.268947,
        ridge=0.01,
        ridge_convention="scaled-sum",
        theory=1 - 0.14696193,
        probe_dimensions=(50, 100, 200),
        trials=60,
        accuracy_error=0.004,
    )
    assert_agreement(result)
    assert result.table["detectable"][0] < 0.02


def test_points_without_a_limit_or_a_fit_are_rows_that_say_so():
    result = validate_probe(loss="max-margin", signal=1.0, sampling_ratio=[1.0, 3.4, 5.0], **SMALL)
    assert result.table["status"].tolist() == ["agrees", "a sample is not separable", "no limit"]
    assert result.agreement is None
    with pytest.raises(AssertionError, match="nothing decided"):
        assert_agreement(result)


def test_an_infinite_gain_cannot_be_sampled_and_is_marked():
    result = validate_probe(**LOGISTIC, **SMALL, gain=[1.0, np.inf])
    assert result.table["status"].tolist() == ["agrees", "collapse"]


def test_interrupted_checks_resume_and_give_the_same_bits_on_any_number_of_workers(tmp_path):
    options = LOGISTIC | SMALL | {"trials": 10}
    whole = validate_probe(**options).table["mean"][0]

    def interrupt(stage, progress):
        assert stage == "fitting probes"
        if progress.done == 4:
            raise KeyboardInterrupt

    path = tmp_path / "sweep.sqlite"
    with Store(path) as store, pytest.raises(KeyboardInterrupt):
        validate_probe(**options, run=Run(store=store, progress=interrupt))
    seen = []
    with Store(path) as store:
        run = Run(
            jobs=2, store=store, resume=True, progress=lambda _, progress: seen.append(progress)
        )
        resumed = validate_probe(**options, run=run).table["mean"][0]
    assert seen[0].done == 4
    assert resumed == whole
    assert validate_probe(**options, run=Run(seed=1)).table["mean"][0] != whole


@pytest.mark.slow
def test_trained_heads_have_the_closed_form_gain_and_no_other():
    setting = {"objective": "spectral", "signal": 1.0, "augmentation": 1.0, "dimension": 6}
    result = validate_projector(**setting, training=QUICK, gain_error=0.05)
    assert_agreement(result)
    # a^2 = (R^2 + 1) D^2/(R^2 + D)^2 at R = 1, D = 2
    assert result.table["theory"][0] == pytest.approx(0.5 * np.log(8 / 9), abs=1e-12)
    assert result.finite["size"].tolist() == [32, 64, 128]


def test_the_pipeline_has_three_rows_a_point_and_agrees():
    result = validate_pipeline(
        objective="spectral",
        signal=1.0,
        augmentation=1.0,
        dimension=4,
        loss="square",
        sampling_ratio=2.0,
        ridge=[0.1, 0.5],
        encoder="balanced",
        training=QUICK,
        gain_error=0.05,
        **SMALL,
    )
    assert (
        result.table["quantity"].tolist()
        == [
            "log_gain",
            "accuracy_before",
            "accuracy_after",
        ]
        * 2
    )
    assert_agreement(result)


def test_the_error_of_the_gain_reaches_the_accuracy_through_its_slope():
    point = {"signal": 1.0, "sampling_ratio": 2.0, "ridge": 0.1}
    points = {name: np.array([value]) for name, value in point.items()}
    before = Row(point, "accuracy_after", 0.8, Estimate(0.8, 1e-3, 50.0), 0.002)
    measured = {"log_gain": np.log(0.7), "standard_error": 0.01, "degrees_of_freedom": 7}
    [after] = _with_errors_of_gain([before], points, {"loss": "square"}, 1.0, [measured])
    step = 1e-4
    up, down = (
        float(accuracy(loss="square", **point, gain=0.7 * np.exp(s)).accuracy)
        for s in (step, -step)
    )
    slope = (up - down) / (2 * step)
    assert after.estimate.standard_error == pytest.approx(np.hypot(1e-3, 0.01 * slope), rel=1e-4)
    assert after.estimate.value == before.estimate.value


def test_a_geometric_bias_of_the_step_is_removed_exactly():
    last, earlier = (0.5 + 0.03 * 2.0 ** (-DECAY * k) for k in (3, 2))
    drift = SimpleNamespace(drift=last - earlier, standard_error=0.002)
    measured = SimpleNamespace(log_gain=last, standard_error=0.001, drift=drift)
    value, error = without_step_bias(measured)
    assert value == pytest.approx(0.5, abs=1e-14)
    assert error == pytest.approx(0.001 + 0.002 / (2**DECAY - 1) + abs(last - 0.5))


@pytest.mark.parametrize("status", ["too few negatives", "gain still drifting"])
def test_a_gain_that_is_no_limit_is_not_judged(status):
    theory = [Prediction({"signal": 1.0}, "log_gain", 0.5, np.nan, None)]
    found = {"status": status, "log_gain": 0.5, "standard_error": 1e-3, "degrees_of_freedom": 7}
    [row] = gain_rows(theory, [found], 0.02)
    assert row.fault == status


def test_the_mean_number_of_samples_is_the_asked_one(monkeypatch):
    drawn = []

    def fit(loss, sample, labels, ridge, intercept):
        drawn.append(len(sample))
        return fit_probe(loss, sample, labels, ridge, intercept)

    monkeypatch.setattr(probe_trial_module, "fit_probe", fit)
    rng = np.random.default_rng(0)
    task = {"mixture": {"signal": 1.0}, "gain": 1.0, "prior": 0.5, "loss": "averaging"}
    task |= {"ridge": None, "intercept": False, "sampling_ratio": 0.51}
    for trial in range(1000):
        probe_trial_module.probe_trial(rng, **task, dimensions=[31], trial=trial)
    assert set(drawn) == {15, 16}
    assert abs(np.mean(drawn) - 0.51 * 31) < 4 * np.std(drawn) / np.sqrt(1000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: validate_probe(**LOGISTIC, probe_dimensions=(50, 100)), "three or more"),
        (lambda: validate_probe(**LOGISTIC, trials=3), "trials must be at least 8"),
        (lambda: validate_probe(**LOGISTIC, theory=[0.9, 0.8]), "theory must be one number or 1"),
        (lambda: validate_probe(loss="bayes", signal=1, sampling_ratio=1), "fitted to no sample"),
        (
            lambda: validate_probe(**LOGISTIC | {"sampling_ratio": 0.01}),
            "too few to fit: simulate at dimensions of 400 and more",
        ),
        (
            lambda: choose_dimensions(
                (10, 20, 40), [{"mixture": {"coordinates": {"means": [1] * 15}}}]
            ),
            "multiples of 15",
        ),
        (
            lambda: validate_projector(
                objective="cosine-scaled", signal=1, augmentation=1, dimension=9, temperature=1
            ),
            "one that a batch trains",
        ),
        (
            lambda: validate_projector(signal=1, augmentation=1, dimension=9.5, temperature=1),
            "whole number",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_simulated(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


@pytest.mark.slow
def test_the_pipeline_of_simclr_agrees_with_the_exact_theory():
    result = validate_pipeline(
        signal=2,
        dimension=20,
        augmentation=1,
        temperature=[0.2, 1.0],
        loss="logistic",
        sampling_ratio=2,
        ridge=0.1,
        run=Run(jobs=None),
    )
    assert_agreement(result)
    after = result.table["quantity"] == "accuracy_after"
    assert np.all(result.table["detectable"][after] < 0.005)
