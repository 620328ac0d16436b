"""Trained heads: the exact minimiser of the loss, and theory against fitted probes behind it."""

import numpy as np
import pytest

from asymptotics.pretraining.table import pretraining_curve
from validation import assert_agreement
from validation.checks.pretraining import validate_pretraining
from validation.finite_size import extrapolate
from validation.pretraining import probe_accuracy, sample_moments, train_head


@pytest.mark.parametrize(
    ("pretraining_ratio", "output_fraction", "probe"),
    [
        (6.0, 1.0, {"loss": "logistic", "ridge": 0.1, "sampling_ratio": 1.0}),
        (4.0, 0.3, {"loss": "max-margin", "sampling_ratio": 0.4}),
        (1.2, 1.0, {"loss": "square", "ridge": 0.3, "sampling_ratio": 1.0}),
        (0.35, 1.0, {"loss": "averaging", "sampling_ratio": 1.0}),
    ],
)
def test_theory_agrees_with_trained_heads_and_fitted_probes(
    pretraining_ratio, output_fraction, probe
):
    result = validate_pretraining(
        signal=2.0,
        augmentation=0.7,
        pretraining_ratio=pretraining_ratio,
        output_fraction=output_fraction,
        dimensions=(40, 80, 160),
        trials=40,
        max_standard_error=0.06,
        **probe,
    )
    assert_agreement(result)


def test_a_planted_error_is_detected(monkeypatch):
    import validation.checks.pretraining as check

    def wrong(**parameters):
        table = pretraining_curve(**parameters)
        table.columns["expansion_measure"][:] *= 1.1
        return table

    monkeypatch.setattr(check, "pretraining_curve", wrong)
    result = validate_pretraining(
        signal=1.5, augmentation=1.0, pretraining_ratio=3.0, dimensions=(40, 80, 160), trials=60
    )
    assert result.agreement is False


def test_a_few_outputs_reach_the_accuracy_of_their_overlap():
    rng = np.random.default_rng(5)
    sizes, found = (40, 80, 160), []
    for p in sizes:
        values = []
        for _ in range(50):
            head = train_head(*sample_moments(rng, 2.0, 0.7, 5 * p, p), outputs=3)
            fit = {"loss": "logistic", "ridge": 1e-3, "prior": 0.5, "intercept": False}
            values.append(probe_accuracy(rng, head, 2.0, sampling_ratio=10.0, **fit))
        found.append(values)
    theory = pretraining_curve(signal=2.0, augmentation=0.7, pretraining_ratio=5.0)
    limit = extrapolate(sizes, found).limit
    assert abs(limit.value - theory["accuracy_few_outputs"][0]) < 4 * limit.standard_error
    assert limit.standard_error < 0.01


@pytest.mark.parametrize(("num_pairs", "outputs"), [(60, None), (25, None), (12, None), (60, 8)])
def test_the_trained_head_minimises_the_loss_on_its_views(num_pairs, outputs):
    p = 30
    second, cross = sample_moments(np.random.default_rng(1), 2.0, 0.8, num_pairs, p)

    def loss(weights):
        gram = weights.T @ weights
        product = gram @ second
        return -2 * np.sum(gram * cross) + np.sum(product * product.T)

    head = train_head(second, cross, outputs)
    # the scale of the head is set aside: put back the best one
    gram = head.weights.T @ head.weights
    scale = np.sum(gram * cross) / np.trace(gram @ second @ gram @ second)
    best = np.sqrt(scale) * head.weights
    slope = 4 * best @ (second @ best.T @ best @ second - cross)
    assert np.abs(slope).max() < 1e-8 * np.abs(best @ cross).max()
    rng = np.random.default_rng(2)
    for _ in range(20):
        start = best + rng.standard_normal(best.shape) * rng.choice([1e-3, 0.1, 1.0])
        assert loss(start) >= loss(best) - 1e-9
    if num_pairs > p and outputs is None:
        # no direction of W^T W >= 0 lowers a convex loss (Karush, Kuhn and Tucker)
        gram = best.T @ best
        assert np.linalg.eigvalsh(second @ gram @ second - cross)[0] > -1e-10
