"""The mpmath reference against closed forms, published values, direct quadrature, simulation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp
from scipy.special import ndtr

from asymptotics.errors import InvalidInput, NoLimit
from asymptotics.reference import (
    REFERENCE_LOSSES,
    reference_accuracy,
    reference_spectrum_accuracy,
)
from asymptotics.reference.moments import AFFINE_PIECES, logistic_prox, margin_moments
from asymptotics.reference.thresholds import reference_collapse, reference_separability

REFERENCE = Path(__file__).parent / "reference"
PUBLISHED = json.loads((REFERENCE / "published.json").read_text())
DIGITS = 20


def close(value, expected, digits=DIGITS - 2):
    return abs(value - expected) <= mp.mpf(10) ** (-digits) * abs(expected)


@pytest.mark.parametrize("row", PUBLISHED["quadrature"]["rows"], ids=lambda row: row["loss"])
def test_earlier_quadrature_is_reproduced_to_its_eight_digits(row):
    for gain, expected in zip(row["gain"], row["accuracy"], strict=True):
        inputs = {name: row[name] for name in ("signal", "sampling_ratio", "ridge")}
        point = reference_accuracy(row["loss"], **inputs, gain=gain, digits=12)
        assert abs(point.accuracy - expected) < 0.6e-8


def test_the_published_logistic_curve_is_reproduced_in_its_own_scaling():
    published = PUBLISHED["loureiro"]
    point = reference_spectrum_accuracy(
        "logistic",
        eigenvalues=[published["eigenvalue"]],
        weights=[1],
        squared_means=[published["squared_mean"]],
        sampling_ratio=published["sampling_ratio"],
        ridge=published["ridge_times_sampling_ratio"] / published["sampling_ratio"],
        digits=12,
    )
    for name in ("gamma", "mean", "variance", "test_error"):
        assert abs(getattr(point, name) / published[name] - 1) < 5e-7, name


def test_separability_thresholds_match_the_known_ones():
    for signal, expected in PUBLISHED["separability"]["no_intercept"]:
        found = reference_separability(signal, digits=DIGITS).sampling_ratio
        assert abs(found / expected - 1) < 1e-8
    for signal, prior, expected in PUBLISHED["separability"]["intercept"]:
        found = reference_separability(signal, prior, intercept=True, digits=DIGITS)
        assert abs(found.sampling_ratio - expected) < 6e-4


@pytest.mark.parametrize(("signal", "prior"), [(0.7, 0.3), (2.0, 0.1), (20.0, 0.5)])
def test_separability_is_a_maximum_over_cosine_and_intercept(signal, prior):
    with mp.workdps(DIGITS):
        found = reference_separability(signal, prior, intercept=True, digits=DIGITS)

        def ratio(rho, b):
            def shortfall(x):  # E (z - x)_+^2 by quadrature
                scale = 1 / (1 + max(x, 0))  # of the tail's decay beyond x
                points = [x + k * scale for k in (0, 4, 12, 30, 70)]
                # mp.quad stops at an absolute error, so the tail's size is taken out
                relative = mp.quad(lambda z: (z - x) ** 2 * mp.exp((x * x - z * z) / 2), points)
                return relative * mp.npdf(x)

            weights = ((prior, 1), (1 - prior, -1))
            mean = mp.fsum(w * shortfall(signal * rho + y * b) for w, y in weights)
            return (1 - rho) * (1 + rho) / mean

        best = ratio(found.cosine, found.intercept)
        assert close(best, found.sampling_ratio, 10)
        for change in (mp.mpf("1e-3"), -mp.mpf("1e-3")):
            assert ratio(found.cosine + change * (1 - found.cosine), found.intercept) < best
            assert ratio(found.cosine, found.intercept + change) < best


def square_accuracy(signal, sampling_ratio, ridge, gain):
    """The square loss in closed form: gamma is the positive root of a quadratic."""
    r, d, l, a = map(mp.mpf, (signal, sampling_ratio, ridge, gain))
    b, c = (l + 1 - 1 / d), -1 / d
    gamma = (-b + mp.sqrt(b * b - 4 * l * c)) / (2 * l)
    m = r / (1 + r**2 + l * (1 + gamma) / a**2)
    k = d * (gamma / (1 + gamma)) ** 2
    q2 = k * ((1 - r * m) ** 2 + m**2) / (1 - k)
    return mp.ncdf(r * m / mp.sqrt(m**2 + q2))


@pytest.mark.parametrize("ridge", [1e-8, 0.1, 30.0])
@pytest.mark.parametrize(("ratio", "gain"), [(0.3, 2.0), (1.0, 0.5), (4.0, 1.0)])
def test_square_loss_matches_its_closed_form(ridge, ratio, gain):
    with mp.workdps(60):
        expected = square_accuracy(1.5, ratio, ridge, gain)
        point = reference_accuracy(
            "square", signal=1.5, sampling_ratio=ratio, ridge=ridge, gain=gain, digits=DIGITS
        )
        assert close(point.accuracy, expected)


@pytest.mark.parametrize("gain", [0.5, 1, 3])
def test_limits_match_their_closed_forms(gain):
    with mp.workdps(40):
        r, a = mp.mpf("1.25"), mp.mpf(gain)
        low, high = mp.mpf("0.4"), mp.mpf(3)
        overlap = low * r**2 * a**2 / (1 - low + low * a**2)
        cases = {
            ("min-norm", low): overlap * mp.sqrt((1 - low) / (overlap**2 / r**2 + low)),
            ("least-squares", high): r**2 * mp.sqrt((1 - 1 / high) / (r**2 + 1 / high)),
            ("averaging", high): a**2 * r**2 / mp.sqrt(a**4 * r**2 + 1 / high),
            ("bayes", high): r,
        }
        for (loss, ratio), score in cases.items():
            point = reference_accuracy(loss, signal=r, sampling_ratio=ratio, gain=a, digits=DIGITS)
            assert close(point.test_error, mp.ncdf(-score)), loss


def test_unregularised_fits_do_not_see_the_gain():
    """The logistic MLE: least squares is in the closed forms."""
    options = {"signal": 1, "sampling_ratio": 6, "digits": DIGITS}
    one = reference_accuracy("logistic-mle", **options)
    start = (one.gamma, one.mean, one.variance)
    other = reference_accuracy("logistic-mle", gain=4, start=start, **options)
    assert close(one.test_error, other.test_error)


@pytest.mark.parametrize("loss", ["hinge", "squared-hinge", "square"])
def test_rescaled_features_need_a_rescaled_ridge(loss):
    spectrum = {"weights": [0.5, 0.5], "sampling_ratio": 1.5, "digits": DIGITS}
    one = reference_spectrum_accuracy(
        loss, eigenvalues=[1, 2], squared_means=[1, "0.5"], ridge="0.25", **spectrum
    )
    two = reference_spectrum_accuracy(
        loss, eigenvalues=[4, 8], squared_means=[4, 2], ridge=1, **spectrum
    )
    assert close(one.test_error, two.test_error)
    assert close(one.mean, two.mean)


def test_squared_hinge_reaches_max_margin_linearly_in_the_ridge():
    options = {"signal": 1, "sampling_ratio": 1, "gain": 2, "digits": DIGITS}
    limit = reference_accuracy("max-margin", **options).accuracy
    first, second = (
        reference_accuracy("squared-hinge", ridge=ridge, **options).accuracy - limit
        for ridge in ("1e-8", "1e-9")
    )
    assert abs(first / second - 10) < 1e-4


def test_a_start_replaces_the_path_and_gives_the_same_point():
    options = {"signal": 1.5, "sampling_ratio": 0.7, "ridge": 0.03, "digits": DIGITS}
    found = reference_accuracy("hinge", **options)
    near = [float(x) * 1.01 for x in (found.gamma, found.mean, found.variance)]
    assert close(reference_accuracy("hinge", start=near, **options).test_error, found.test_error)


def _affine_slope(pieces, w):
    return next((o + k * w, k) for low, high, o, k in [*pieces, (-mp.inf, mp.inf, 0, 0)]
                if low < w < high)  # fmt: skip


@pytest.mark.parametrize("loss", [*AFFINE_PIECES, "logistic"])
def test_moments_match_plain_quadrature_over_the_margin(loss):
    with mp.workdps(18):
        gamma, mean, variance = mp.mpf("1.7"), mp.mpf("-0.3"), mp.mpf("2.2")
        s = mp.sqrt(variance)

        def derivatives(w):
            if loss != "logistic":
                return _affine_slope(AFFINE_PIECES[loss](gamma), w)
            sigmoid = 1 / (1 + mp.exp(logistic_prox(w, gamma)))
            return -sigmoid, 1 / (gamma + 1 / (sigmoid * (1 - sigmoid)))

        kinks = [(1 - gamma - mean) / s, (1 - mean) / s]
        found = margin_moments(loss, gamma, mean, variance)
        integrands = {
            "M11": lambda a, b, z: a * a,
            "M112": lambda a, b, z: a * a * b,
            "M12z": lambda a, b, z: a * b * z,
            "M2zz": lambda a, b, z: b * z * z,
        }
        for name, integrand in integrands.items():
            direct = mp.quad(
                lambda z, f=integrand: f(*derivatives(mean + s * z), z) * mp.npdf(z),
                [-11, *kinks, 11],
            )
            assert abs(found[name] - direct) < 1e-14, name


def test_stored_tables_are_what_the_solver_gives_now():
    spec = importlib.util.spec_from_file_location("make", REFERENCE / "make_reference.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    stored = json.loads((REFERENCE / "ordinary.json").read_text())
    assert {record["loss"] for record in stored} == set(REFERENCE_LOSSES)
    for record in stored[1::17]:
        values = tuple(record[k] for k in ("signal", "sampling_ratio", "ridge", "gain"))
        fresh = make.isotropic(record["loss"], values)
        assert close(mp.mpf(fresh["test_error"]), mp.mpf(record["test_error"]), 15)
    assert make.DIGITS >= 20


@pytest.mark.parametrize("table", ["ordinary", "corners", "intercepts", "spectra"])
def test_stored_points_obey_their_own_inequalities(table):
    for record in json.loads((REFERENCE / f"{table}.json").read_text()):
        mean, variance, error = (mp.mpf(record[key]) for key in ("mean", "variance", "test_error"))
        assert mp.mpf(record["error"]) < 1e-25
        if "signal" in record:
            assert mean**2 <= variance * mp.mpf(record["signal"]) ** 2 * (1 + 1e-20)
            assert record.get("prior") or error >= mp.ncdf(-record["signal"]) * (1 - 1e-14)


@pytest.mark.parametrize(
    ("loss", "ratio"),
    [("max-margin", 3.71), ("logistic-mle", 3.70), ("min-norm", 1.01), ("least-squares", 0.99)],
)
def test_a_limit_that_does_not_exist_names_its_threshold(loss, ratio):
    with pytest.raises(NoLimit, match=r"threshold (1|3\.7000)"):
        reference_accuracy(loss, signal=1, sampling_ratio=ratio)


def test_the_unbalanced_hinge_probe_shrinks_to_zero_at_its_collapse_threshold():
    """Continuity from below: the probe's length vanishes linearly at the threshold."""
    options = {"signal": "0.3", "ridge": "0.1", "prior": "0.25", "intercept": True, "digits": 12}
    threshold = reference_collapse("0.3", "0.25", digits=DIGITS)
    lengths = [
        mp.sqrt(reference_accuracy("hinge", sampling_ratio=threshold * x, **options).variance)
        for x in (1 - mp.mpf("1e-3"), 1 - mp.mpf("1e-4"))
    ]
    assert abs(lengths[0] / lengths[1] - 10) < 0.1
    assert lengths[1] < 1e-3
    with pytest.raises(NoLimit, match="collapse threshold"):
        reference_accuracy("hinge", sampling_ratio=threshold * (1 + mp.mpf("1e-9")), **options)


