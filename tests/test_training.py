"""Contrastive training at finite batch size, against definitions, closed forms and the theory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from asymptotics.contrastive.projector import projector
from asymptotics.contrastive.views import class_redraw, gaussian_noise, masking
from asymptotics.errors import InvalidInput, NotConverged
from validation.training import (
    Cosine,
    Euclidean,
    GaussianViews,
    InnerProduct,
    MaskedViews,
    Relative,
    Spectral,
    Stopping,
    Trainer,
    drift_test,
    measure_log_gain,
    measures,
    train,
)
from validation.training.descent import curvature_along, largest_curvature
from validation.training.extrapolation import richardson_weights
from validation.training.sampling import Stream
from validation.training.trajectory import Recorder

OBJECTIVES = [Cosine(0.4), InnerProduct(0.7), Spectral()]
ROWS = [[slice(0, 10)], [slice(0, 3), slice(3, 8), slice(8, 10)]]  # the second crosses the halves


def summed(method, embeddings, blocks):
    return [
        sum(part) for part in zip(*(method(np, embeddings, rows) for rows in blocks), strict=True)
    ]


def embeddings(seed=0, shape=(2, 10, 4)):
    return np.random.default_rng(seed).standard_normal(shape)


# --- objectives --------------------------------------------------------------------------------


def literal_nt_xent(z, temperature, cosine):
    """SimCLR's loss as it is written: one anchor at a time, 2B - 1 terms in the denominator."""
    u = z / np.linalg.norm(z, axis=1, keepdims=True) if cosine else z
    n, total = len(z), 0.0
    for i in range(n):
        terms = [np.exp(u[i] @ u[j] / temperature) for j in range(n) if j != i]
        assert len(terms) == n - 1
        total -= np.log(np.exp(u[i] @ u[(i + n // 2) % n] / temperature) / sum(terms))
    return total / n


def literal_spectral(z):
    n, total = len(z), 0.0
    for i in range(n):
        total -= 2 * z[i] @ z[(i + n // 2) % n] / n
        for j in set(range(n)) - {i, (i + n // 2) % n}:
            total += (z[i] @ z[j]) ** 2 / (n * (n - 2))
    return total


@pytest.mark.parametrize("blocks", ROWS, ids=["whole", "blocks"])
def test_losses_are_those_of_the_papers(blocks):
    z = embeddings()
    for objective, literal in (
        (Cosine(0.4), lambda x: literal_nt_xent(x, 0.4, True)),
        (InnerProduct(0.7), lambda x: literal_nt_xent(x, 0.7, False)),
        (Spectral(), literal_spectral),
    ):
        loss = sum(objective.loss(np, z, rows) for rows in blocks)
        np.testing.assert_allclose(loss, [literal(x) for x in z], rtol=1e-13)


@pytest.mark.parametrize("blocks", ROWS, ids=["whole", "blocks"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_closed_form_gradient_is_the_derivative_of_the_loss(objective, blocks):
    z, step = embeddings(), 1e-5
    loss, gradient = summed(objective.gradient, z, blocks)
    np.testing.assert_allclose(loss, objective.loss(np, z, slice(0, 10)), rtol=1e-13)
    numeric = np.empty_like(z)
    for index in np.ndindex(z.shape):
        ahead, behind = z.copy(), z.copy()
        ahead[index] += step
        behind[index] -= step
        change = objective.loss(np, ahead, slice(0, 10)) - objective.loss(np, behind, slice(0, 10))
        numeric[index] = change[index[0]] / (2 * step)
    np.testing.assert_allclose(gradient, numeric, atol=2e-9 * np.abs(numeric).max())


def test_nt_xent_survives_extreme_temperatures():
    z = embeddings()
    for temperature in (1e-4, 1e4):
        loss, gradient = Cosine(temperature).gradient(np, z, slice(0, 10))
        crowding = Cosine(temperature).crowding(np, z, slice(0, 10))
        assert np.all(np.isfinite(loss))
        assert np.all(np.isfinite(gradient))
        assert np.all((crowding >= 1 / 8 - 1e-12) & (crowding <= 1))
    assert crowding == pytest.approx(1 / 8, rel=1e-6)  # all 8 negatives count alike


def test_spectral_loss_of_a_batch_is_unbiased():
    signal, d, law = 1.5, 3, GaussianViews(gaussian_noise(1.5, 0.8), 3)
    stream = Stream.of(np.random.default_rng(3))
    z = np.stack([law.draw(4, stream) for _ in range(5_000)])
    loss = Spectral().loss(np, z, slice(0, 8))
    one = np.diag([signal**2 + 1.64, 1.64, 1.64])  # second moments of a view
    population = -2 * (signal**2 + d) + np.trace(one @ one)
    error = loss.std(ddof=1) / np.sqrt(loss.size)
    assert error < 0.4
    assert abs(loss.mean() - population) < 4 * error


# --- views -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "pair"),
    [
        (GaussianViews(gaussian_noise(1.5, 0.7), 3), gaussian_noise(1.5, 0.7)),
        (GaussianViews(gaussian_noise(1.5, 0.7, views=1), 3), gaussian_noise(1.5, 0.7, views=1)),
        (GaussianViews(class_redraw(1.5, 0.4), 3), class_redraw(1.5, 0.4)),
        (MaskedViews(1.5, 0.3, 3), masking(1.5, 0.3, 3)),
        (MaskedViews(1.5, 0.3, 3, views=1), masking(1.5, 0.3, 3, views=1)),
    ],
    ids=["both", "one", "redraw", "masked", "masked-one"],
)
def test_views_have_the_second_moments_of_the_theory(law, pair):
    signal, v1, v2, signal_covariance, n1, n2, noise_covariance = pair.arrays()
    views = law.draw(100_000, Stream.of(np.random.default_rng(5))).reshape(2, -1, 3)
    along, across = views @ law.direction, views @ np.linalg.svd(law.direction[None])[2][1]
    for first, second, expected in (
        (along[0], along[0], signal**2 + v1),
        (along[1], along[1], signal**2 + v2),
        (along[0], along[1], signal**2 + signal_covariance),
        (across[0], across[0], n1),
        (across[1], across[1], n2),
        (across[0], across[1], noise_covariance),
    ):
        product = first * second
        error = product.std() / np.sqrt(product.size)
        assert abs(product.mean() - expected) < 4 * error


@pytest.mark.parametrize(
    "law", [GaussianViews(gaussian_noise(2.0, 1.0), 5), MaskedViews(2, 0.2, 5)]
)
def test_the_same_samples_come_in_batches_of_any_size(law):
    stream = Stream.of(np.random.default_rng(1))
    again = stream.again()
    whole = law.draw(12, stream).reshape(2, 12, 5)
    parts = [law.draw(4, again).reshape(2, 4, 5) for _ in range(3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))


# --- measures ----------------------------------------------------------------------------------


def test_measures_of_the_expansion_family_are_exact_up_to_rotations_and_scale():
    rng, gains = np.random.default_rng(0), np.array([0.3, 1.0, 7.0])
    direction = rng.standard_normal(6)
    direction /= np.linalg.norm(direction)
    heads = np.eye(6) + (gains[:, None, None] - 1) * np.outer(direction, direction)
    heads = 3.0 * np.linalg.qr(rng.standard_normal((3, 6, 6)))[0] @ heads
    np.testing.assert_allclose(measures.log_gain(np, heads, direction), np.log(gains), atol=1e-13)
    em = measures.expansion_measure(np, heads, direction)
    np.testing.assert_allclose(em, 6 * gains**2 / (gains**2 + 5), rtol=1e-13)
    np.testing.assert_allclose(measures.alignment(np, heads, direction), 1.0, rtol=1e-13)
    found = measures.eigenvector_alignment(heads, direction)[[0, 2]]  # a = 1 has no eigenvector
    np.testing.assert_allclose(found, 1.0, rtol=1e-13)


def test_alignment_measures_the_angle_of_a_misaligned_expansion():
    angle, strong = 0.3, np.array([[[50.0, 0.0], [0.0, 1.0]]])
    direction = np.array([np.cos(angle), np.sin(angle)])
    assert measures.eigenvector_alignment(strong, direction)[0] == pytest.approx(np.cos(angle))
    assert measures.alignment(np, strong, direction)[0] == pytest.approx(np.cos(angle), abs=1e-3)


# --- statistics --------------------------------------------------------------------------------


def test_drift_test_holds_its_false_alarm_rate_and_its_power():
    rng, trials, replicas = np.random.default_rng(2), 2000, 8
    spread = 0.01 * np.sqrt(replicas) / 5 / np.sqrt(2)  # a drift with standard error tolerance/5

    def rate(drift):
        before = spread * rng.standard_normal((trials, replicas))
        after = drift + spread * rng.standard_normal((trials, replicas))
        return np.mean([drift_test(b, a, 0.01).at_rest for b, a in zip(before, after, strict=True)])

    at_tolerance = rate(0.01)
    low, high = binom.interval(0.999, trials, 0.05)
    assert low / trials < at_tolerance < high / trials  # of size 5%, no more and no less
    assert rate(0.0) > 0.95
    assert rate(0.02) < 0.001


def test_richardson_weights_recover_the_constant_of_a_polynomial():
    sizes = np.array([32.0, 64.0, 256.0])
    bias = 0.7 + 3 / sizes - 40 / sizes**2
    assert richardson_weights(sizes) @ bias == pytest.approx(0.7, abs=1e-14)


# --- descent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [Relative(), Euclidean()], ids=lambda m: type(m).__name__)
def test_power_iteration_finds_the_curvature_of_the_batch(metric):
    rng = np.random.default_rng(4)
    views, weights = rng.standard_normal((1, 12, 3)), rng.standard_normal((1, 3, 3))
    z = views @ weights.swapaxes(1, 2)
    frame, objective = metric.frame(views, z), Cosine(0.5)

    def slope(x):
        return objective.gradient(np, x, slice(0, 12))[1]

    hessian = np.empty((9, 9))
    for k, basis in enumerate(np.eye(9).reshape(9, 3, 3)):
        move = 1e-5 * frame @ basis.T
        change = (slope(z + move) - slope(z - move)) / 2e-5
        hessian[k] = (change.swapaxes(1, 2) @ frame).ravel()
    expected = np.abs(np.linalg.eigvalsh(hessian)).max()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-7 * expected)
    start = rng.standard_normal((1, 3, 3))
    found = largest_curvature(np, slope, z, frame, start, iterations=60)
    assert found[0, 0, 0] == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("metric", [Relative(), Euclidean()], ids=lambda m: type(m).__name__)
def test_curvature_along_the_signal_is_the_rate_at_which_descent_relaxes(metric):
    rng, gain = np.random.default_rng(5), 1.7
    views, weights = rng.standard_normal((1, 40, 3)), np.diag([gain, 1.0, 1.0])[None]
    objective, rows = InnerProduct(2.0), slice(0, 40)

    def loss(log_change):
        moved = views * [[[gain * np.exp(log_change), 1.0, 1.0]]]
        return objective.loss(np, moved, rows)[0]

    # the second derivative in log a, less the first: V moves W, not log W
    step = 1e-3
    first = (loss(step) - loss(-step)) / (2 * step)
    second = (loss(step) - 2 * loss(0.0) + loss(-step)) / step**2
    found = curvature_along(
        np,
        lambda z: objective.gradient(np, z, rows)[1],
        metric,
        views @ weights,
        views[:, :, :1],
        weights[:, None, :, 0],
    )
    length = 1.0 if isinstance(metric, Relative) else gain**2
    assert found[0, 0, 0] == pytest.approx((second - first) / length, rel=1e-4)


def spectral_gain(signal, augmentation):
    noise = 1 + augmentation**2
    return np.sqrt(signal**2 + 1) * noise / (signal**2 + noise)


QUICK = Stopping(tolerance=0.05, max_pairs=2**16)


def assert_agrees(replicas, theory, largest_error=0.02):
    """A two-sided t-test at one in a thousand, with a bound on the standard error."""
    error = np.std(replicas, ddof=1) / np.sqrt(replicas.size)
    assert error < largest_error
    z = (np.mean(replicas) - theory) / error
    assert abs(z) < student.ppf(0.9995, replicas.size - 1), z


@pytest.mark.parametrize("start", ["identity", "random"])
@pytest.mark.parametrize("metric", [Relative(), Euclidean()], ids=lambda m: type(m).__name__)
def test_spectral_training_ends_at_the_closed_form_gain(metric, start):
    law = GaussianViews(gaussian_noise(1.0, 1.0), 6)
    rng = np.random.default_rng(6)
    head = np.eye(6) + 0.3 * rng.standard_normal((6, 6)) if start == "random" else None
    result = train(Trainer(Spectral(), law, 64, metric), rng, start=head, stopping=QUICK)
    assert result.stopped == "at rest"
    assert result.effective_negatives == np.inf
    assert_agrees(result.replicas, np.log(spectral_gain(1.0, 1.0)))
    assert np.mean(measures.eigenvector_alignment(result.weights, law.direction)) > 0.98


def test_a_narrow_head_keeps_the_signal_and_weighs_it_as_the_theory_says():
    law = GaussianViews(gaussian_noise(1.0, 1.0), 8)
    start = np.random.default_rng(7).standard_normal((4, 8)) / 4
    trainer = Trainer(Spectral(), law, 64, Euclidean())
    rule = Stopping(tolerance=0.05, max_pairs=2**17)
    result = train(trainer, np.random.default_rng(8), start=start, stopping=rule)
    kept = result.replicas + 0.5 * np.log(3 / 7)  # among its own 3 noise directions
    assert_agrees(kept, np.log(spectral_gain(1.0, 1.0)), 0.03)


def test_a_fixed_norm_shifts_the_gain_by_the_multiplier_of_the_constraint():
    # min -2 tr AC + tr (A S)^2 with tr A = c: A_i = (C_i - m/2)/S_i^2, m from the trace
    d, norm = 6, 2.0
    c, s = np.array([2.0] + [1.0] * 5), np.array([3.0] + [2.0] * 5)
    multiplier = 2 * (np.sum(c / s**2) - norm**2) / np.sum(1 / s**2)
    spectrum = (c - multiplier / 2) / s**2
    law = GaussianViews(gaussian_noise(1.0, 1.0), d)
    trainer = Trainer(Spectral(), law, 64, Euclidean(), fixed_norm=norm)
    result = train(trainer, np.random.default_rng(9), stopping=QUICK)
    assert_agrees(result.replicas, 0.5 * np.log(spectrum[0] / spectrum[1]))
    assert abs(0.5 * np.log(spectrum[0] / spectrum[1]) - np.log(spectral_gain(1.0, 1.0))) > 0.1


def test_the_trajectory_starts_near_the_identity_and_ends_at_rest():
    law = GaussianViews(gaussian_noise(2.0, 0.3), 6)
    result = train(Trainer(Cosine(0.5), law, 32), np.random.default_rng(1), stopping=QUICK)
    record = result.trajectory
    assert record.log_gain.shape == record.loss.shape == (record.pairs.size, 8)
    assert np.all(np.diff(record.pairs) > 0)
    assert abs(record.log_gain[0].mean()) < abs(record.log_gain[-1].mean())
    assert record.loss[-1].mean() < record.loss[0].mean()
    assert np.all(record.alignment <= 1 + 1e-12)
    assert record.alignment[-1].mean() > 0.95
    em = 6 / (1 + 5 * np.exp(-2 * record.log_gain))
    np.testing.assert_allclose(record.expansion_measure, em, rtol=1e-10)


def test_the_same_seed_gives_the_same_bits():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 5)
    trainer, rule = Trainer(Cosine(1.0), law, 16), Stopping(max_pairs=2**10)
    runs = [train(trainer, np.random.default_rng(3), stopping=rule) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].weights, runs[1].weights)


def test_a_run_too_slow_to_arrive_is_not_at_rest():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 6)
    crawling = Trainer(Cosine(1.0), law, 32, step_fraction=1e-4)
    rule = Stopping(tolerance=0.05, max_pairs=2**14)
    result = train(crawling, np.random.default_rng(0), stopping=rule)
    assert result.drift.at_rest  # it hardly moves
    assert result.stopped == "budget"
    theory = projector("cosine", signal=2.0, augmentation=1.0, temperature=1.0, dimension=6)
    assert abs(result.log_gain - float(theory.log_gain)) > 0.3


# --- the finite-batch bias ---------------------------------------------------------------------


def test_extrapolated_gain_agrees_with_the_exact_cosine_theory_at_low_dimension():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 4)
    measured = measure_log_gain(
        Trainer(Cosine(1.0), law, 16),
        np.random.default_rng(0),
        stopping=Stopping(tolerance=0.1, max_pairs=2**16),
    )
    assert measured.converged, measured.status
    theory = projector("cosine", signal=2.0, augmentation=1.0, temperature=1.0, dimension=4)
    assert_agrees(measured.replicas, float(theory.log_gain))
    # without the extrapolation the bias shows
    smallest = measured.by_batch_size[0] - float(theory.log_gain)
    assert smallest.mean() > 5 * smallest.std(ddof=1) / np.sqrt(8)


def test_a_temperature_out_of_reach_of_the_batch_is_reported():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 20)
    measured = measure_log_gain(
        Trainer(Cosine(0.02), law, 8),
        np.random.default_rng(0),
        replicas=2,
        stopping=Stopping(tolerance=0.05, max_pairs=2**12),
    )
    assert measured.status == "too few negatives"
    assert not measured.converged
    assert measured.effective_negatives[0] < 3


REFERENCE = [  # signal 2, dimension 20: sigma^2, temperature, gain
    (0.1, 0.2, 0.531),
    (0.1, 1.0, 0.776),
    (1.0, 1.0, 2.618),
]


@pytest.mark.slow
@pytest.mark.parametrize(("variance", "temperature", "gain"), REFERENCE)
def test_nt_xent_training_agrees_with_the_exact_theory(variance, temperature, gain):
    sigma = np.sqrt(variance)
    theory = projector(
        "cosine", signal=2.0, augmentation=sigma, temperature=temperature, dimension=20
    )
    assert float(theory.gain) == pytest.approx(gain, abs=6e-4)
    law = GaussianViews(gaussian_noise(2.0, sigma), 20)
    measured = measure_log_gain(Trainer(Cosine(temperature), law, 32), np.random.default_rng(10))
    assert measured.converged, measured.status
    assert_agrees(measured.replicas, float(theory.log_gain), 0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("augmentation", "dimension"), [(1.0, 3), (1.5, 4)])
def test_inner_product_training_waits_for_the_scale_to_settle(augmentation, dimension):
    # from W = I the scale is far off, and the gain stands near an equilibrium that moves with it
    theory = projector(
        "inner-product", signal=1.0, augmentation=augmentation, temperature=1.0, dimension=dimension
    )
    law = GaussianViews(gaussian_noise(1.0, augmentation), dimension)
    measured = measure_log_gain(
        Trainer(InnerProduct(1.0), law, 32),
        np.random.default_rng(1),
        stopping=Stopping(tolerance=0.05),
    )
    assert measured.converged, measured.status
    assert_agrees(measured.replicas, float(theory.log_gain), 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 2])
def test_one_augmented_view_has_a_gain_of_its_own(views):
    law = GaussianViews(gaussian_noise(2.0, 1.0, views), 20)
    theory = projector(
        "cosine", signal=2.0, augmentation=1.0, temperature=0.5, dimension=20, views=views
    )
    measured = measure_log_gain(Trainer(Cosine(0.5), law, 32), np.random.default_rng(11))
    assert measured.converged, measured.status
    assert_agrees(measured.replicas, float(theory.log_gain), 0.01)


# --- memory and bad input ----------------------------------------------------------------------


def test_training_in_blocks_stays_in_the_memory_limit_and_changes_no_digit():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 10)
    roomy = Trainer(Cosine(1.0), law, 256)
    limit = 1.5e6  # the similarities of one head alone are 2.1 MB
    tight = replace(roomy, memory_limit=limit)
    assert len(tight.blocks(2, 10).rows) > 1
    rule = Stopping(max_pairs=2**13)
    free = train(roomy, np.random.default_rng(0), replicas=2, stopping=rule)
    tracemalloc.start()
    blocked = train(tight, np.random.default_rng(0), replicas=2, stopping=rule)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit
    np.testing.assert_allclose(blocked.weights, free.weights, atol=1e-11)


def test_too_little_memory_is_refused_with_what_is_needed():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 10)
    with pytest.raises(InvalidInput, match=r"memory_limit=1e\+05 bytes is too little.*are needed"):
        Trainer(Cosine(1.0), law, 512, memory_limit=1e5).blocks(8, 10)


