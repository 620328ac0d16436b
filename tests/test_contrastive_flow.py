"""Gradient flow: it ends where the minima say, and moves as the full matrix does."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import ortho_group

from asymptotics.contrastive.flow import gradient_flow
from asymptotics.contrastive.inputs import read_pair, read_setting
from asymptotics.contrastive.objectives import OBJECTIVES
from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import ViewPair
from asymptotics.errors import InvalidInput

POINT = {"signal": 2.0, "augmentation": 1.0, "temperature": 0.4, "dimension": 20}


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "cosine"])
def test_the_flow_ends_at_the_minimum_announced_from_identity(name):
    path = gradient_flow(name, times=[0.0, 3000.0], **POINT)
    target = np.log(projector(name, **POINT).from_identity)
    assert path.log_gain[0] == pytest.approx(0.0, abs=1e-12)
    assert path.log_gain[1] == pytest.approx(float(target), abs=1e-7)


def test_the_spectral_flow_is_that_of_the_full_matrix():
    rng = np.random.default_rng(2)
    dimension, times = 5, np.array([0.0, 0.02, 0.1, 0.5])
    views = ViewPair(1.3, (1.4, 2.0), 0.9, (1.7, 1.1), 0.8)
    frame = ortho_group.rvs(dimension, random_state=rng)
    second = frame @ np.diag([1.69 + 1.7] + [1.4] * 4) @ frame.T
    cross = frame @ np.diag([1.69 + 0.9] + [0.8] * 4) @ frame.T

    def velocity(_, flat):
        w = flat.reshape(dimension, dimension)
        return (4 * w @ cross - 4 * w @ second @ w.T @ w @ second).ravel()

    whole = solve_ivp(
        velocity, (0, 0.5), np.eye(dimension).ravel(), t_eval=times, rtol=1e-11, atol=1e-12
    )
    path = gradient_flow("spectral", pair=views, dimension=dimension, times=times)
    for k in range(times.size):
        seen = frame.T @ whole.y[:, k].reshape(dimension, dimension) @ frame
        scales = np.diag([path.signal_scale[k]] + [path.noise_scale[k]] * 4)
        np.testing.assert_allclose(seen, scales, atol=1e-8)


@pytest.mark.parametrize("name", ["cosine-large-signal", "cosine-scaled"])
def test_the_loss_falls_at_the_rate_of_the_squared_speed(name):
    start, step = 4.0, 1e-3
    times = start + step * np.arange(-2, 3)
    path = gradient_flow(name, times=times, tolerance=1e-11, **POINT)
    d = POINT["dimension"]
    np.testing.assert_allclose(path.signal_scale**2 + (d - 1) * path.noise_scale**2, d, rtol=1e-10)
    alpha_speed, beta_speed = (
        (scale[3] - scale[1]) / (2 * step) for scale in (path.signal_scale, path.noise_scale)
    )
    entry = OBJECTIVES[name]
    setting, _, _ = read_setting(entry, read_pair(2.0, 1.0, 2, None), 0.4, d, np.inf)
    landscape = entry.landscape(setting)
    losses = [landscape.loss(np.array([x]), *landscape.parameters)[0] for x in path.log_gain]
    rate = (losses[3] - losses[1]) / (2 * step)
    assert rate == pytest.approx(-(alpha_speed**2 + (d - 1) * beta_speed**2), rel=1e-4)


def test_collapse_is_approached_and_never_reached():
    point = {"signal": 5.0, "augmentation": 1.0, "temperature": 3.0, "dimension": 10}
    assert projector("cosine-large-signal", **point).regime == "collapse"
    path = gradient_flow("cosine-large-signal", times=[0.0, 100.0, 1000.0, 2000.0], **point)
    assert np.all(np.diff(path.log_gain) > 0.9)
    assert np.all(path.noise_scale > 0)
    assert np.all(np.diff(np.log(path.noise_scale)) < -0.2)


@pytest.mark.slow
def test_the_exact_cosine_flow_ends_at_its_minimum():
    path = gradient_flow("cosine", times=[0.0, 1000.0], **POINT)
    target = np.log(projector("cosine", **POINT).from_identity)
    assert path.log_gain[1] == pytest.approx(float(target), abs=1e-7)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"times": [-1.0, 2.0]}, "times"), ({"signal": [1.0, 2.0], "times": [1.0]}, "one point")],
)
def test_bad_input_is_refused(change, text):
    with pytest.raises(InvalidInput, match=text):
        gradient_flow("spectral", **{**POINT, **change})