@pytest.mark.parametrize(("signal", "prior"), [("0.3", "0.5"), ("0.6", "0.25")])
def test_balanced_or_strong_classes_never_collapse(signal, prior):
    assert reference_collapse(signal, prior, digits=DIGITS) == mp.inf


@pytest.mark.parametrize(
    "bad",
    [
        {"loss": "absolute"},
        {"ridge": None},
        {"ridge": -1},
        {"sampling_ratio": 0},
        {"signal": -1},
        {"gain": 0},
        {"prior": 1},
    ],
)
def test_bad_input_is_refused(bad):
    good = {"loss": "hinge", "signal": 1, "sampling_ratio": 1, "ridge": 1}
    with pytest.raises(InvalidInput):
        reference_accuracy(**(good | bad))


def test_an_unequal_prior_with_intercept_agrees_with_simulated_ridge_fits():
    """Square loss fitted exactly on finite samples; the O(1/p) bias is extrapolated away."""
    signal, ratio, ridge, gain, prior = 1.0, 2.0, 0.1, 1.5, 0.25
    rng = np.random.default_rng(7)
    limit = reference_accuracy(
        "square", signal=signal, sampling_ratio=ratio, ridge=ridge, gain=gain, prior=prior,
        intercept=True, digits=12,
    )  # fmt: skip

    def fitted(p):
        n = int(ratio * p)
        y = np.where(rng.random(n) < prior, 1.0, -1.0)
        h = rng.standard_normal((n, p))
        h[:, 0] = gain * (h[:, 0] + signal * y)
        centred = h - h.mean(axis=0)
        theta = np.linalg.solve(centred.T @ centred / n + ridge * np.eye(p), centred.T @ y / n)
        b = y.mean() - h.mean(axis=0) @ theta
        s = np.sqrt(gain**2 * theta[0] ** 2 + theta[1:] @ theta[1:])
        mean = gain * signal * theta[0]
        return prior * ndtr((mean + b) / s) + (1 - prior) * ndtr((mean - b) / s)

    small, large = (np.array([fitted(p) for _ in range(t)]) for p, t in ((60, 800), (120, 400)))
    estimate = 2 * large.mean() - small.mean()
    error = np.hypot(2 * large.std() / np.sqrt(large.size), small.std() / np.sqrt(small.size))
    assert error < 2e-3
    assert abs(estimate - float(limit.accuracy)) < 3.5 * error
