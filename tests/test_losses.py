"""Losses, prox and envelope against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from asymptotics.errors import InvalidInput
from asymptotics.losses import LOSSES, Loss, Quadratic, Smooth, moreau_envelope, prox

margins = st.floats(-50, 50)
steps = st.floats(-6, 6).map(lambda e: 10.0**e)

# a user's loss with a smooth piece between two kinks, unlike any in the table
KINKED = Loss(
    "kinked",
    (
        Quadratic(-np.inf, -1.0, -3.0, 0.0, 0.0),
        Smooth(-1.0, 2.0, lambda u: np.exp(-u), lambda u: -np.exp(-u), lambda u: np.exp(-u)),
        Quadratic(2.0, np.inf, 0.0, 0.0, np.exp(-2.0)),
    ),
)
ALL = [*LOSSES.values(), KINKED]


def subgradient(loss: Loss, u: float) -> tuple[float, float]:
    """The interval of slopes of the loss at u."""
    low, high = -np.inf, np.inf
    for piece in loss.pieces:
        at = np.array([u])
        if piece.lower < u <= piece.upper:
            low = piece.derivative(at)[0]
        if piece.lower <= u < piece.upper:
            high = piece.derivative(at)[0]
    return low, high


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
@given(w=margins, gamma=steps)
def test_prox_is_stationary(loss, w, gamma):
    u = float(prox(loss, w, gamma))
    low, high = subgradient(loss, u)
    slope = (w - u) / gamma
    # one rounding of u, w or gamma loss' moves the slope by this much
    rounding = 8e-16 * (1 + abs(u) + abs(w)) / gamma + 1e-14 * (1 + abs(slope))
    assert low - rounding <= slope <= high + rounding


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)
@given(w=margins, other=margins, gamma=steps)
def test_prox_is_monotone_and_does_not_expand(loss, w, other, gamma):
    u, v = prox(loss, [w, other], gamma)
    rounding = 1e-12 * (1 + abs(w) + abs(other) + gamma)
    assert -rounding <= (u - v) * np.sign(w - other) <= abs(w - other) + rounding


@pytest.mark.parametrize("name", ["square", "logistic", "hinge", "squared-hinge", "linear"])
def test_envelope_is_the_minimum_over_u(name):
    loss = LOSSES[name]
    for w, gamma in [(-3.0, 0.5), (0.2, 2.0), (1.5, 1.0), (4.0, 10.0)]:
        found = minimize_scalar(
            lambda u, w=w, gamma=gamma: float(loss(u)) + (u - w) ** 2 / (2 * gamma),
            bounds=(w - 20, w + 20),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert float(moreau_envelope(loss, w, gamma)) == pytest.approx(found.fun, abs=1e-7)


def test_constraint_losses_are_infinite_outside():
    assert LOSSES["margin-constraint"](np.array([0.5, 1.0, 2.0])).tolist() == [np.inf, 0.0, 0.0]
    assert LOSSES["label-constraint"](np.array([0.5, 1.0, 2.0])).tolist() == [np.inf, 0.0, np.inf]


def test_a_loss_that_is_not_convex_is_refused():
    with pytest.raises(InvalidInput, match="not convex"):
        Loss("bad", (Quadratic(-np.inf, 0, 0.0, 0.0, 0.0), Quadratic(0, np.inf, -1.0, 0.0, 0.0)))


def test_a_loss_with_a_gap_is_refused():
    with pytest.raises(InvalidInput, match="adjacent"):
        Loss("bad", (Quadratic(-np.inf, 0, 0.0, 0.0, 0.0), Quadratic(1, np.inf, 1.0, 0.0, 0.0)))


def test_prox_refuses_a_step_that_is_not_positive():
    with pytest.raises(InvalidInput, match="gamma must be positive, got 0"):
        prox(LOSSES["square"], 1.0, 0.0)
