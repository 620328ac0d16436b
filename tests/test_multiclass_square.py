"""Square and nearest-mean: two-class probes, limits of the ridge, and the best classifier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics import accuracy
from asymptotics.multiclass.argmax import exchangeable_error
from asymptotics.multiclass.sweep import multiclass_accuracy

TRIANGLE = [[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 4), st.floats(-1.5, 1.5), st.floats(-6, 3), st.floats(0.1, 5), st.booleans())
def test_two_classes_are_the_binary_square_probe(signal, log10_ratio, log10_ridge, gain, offset):
    point = {"signal": signal, "sampling_ratio": 10**log10_ratio, "ridge": 10**log10_ridge}
    binary = accuracy(loss="square", gain=gain, intercept=offset, **point)
    found = multiclass_accuracy(classes=2, loss="square", gain=gain, intercept=offset, **point)
    assert found.accuracy == pytest.approx(float(binary.accuracy), abs=found.error_estimate + 1e-12)


@pytest.mark.parametrize("prior", [0.1, 0.4])
def test_two_unequal_classes_with_an_intercept_are_the_binary_square_probe(prior):
    point = {"sampling_ratio": 1.7, "ridge": 0.2, "loss": "square", "intercept": True}
    binary = accuracy(signal=1.2, prior=prior, **point)
    found = multiclass_accuracy(means=[[1.2], [-1.2]], priors=[prior, 1 - prior], **point)
    assert found.accuracy == pytest.approx(float(binary.accuracy), abs=1e-13)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_two_classes_nearest_mean_is_averaging(gain):
    point = {"signal": 1.2, "sampling_ratio": 0.7, "gain": gain}
    binary = accuracy(loss="averaging", **point).accuracy
    found = multiclass_accuracy(classes=2, loss="nearest-mean", **point)
    assert found.accuracy == pytest.approx(float(binary), abs=1e-14)


@pytest.mark.parametrize("classes", [3, 5, 10])
def test_an_infinite_ridge_makes_the_nearest_mean(classes):
    point = {"classes": classes, "signal": 2.0, "sampling_ratio": 1.5, "gain": 1.3}
    square = multiclass_accuracy(loss="square", ridge=1e9, **point).accuracy
    softmax_free = multiclass_accuracy(loss="nearest-mean", **point).accuracy
    assert square == pytest.approx(softmax_free, abs=1e-8)


@pytest.mark.parametrize("loss", ["square", "nearest-mean"])
def test_infinitely_many_samples_make_the_best_classifier(loss):
    ridge = {"ridge": 1e-6} if loss == "square" else {}
    found = multiclass_accuracy(classes=4, signal=2.0, sampling_ratio=1e7, loss=loss, **ridge)
    # known means: a_k = R^2 K/(K-1) d_ky + R sqrt(K/(K-1)) z_k
    scale = 4.0 * 4 / 3
    best = 1 - exchangeable_error(scale, scale, 4)
    assert found.accuracy == pytest.approx(float(best), abs=1e-6)


def test_a_shared_spectrum_of_one_atom_is_a_rescaling():
    # S = 4 I with means 2 mu is the isotropic problem in other units, at ridge/4
    from asymptotics.multiclass.limits import multiclass_limit
    from asymptotics.multiclass.mixture import multiclass_mixture
    from asymptotics.multiclass.problem import MulticlassProblem

    plain = multiclass_mixture(TRIANGLE, [0.5, 0.3, 0.2])
    wide = multiclass_mixture(
        2 * np.array(TRIANGLE), [0.5, 0.3, 0.2], 4 * np.eye(2), [4.0, 4.0], [0.3, 0.7]
    )
    for loss, ridge in (("square", 0.1), ("softmax", 0.1), ("nearest-mean", None)):
        wider = None if ridge is None else 4 * ridge
        a = multiclass_limit(MulticlassProblem(plain, loss, 2.0, ridge))
        b = multiclass_limit(MulticlassProblem(wide, loss, 2.0, wider))
        np.testing.assert_allclose(a.confusion, b.confusion, atol=1e-8)
