"""Geometry: isotropic, spectra and explicit arrays through one solver."""

import numpy as np
import pytest

from asymptotics import (
    PROBES,
    Gain,
    InvalidInput,
    Matrix,
    NoLimit,
    Problem,
    explicit_mixture,
    isotropic_mixture,
    limit,
    make_problem,
    spectral_mixture,
)
from asymptotics.geometry import Spectrum
from asymptotics.mixture import Class, Mixture
from asymptotics.projectors import project

RIDGE = {name: 0.1 if probe.ridge is None else None for name, probe in PROBES.items()}


def sampling_ratio(loss):
    """An n/p at which the limit exists at signal 1.5."""
    return {"min-norm": 0.7, "logistic-mle": 12.0}.get(loss, 1.5)


@pytest.mark.parametrize("loss", PROBES)
@pytest.mark.parametrize("gain", [0.3, 1.0, 4.0])
def test_isotropic_is_a_spectrum_whose_spike_has_weight_zero(loss, gain):
    spectrum = {
        "eigenvalues": [1.0, gain**2],
        "weights": [1.0, 0.0],
        "squared_means": [0.0, (gain * 1.5) ** 2],
    }
    common = {"loss": loss, "sampling_ratio": sampling_ratio(loss), "ridge": RIDGE[loss]}
    one = limit(make_problem(signal=1.5, gain=gain, **common))
    other = limit(make_problem(spectrum=spectrum, **common))
    assert float(one.accuracy) == pytest.approx(float(other.accuracy), abs=1e-12)