def test_a_diverging_run_is_not_taken_for_a_result():
    law = GaussianViews(gaussian_noise(2.0, 1.0), 5)
    trainer = Trainer(Spectral(), law, 16, step_fraction=1e3)
    with pytest.raises(NotConverged, match="step_fraction"):
        train(trainer, np.random.default_rng(0), replicas=2, stopping=QUICK)


LAW = GaussianViews(gaussian_noise(2.0, 1.0), 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cosine(0.0), "temperature"),
        (lambda: MaskedViews(1.0, 1.0, 4), "masked"),
        (lambda: GaussianViews(gaussian_noise([1.0, 2.0], 1.0), 4), "one pair"),
        (lambda: Trainer(Cosine(1.0), LAW, 1), "batch_size"),
        (lambda: Trainer(Cosine(1.0), LAW, 8, fixed_norm=1.0), "Euclidean"),
        (lambda: Stopping(tolerance=0.0), "tolerance"),
        (lambda: train(Trainer(Cosine(1.0), LAW, 8), np.random.default_rng(0), replicas=1), "repl"),
        (
            lambda: train(
                Trainer(Cosine(1.0), LAW, 8), np.random.default_rng(0), start=np.ones((3, 5))
            ),
            "Euclidean",
        ),
        (
            lambda: measure_log_gain(
                Trainer(Cosine(1.0), LAW, 8), np.random.default_rng(0), multiples=(2, 1)
            ),
            "multiples",
        ),
        (lambda: drift_test(np.zeros(1), np.zeros(1), 0.1), "replicas"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


@pytest.mark.parametrize(
    "law",
    [GaussianViews(gaussian_noise(2.0, 1.0), 40), MaskedViews(2.0, 0.3, 40)],
    ids=["gaussian", "masked"],
)
@pytest.mark.parametrize(
    "objective", [Cosine(0.5), Cosine(0.01), InnerProduct(9.0), Spectral()], ids=str
)
def test_a_step_allocates_nothing_of_the_size_of_its_batch(law, objective, monkeypatch):
    """Traced from the third step to the last: vectors, heads, and numpy's own buffers are left."""
    trainer, steps, traced = Trainer(objective, law, 512), 16, {}
    take = Recorder.take

    def watch(self, step, pairs, loss, weights):
        take(self, step, pairs, loss, weights)
        if step == 3:
            tracemalloc.reset_peak()
            traced["held"] = tracemalloc.get_traced_memory()[0]
        if step == steps:
            traced["peak"] = tracemalloc.get_traced_memory()[1]

    monkeypatch.setattr(Recorder, "take", watch)
    streams = [Stream.of(np.random.default_rng(0))]
    start = np.eye(law.dimension)[None]
    tracemalloc.start()
    next(iter(trainer.epochs(start, streams, steps * 512)))
    tracemalloc.stop()
    batch = 8 * 1024 * law.dimension
    assert traced["peak"] - traced["held"] < 0.75 * batch
