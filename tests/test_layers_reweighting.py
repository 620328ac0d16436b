"""The reweighting head: the encoder's own matrices, trained behind it, end as the theory says."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from asymptotics.errors import InvalidInput
from asymptotics.layers.optimum import diagonal_optimum
from asymptotics.layers.reweighting import reweighted_flow, reweighted_optimum
from asymptotics.layers.second_moments import Features

FEATURES = Features([0.2, 0.5, 1, 2, 1, 1], 0.5, [0.9, 0.9, 0.9, 0.9, 0.5, 0.2])
VARIANCE, SHARED = FEATURES.variance, FEATURES.shared


def encoder_loss(w, kappa, variance, shared, decay):
    """(loss, slope) in the encoder W, (k, d), of z = D W h0 with decay on W."""
    head = kappa ** -np.arange(w.shape[0])
    z = head[:, None] * w
    inner = (z * variance) @ z.T
    value = -2 * np.sum(z**2 * shared) + np.sum(inner**2) + decay * np.sum(w**2)
    slope = 4 * (inner @ (z * variance) - z * shared)
    return value, head[:, None] * slope + 2 * decay * w


def brute(kappa, variance, shared, decay, outputs, starts, rng):
    """(loss, W) of the best of minimisations over all encoders, mixing features or not."""
    shape = (outputs, variance.size)
    best = (0.0, np.zeros(shape))
    scale = np.sqrt(shared.max()) / variance.mean()

    def flat(x):
        value, slope = encoder_loss(x.reshape(shape), kappa, variance, shared, decay)
        return value, slope.ravel()

    for _ in range(starts):
        start = rng.normal(size=shape) * scale * kappa ** np.arange(outputs)[:, None]
        found = minimize(flat, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-9})
        if found.fun < best[0]:
            best = (found.fun, found.x.reshape(shape))
    return best


@pytest.mark.parametrize("kappa", [0.7, 1.6])
@pytest.mark.parametrize("outputs", [4, 2])
def test_no_encoder_beats_one_feature_an_output_under_decay(kappa, outputs):
    variance, shared = VARIANCE[2:], SHARED[2:]
    found = reweighted_optimum(variance, shared, kappa=kappa, decay=0.15, outputs=outputs)
    value, w = brute(kappa, variance, shared, 0.15, outputs, 20, np.random.default_rng(0))
    assert value == pytest.approx(float(found.loss[0]), rel=1e-8)
    np.testing.assert_allclose(np.linalg.norm(w, axis=0), found.encoder[0], atol=1e-4)
    for feature, output in enumerate(found.output[0]):
        if output >= 0:
            assert abs(w[output, feature]) == pytest.approx(found.encoder[0, feature], abs=1e-4)


@pytest.mark.slow
def test_no_encoder_beats_it_in_a_wide_survey():
    rng = np.random.default_rng(1)
    for _ in range(200):
        d = int(rng.integers(2, 4))
        variance = np.exp(rng.normal(0, 1, d))
        shared = variance * rng.uniform(0.05, 1, d)
        kappa = float(np.exp(rng.normal(0, 0.7)))
        decay = float(np.exp(rng.normal(-1, 1)) * shared.max() / max(1, kappa ** (d - 1)))
        found = reweighted_optimum(variance, shared, kappa=kappa, decay=decay)
        value, _ = brute(kappa, variance, shared, decay, d, 8, rng)
        assert value >= found.loss[0] - 1e-8 * abs(found.loss[0])


def test_without_a_head_it_is_the_optimum_with_decay():
    for decay in (0.0, 0.1):
        found = reweighted_optimum(VARIANCE, SHARED, kappa=1.0, decay=decay, outputs=4)
        plain = diagonal_optimum(VARIANCE, SHARED, depth=1, decay=decay, outputs=4)
        np.testing.assert_allclose(found.after[0], plain.weight, atol=1e-14)
        np.testing.assert_allclose(found.encoder[0], plain.weight, atol=1e-14)


@pytest.mark.parametrize("kappa", [0.6, 1.7])
def test_weak_decay_only_sorts_and_leaves_the_outputs_alone(kappa):
    limit = reweighted_optimum(VARIANCE, SHARED, kappa=kappa, outputs=4)
    near = reweighted_optimum(VARIANCE, SHARED, kappa=kappa, decay=1e-7, outputs=4)
    np.testing.assert_array_equal(limit.output, near.output)
    np.testing.assert_allclose(limit.encoder, near.encoder, rtol=1e-4)
    np.testing.assert_allclose(
        limit.after[0], diagonal_optimum(VARIANCE, SHARED, outputs=4).weight, rtol=1e-14
    )
    # the largest weights sit where they cost the encoder least
    order = np.argsort(-limit.after[0])[:4]
    cheapest_first = np.argsort(kappa ** np.arange(4))
    np.testing.assert_array_equal(limit.output[0, order], cheapest_first)
    # any other permutation of the same weights is a larger encoder
    rng, weights = np.random.default_rng(0), limit.after[0, order]
    for _ in range(20):
        other = np.sum((weights * kappa ** rng.permutation(4)) ** 2)
        assert other >= np.sum(limit.encoder[0] ** 2) - 1e-12


def test_features_of_equal_variance_are_sorted_by_c_at_any_decay():
    rng = np.random.default_rng(2)
    for decay in (0.05, 0.3, 1.0):
        shared = rng.uniform(0.1, 1, 6)
        found = reweighted_optimum(np.ones(6), shared, kappa=1.3, decay=decay)
        seated = found.output[0] >= 0
        order = np.argsort(-shared)
        np.testing.assert_array_equal(found.output[0, order][: seated.sum()], range(seated.sum()))


def test_the_assignment_is_not_a_sort():
    variance, shared = np.array([1.0, 0.5]), np.array([0.80, 0.21])
    # C/Sigma^2 = 0.80, 0.84: weak decay puts the second feature first, stronger decay the first
    outputs = [
        reweighted_optimum(variance, shared, kappa=1.2, decay=decay).output[0].tolist()
        for decay in (0.0, 0.1)
    ]
    assert outputs == [[1, 0], [0, 1]]
    _, w = brute(1.2, variance, shared, 0.1, 2, 20, np.random.default_rng(0))
    assert abs(w[0, 0]) > 0.5 > 1e-4 > abs(w[1, 0])


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("kappa", [0.7, 1.5])
def test_the_flow_from_identity_is_that_of_the_encoders_matrix(decay, kappa):
    times, start, d = np.array([0.2, 1.0, 5.0]), 0.05, VARIANCE.size
    path = reweighted_flow(VARIANCE, SHARED, kappa=kappa, times=times, start=start, decay=decay)

    def velocity(_, w):
        return -encoder_loss(w.reshape(d, d), kappa, VARIANCE, SHARED, decay)[1].ravel()

    first = start * np.eye(d).ravel()
    found = solve_ivp(velocity, (0, 5), first, t_eval=times, rtol=1e-10, atol=1e-12)
    for k in range(times.size):
        w = found.y[:, k].reshape(d, d)
        np.testing.assert_allclose(w, np.diag(path.encoder[0, k]), atol=1e-7)
    np.testing.assert_allclose(path.encoder[0], path.after[0] * kappa ** np.arange(d), rtol=1e-13)


def test_at_the_end_of_training_without_decay_the_head_is_undone():
    kappas = np.array([0.5, 1.0, 2.0])
    path = reweighted_flow(VARIANCE, SHARED, kappa=kappas, times=[np.inf], start=0.01)
    w = np.sqrt(SHARED) / VARIANCE
    np.testing.assert_allclose(path.after[:, 0], np.tile(w, (3, 1)), rtol=1e-14)
    np.testing.assert_allclose(path.encoder[:, 0], w * kappas[:, None] ** np.arange(6), rtol=1e-14)


def test_learning_times_are_when_the_output_is_half_way():
    for decay in (0.0, 0.05):
        path = reweighted_flow(
            VARIANCE, SHARED, kappa=[0.8, 1.4], times=[0], start=0.01, decay=decay
        )
        for k, kappa in enumerate(path.kappa):
            for i, t in enumerate(path.learning_time[k]):
                if np.isinf(t):
                    assert SHARED[i] <= 0.5 * decay * kappa ** (2 * i)
                    continue
                seen = reweighted_flow(
                    VARIANCE, SHARED, kappa=kappa, times=[t, np.inf], start=0.01, decay=decay
                ).after[0, :, i]
                assert seen[0] == pytest.approx(seen[1] / 2, rel=1e-9)


def test_a_dear_output_is_learned_later_and_given_up_under_decay():
    shared = np.full(4, 0.6)
    path = reweighted_flow(np.ones(4), shared, kappa=2.0, times=[np.inf], start=1e-3, decay=0.05)
    np.testing.assert_array_equal(path.after[0, 0] > 0, 0.025 * 4.0 ** np.arange(4) < 0.6)
    assert np.all(np.diff(path.learning_time[0][:3]) > 0)


def test_an_output_of_just_the_price_of_its_feature_decays_algebraically():
    # C = lambda c/2 at the third output: dx/dt = -(8/c) x^2 for x = z^2 Sigma^2, x(0) = 1/c
    path = reweighted_flow([1.0] * 3, [0.5] * 3, kappa=2.0, times=[4.0], start=1.0, decay=1 / 16)
    assert path.after[0, 0, 2] ** 2 == pytest.approx(1 / 16 / (1 + 8 / 16 / 16 * 4.0), rel=1e-13)
    assert np.isinf(path.learning_time[0, 2])


def test_an_unsorted_seating_is_a_saddle_under_decay_and_neutral_without():
    variance, shared, kappa = np.ones(2), np.array([0.4, 0.8]), 1.5  # the larger one is dearer
    for decay in (0.0, 0.05):
        w = reweighted_flow(variance, shared, kappa=kappa, times=[np.inf], start=0.1, decay=decay)
        at = np.diag(w.encoder[0, 0])
        hessian = np.empty((4, 4))
        for i, step in enumerate(1e-5 * np.eye(4)):
            up, down = (
                encoder_loss(at + s * step.reshape(2, 2), kappa, variance, shared, decay)[1]
                for s in (1, -1)
            )
            hessian[i] = (up - down).ravel() / 2e-5
        least = np.linalg.eigvalsh(hessian)[0]
        assert (abs(least) < 1e-6) if decay == 0 else (least < -1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kappa": 0.0}, "kappa"),
        ({"kappa": [1.0, np.inf]}, "kappa"),
        ({"kappa": np.ones((2, 2))}, "kappa"),
        ({"kappa": 1.0, "decay": -1.0}, "decay"),
        ({"kappa": 1.0, "outputs": 9}, "outputs"),
    ],
)
def test_values_outside_their_domain_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        reweighted_optimum(VARIANCE, SHARED, **arguments)
    for times, start in (([-1.0], 0.1), ([1.0], 0.0)):
        with pytest.raises(InvalidInput):
            reweighted_flow(VARIANCE, SHARED, kappa=1.0, times=times, start=start)
    with pytest.raises(InvalidInput, match="list of features"):
        reweighted_optimum(np.ones((2, 2)), 0.5, kappa=1.0)


@pytest.mark.parametrize("decay", [0.0, 3.0])
def test_a_start_next_to_zero_ends_as_any_other(decay):
    given = {"kappa": [1.0, 2.0, 1e10], "times": [np.inf], "decay": decay}
    moments = [4.25, 1.25, 0.5], [4.0, 1.0, 0.25]
    faint = reweighted_flow(*moments, start=1e-100, **given)
    plain = reweighted_flow(*moments, start=0.01, **given)
    np.testing.assert_allclose(faint.after, plain.after, rtol=1e-12)
    assert np.all(np.isfinite(faint.learning_time) == (plain.after[:, 0] > 0))


@pytest.mark.parametrize(
    ("given", "named"),
    [({"start": 1e-300}, "start must lie in"), ({"kappa": [1e100]}, r"kappa must have kappa\^4")],
)
def test_heads_and_starts_out_of_range_are_named(given, named):
    with pytest.raises(InvalidInput, match=named):
        reweighted_flow(
            [4.25, 1.25, 0.5],
            [4.0, 1.0, 0.25],
            **({"kappa": [2.0], "times": [np.inf], "start": 0.1} | given),
        )