def test_a_gain_on_a_spectrum_is_a_rank_one_head_in_the_block():
    """W_a of a mean spread over two atoms, against explicit arrays of growing dimension."""
    mixture = spectral_mixture([1.0, 3.0], [0.5, 0.5], [1.0, 2.0])
    expected = float(limit(Problem(mixture, Gain(2.0), "logistic", 2.0, 0.1)).accuracy)
    gaps = []
    for p in (40, 80, 160):
        mean = np.zeros(p)
        mean[0], mean[-1] = 1.0, np.sqrt(2.0)
        covariance = np.diag(np.repeat([1.0, 3.0], p // 2))
        problem = Problem(explicit_mixture(mean, covariance), Gain(2.0), "logistic", 2.0, 0.1)
        gaps.append(float(limit(problem).accuracy) - expected)
    # O(1/p): halved twice, and small
    assert gaps[1] == pytest.approx(gaps[0] / 2, rel=0.1)
    assert gaps[2] == pytest.approx(gaps[1] / 2, rel=0.05)
    assert abs(gaps[2]) < 0.01


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge", "max-margin"])
def test_explicit_arrays_approach_the_isotropic_limit_like_one_over_p(loss):
    expected = float(
        limit(Problem(isotropic_mixture(1.5), Gain(2.0), loss, 1.5, RIDGE[loss])).accuracy
    )
    gaps = []
    for p in (50, 100, 200, 400):
        mean = np.zeros(p)
        mean[3] = 1.5
        head = np.eye(p)
        head[3, 3] = 2.0
        problem = Problem(explicit_mixture(mean), Matrix(head), loss, 1.5, RIDGE[loss])
        gaps.append(float(limit(problem).accuracy) - expected)
    slopes = np.diff(np.log(np.abs(gaps))) / np.log(2)
    np.testing.assert_allclose(slopes[-2:], -1.0, atol=0.05)


def test_a_rotation_of_the_features_changes_nothing():
    rng = np.random.default_rng(0)
    p = 30
    mean, root = rng.normal(size=p) / 4, rng.normal(size=(p, p)) / np.sqrt(p)
    covariance = root @ root.T + 0.1 * np.eye(p)
    rotation = np.linalg.qr(rng.normal(size=(p, p)))[0]
    head = rng.normal(size=(p, p))

    def value(matrix):
        problem = Problem(explicit_mixture(mean, covariance), Matrix(matrix), "hinge", 2.0, 0.1)
        return float(limit(problem).accuracy)

    assert value(rotation @ head) == pytest.approx(value(head), abs=1e-11)


def test_a_projector_of_low_rank_is_a_smaller_problem():
    """Zeroing k of p directions leaves the probe p - k of them, n/(p - k) samples each."""
    p, kept = 60, 40
    mean = np.zeros(p)
    mean[0] = 1.2
    head = np.diag((np.arange(p) < kept).astype(float))
    whole = limit(Problem(explicit_mixture(mean), Matrix(head), "logistic", 2.0, 0.1))
    small = limit(Problem(explicit_mixture(mean[:kept]), Gain(), "logistic", 2.0 * p / kept, 0.1))
    # traces count p directions in both, so the small problem is the same fixed point
    assert float(whole.accuracy) == pytest.approx(float(small.accuracy), abs=1e-12)
    wide = limit(Problem(explicit_mixture(mean), Matrix(head[:kept]), "logistic", 3.0, 0.1))
    assert float(wide.accuracy) == pytest.approx(float(whole.accuracy), abs=1e-12)


def test_a_projector_that_removes_the_signal_leaves_a_coin():
    head = np.eye(20)
    head[0, 0] = 0.0
    mean = np.zeros(20)
    mean[0] = 2.0
    result = limit(Problem(explicit_mixture(mean), Matrix(head), "logistic", 2.0, 0.1))
    assert float(result.accuracy) == 0.5
    removed = limit(Problem(isotropic_mixture(2.0), Gain(0.0), "logistic", 2.0, 0.1))
    assert float(removed.accuracy) == 0.5


def test_a_noiseless_mean_direction_is_always_separable():
    spectrum = {"eigenvalues": [1.0, 0.0], "weights": [0.5, 0.5], "squared_means": [0.0, 1.0]}
    hard = limit(make_problem(loss="max-margin", spectrum=spectrum, sampling_ratio=0.5))
    mle = limit(make_problem(loss="logistic-mle", spectrum=spectrum, sampling_ratio=500.0))
    assert hard.converged.all()
    assert mle.status.tolist() == "no limit"
    squares = make_problem(loss="least-squares", spectrum=spectrum, sampling_ratio=500.0)
    with pytest.raises(NoLimit, match="separated without noise"):
        limit(squares).raise_on_failure()


def test_resolvent_moments_are_traces_of_the_matrix():
    rng = np.random.default_rng(1)
    p, ridge, curvature = 12, 0.3, 0.7
    root = rng.normal(size=(p, p))
    mean, covariance = rng.normal(size=p), root @ root.T / p
    spectrum = project(explicit_mixture(mean, covariance), Gain())
    traces, overlaps = spectrum.resolvent_moments(np.array(ridge), np.array(curvature))
    resolvent = np.linalg.inv(ridge * np.eye(p) + curvature * covariance)
    power = covariance @ resolvent
    for j in range(3):
        sg = np.linalg.matrix_power(power, j + 1)
        assert traces[j] == pytest.approx(np.trace(sg) / p, rel=1e-12)
        bent = mean @ resolvent @ np.linalg.matrix_power(power, j) @ mean
        assert overlaps[j] == pytest.approx(bent, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [0.5], [0.0]), "weights must sum to 1, got 0.5"),
        (([-1.0], [1.0], [0.0]), "eigenvalues must be finite and >= 0, got -1"),
        (([1.0, 2.0], [0.5, 0.3, 0.2], [0.0]), "equal lengths"),
        (([0.0], [1.0], [0.0]), "eigenvalue > 0"),
        (([np.nan], [1.0], [0.0]), "eigenvalues must be finite"),
    ],
)
def test_a_bad_spectrum_is_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Spectrum(*(np.array(x) for x in arguments))


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        ([1.0, np.inf], None, "mean must be finite"),
        ([1.0, 2.0], np.ones((3, 3)), "covariance must be 2 x 2"),
        ([1.0, 2.0], [[1.0, 0.5], [0.0, 1.0]], "covariance must be symmetric"),
        ([1.0, 2.0], [[1.0, 2.0], [2.0, 1.0]], "positive semi-definite"),
        (1.0, None, "mean must be a non-empty vector"),
    ],
)
def test_bad_arrays_are_refused(mean, covariance, message):
    with pytest.raises(InvalidInput, match=message):
        explicit_mixture(mean, covariance)


def test_a_projector_of_the_wrong_width_is_refused():
    with pytest.raises(InvalidInput, match="projector must be a matrix of 2 columns"):
        limit(Problem(explicit_mixture([1.0, 2.0]), Matrix(np.eye(3)), "square", 1.0, 1.0))


def test_a_mixture_that_the_equations_do_not_cover_says_so():
    def pair(second_mean, second_covariance):
        one = Class(0.5, np.array([1.0]), np.eye(1), 1)
        other = Class(0.5, np.array([second_mean]), second_covariance * np.eye(1), -1)
        return Mixture((one, other), np.array([1.0]), np.array([1.0]))

    with pytest.raises(InvalidInput, match="opposite class means"):
        pair(0.0, 1.0).symmetric_pair()
    with pytest.raises(InvalidInput, match="same covariance"):
        pair(-1.0, 2.0).symmetric_pair()
