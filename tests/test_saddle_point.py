"""The residual's Jacobian and its independence of the batch."""

import numpy as np
import pytest

from asymptotics.geometry import Spectrum
from asymptotics.losses import LOSSES
from asymptotics.saddle_point import SaddlePoint


def random_equations(loss, points, rng, intercept=False, atoms=3):
    """Equations over random spectra of a few atoms, and unknowns of order one."""
    weights = rng.dirichlet(np.ones(atoms), points)
    geometry = Spectrum(
        10 ** rng.uniform(-1, 1, (points, atoms)), weights, rng.uniform(0, 2, (points, atoms))
    )
    equations = SaddlePoint(
        loss,
        geometry,
        10 ** rng.uniform(-2, 1, points),
        10 ** rng.uniform(-1, 1, points),
        rng.uniform(0.1, 0.9, points) if intercept else None,
    )
    unknowns = rng.uniform(-1, 1, (equations.num_unknowns, points))
    # margins beyond 1, or a large intercept, would make mhat of the square-like losses negative
    unknowns[1] = np.log(0.5) - np.log(equations.mean_scale) + 0.3 * unknowns[1]
    unknowns[3:] *= 0.2
    return equations, unknowns


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_jacobian_is_the_derivative_of_the_residual(loss, intercept):
    equations, x = random_equations(loss, 20, np.random.default_rng(0), intercept)
    _, jacobian = equations.residual(x, 300)
    step = 1e-5
    for unknown in range(equations.num_unknowns):
        move = np.zeros_like(x)
        move[unknown] = step
        forward, _ = equations.residual(x + move, 300)
        backward, _ = equations.residual(x - move, 300)
        numerical = (forward - backward) / (2 * step)
        np.testing.assert_allclose(jacobian[:, unknown], numerical, rtol=3e-6, atol=3e-7)


def test_a_point_does_not_depend_on_its_batch():
    equations, x = random_equations(LOSSES["logistic"], 30, np.random.default_rng(1))
    together, _ = equations.residual(x, 96)
    for point in (0, 17):
        alone, _ = equations.take(np.array([point])).residual(x[:, [point]], 96)
        np.testing.assert_allclose(alone[:, 0], together[:, point], rtol=1e-13, atol=1e-14)
