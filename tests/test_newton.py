"""Newton and continuation on systems with known roots."""

from dataclasses import dataclass

import numpy as np

from asymptotics.newton import continuation, newton, newton_step


@dataclass(frozen=True)
class Cubic:
    """x^3 = c and y = x c, per point."""

    c: np.ndarray

    def take(self, points):
        return Cubic(self.c[points])

    def residual(self, x, nodes):
        jacobian = np.zeros((2, 2, self.c.size))
        jacobian[0, 0], jacobian[1, 0], jacobian[1, 1] = 3 * x[0] ** 2, -self.c, 1.0
        return np.stack([x[0] ** 3 - self.c, x[1] - x[0] * self.c]), jacobian


def test_newton_finds_the_roots_of_every_point():
    c = np.array([1.0, 8.0, 27.0])
    x, size = newton(Cubic(c), np.ones((2, 3)), nodes=1, tolerance=1e-13)
    np.testing.assert_allclose(x, [[1, 2, 3], [1, 16, 81]], rtol=1e-14)
    assert np.all(size < 1e-12)


def test_newton_reports_a_point_that_it_cannot_solve():
    # the Jacobian is singular at the start of the second point: it stays, and says so
    start = np.array([[1.0, 0.0], [1.0, 1.0]])
    _, size = newton(Cubic(np.array([8.0, 8.0])), start, nodes=1, tolerance=1e-13)
    assert size[0] < 1e-12
    assert size[1] > 1


def test_a_step_is_zero_where_the_system_is_singular_or_not_finite():
    residual = np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.0]])
    jacobian = np.stack([np.zeros((2, 2)), np.eye(2), 2 * np.eye(2)], axis=-1)
    np.testing.assert_array_equal(newton_step(residual, jacobian)[:, :2], 0.0)
    np.testing.assert_array_equal(newton_step(residual, jacobian)[:, 2], -0.5)


def test_continuation_follows_a_root_down():
    def at(points, log_c):
        return Cubic(np.exp(log_c))

    start, end = np.log([8.0, 8.0]), np.log([1e-6, 1.0])
    x = np.array([[2.0, 2.0], [16.0, 16.0]])
    found, size = continuation(at, x, start, end, nodes=1, tolerance=1e-13)
    np.testing.assert_allclose(found[0], [1e-2, 1.0], rtol=1e-6)
    assert np.all(size <= 1e-13)


def test_a_step_solves_each_point_s_linear_system():
    rng = np.random.default_rng(0)
    for size in (2, 3, 4, 9):
        jacobian = rng.normal(size=(size, size, 50))
        jacobian[0, 0, :10] = 0.0  # a pivot is needed
        residual = rng.normal(size=(size, 50))
        expected = [-np.linalg.solve(jacobian[:, :, k], residual[:, k]) for k in range(50)]
        step = newton_step(residual, jacobian)
        np.testing.assert_allclose(step.T, expected, rtol=1e-9, atol=1e-11)
