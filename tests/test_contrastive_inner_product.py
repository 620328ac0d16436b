"""Inner-product InfoNCE: the root of the scalar equation, and that equation from the raw loss."""

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import minimize

from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import ViewPair, anisotropic_noise, class_redraw


def scalar_root(signal, noisy, right_hand_side=0.0):
    """x of -(R^2+1) + D (R^2+D) x + R E[h tanh(R x h)] = rhs by mpmath."""
    with mp.workdps(20):
        signal, noisy, rhs = mp.mpf(signal), mp.mpf(noisy), mp.mpf(right_hand_side)
        spread = mp.sqrt(noisy)

        def equation(x):
            def integrand(h):
                density = mp.exp(-((h - signal) ** 2) / (2 * noisy)) / mp.sqrt(2 * mp.pi * noisy)
                return density * h * mp.tanh(signal * x * h)

            cuts = [signal + c * spread for c in (-12, -6, -2, 0, 2, 6, 12)]
            mean = mp.quad(integrand, sorted([*cuts, mp.mpf(0)]))
            return -(signal**2 + 1) + noisy * (signal**2 + noisy) * x + signal * mean - rhs

        pull = signal**2 + 1 + rhs
        low = pull / (signal**2 + noisy) ** 2 * mp.mpf("0.999")
        high = pull / (noisy * (signal**2 + noisy)) * mp.mpf("1.001")
        return float(mp.findroot(equation, (low, high), solver="anderson", tol=1e-16))


@pytest.mark.parametrize(
    ("signal", "augmentation"), [(0.0, 1.0), (0.5, 0.0), (2.0, 1.0), (5.0, 0.3), (20.0, 10.0)]
)
def test_gain_solves_the_scalar_equation(signal, augmentation):
    noisy = 1 + augmentation**2
    found = projector("inner-product", signal=signal, augmentation=augmentation, dimension=50)
    root = scalar_root(signal, noisy)
    assert found.gain**2 == pytest.approx(root * noisy**2, rel=2e-12)
    assert found.error_estimate < 1e-12


@pytest.mark.parametrize(("temperature", "gain_squared"), [(1.0, 0.3505), (20.0, 2.7111)])
def test_fixed_norm_reproduces_the_reference_gains(temperature, gain_squared):
    found = projector(
        "inner-product-fixed-norm",
        signal=2.0,
        augmentation=1.0,
        temperature=temperature,
        dimension=50,
    )
    assert found.gain**2 == pytest.approx(gain_squared, abs=5e-5)
    root = scalar_root(2.0, 2.0, -1 + 4.0 / temperature)
    assert found.gain**2 == pytest.approx(temperature * root, rel=1e-11)


def test_temperature_only_sets_the_scale_of_the_free_head():
    found = projector(
        "inner-product", signal=2.0, augmentation=1.0, temperature=[0.01, 1, 100], dimension=50
    )
    assert np.ptp(found.gain) == 0.0


def raw_loss(views, along, across, dimension):
    """-tr(A C) + E_1 log E' exp(h^T A h') by plain sums, tau = 1, A = along, across."""
    signal, v1, v2, cs, n1, n2, cn = (float(field) for field in views.arrays())
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    anchor, other = signal + np.sqrt(v1) * nodes, signal + np.sqrt(v2) * nodes
    exponent = along * anchor[:, None] * other
    mean = (weights * np.cosh(exponent)).sum(axis=1)
    noise = np.sqrt(n1 * n2) * across * nodes[:, None] * nodes
    noise_mean = (weights * np.exp(noise)).sum(axis=1)
    uniform = weights @ np.log(mean) + (dimension - 1) * (weights @ np.log(noise_mean))
    return uniform - along * (signal**2 + cs) - (dimension - 1) * across * cn


@pytest.mark.parametrize(
    "views",
    [
        anisotropic_noise(1.2, 0.8, 0.5),
        ViewPair(0.7, (1.0, 1.9), 0.6, (1.5, 1.2), 0.9),
    ],
)
def test_gain_minimises_the_raw_loss(views):
    best = minimize(
        lambda logs: raw_loss(views, *np.exp(logs), 5),
        [-1.0, -1.0],
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-15},
    )
    found = projector("inner-product", pair=views, dimension=5)
    assert found.log_gain == pytest.approx((best.x[0] - best.x[1]) / 2, abs=1e-6)
    assert found.loss == pytest.approx(best.fun, abs=1e-12)


def test_views_without_shared_noise_collapse_with_the_loss_of_the_signal_alone():
    found = projector("inner-product", pair=class_redraw(1.5, 1.0), dimension=5)
    assert found.regime == "collapse"
    best = minimize(lambda x: raw_loss(class_redraw(1.5, 1.0), x[0], 0.0, 5), [0.3], tol=1e-10)
    assert found.loss == pytest.approx(best.fun, abs=1e-9)
