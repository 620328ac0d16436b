"""Layers trained on samples: the machinery against differences, the claims against closed forms."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import click
import numpy as np
import pytest
from scipy.special import ndtr

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.layers.second_moments import Features
from cli.validate_layers import layers as layers_command
from cli.validate_layers import learning_order, split, threshold
from validation.checks import layers as layers_check
from validation.checks.layer_probes import LayerProbe, layer_probe_trial
from validation.checks.layer_runs import LayerTraining
from validation.checks.layer_split import validate_split
from validation.checks.layer_threshold import validate_threshold
from validation.checks.layers import validate_layers
from validation.checks.learning_order import validate_learning_order
from validation.checks.run import Run
from validation.layers.diagonal import diagonal_embeddings, diagonal_gradients
from validation.layers.networks import activations, balanced_start, gradients, products
from validation.layers.training import Descent, FirstPassage, GramAverage, train_network
from validation.layers.views import MomentViews, SignViews, feature_views
from validation.store import Store
from validation.training.objectives import Cosine, InnerProduct, Spectral
from validation.training.sampling import Stream

FEATURES = {"strength": [1.0, 1.5, 1.0, 0.8], "noise": 0.5, "correlation": [0.9, 0.9, 0.5, 0.7]}
PHI, RHO = np.array(FEATURES["strength"]), np.array(FEATURES["correlation"])
VARIANCE, SHARED = PHI**2 + 0.25, RHO * PHI**2
WEIGHTS = np.sqrt(RHO) * PHI / VARIANCE  # theory.md's w_i
QUICK = LayerTraining(networks=24, step_fractions=(0.2, 0.1, 0.05))


def quantity(comparison, name):
    chosen = comparison.table["quantity"] == name
    return {key: column[chosen] for key, column in comparison.table.columns.items()}


@pytest.mark.parametrize("objective", [Spectral(), Cosine(0.7), InnerProduct(2.0)], ids=str)
def test_the_gradient_of_every_layer_is_that_of_the_loss(objective):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ((2, 3, 4), (2, 3, 3), (2, 2, 3))]
    views, rows = rng.standard_normal((2, 10, 4)), slice(0, 10)

    def loss(matrices):
        return objective.loss(np, activations(matrices, views)[-1], rows).sum()

    layers = activations(weights, views)
    slope = objective.gradient(np, layers[-1], rows)[1]
    for number, gradient in enumerate(gradients(weights, layers, slope)):
        direction = rng.standard_normal(gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = list(weights)
            moved[number] = weights[number] + sign * 1e-5 * direction
            ends.append(loss(moved))
        numerical = (ends[0] - ends[1]) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=1e-6)


@pytest.mark.parametrize("head", ["hidden", "output"])
def test_the_gradient_of_the_diagonal_network_is_that_of_its_loss(head):
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 1.5, (2, 3)) for _ in range(2)]
    views, rows = 2 * rng.standard_normal((2, 8, 3)), slice(0, 8)

    def loss(first, second):
        embeddings = diagonal_embeddings(first, second, views, 0.4, head)
        return Spectral().loss(np, embeddings, rows).sum()

    slope = Spectral().gradient(np, diagonal_embeddings(*weights, views, 0.4, head), rows)[1]
    found = diagonal_gradients(*weights, views, slope, 0.4, head)
    for number, gradient in enumerate(found):
        direction = rng.standard_normal(gradient.shape)
        moved = [[w.copy() for w in weights] for _ in range(2)]
        moved[0][number] += 1e-6 * direction
        moved[1][number] -= 1e-6 * direction
        numerical = (loss(*moved[0]) - loss(*moved[1])) / 2e-6
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=1e-6)


def assert_moments(views, one_view, across):
    """z-scores of every entry of the sample's second moments, within Bonferroni's 1%."""
    n = 40_000
    first, second = views.draw(n, Stream.of(np.random.default_rng(2))).reshape(2, n, -1)
    for other, moments in ((first, one_view), (second, across)):
        terms = first[:, :, None] * other[:, None, :]
        error = terms.std(axis=0) / np.sqrt(n)
        assert np.all(error < 0.02)
        assert np.max(np.abs(terms.mean(axis=0) - moments) / error) < 4.0


def test_dropped_and_flipped_signs_have_the_second_moments_of_the_features():
    features = Features([1.0, 0.5, 1.5], 0.5, [0.6, 0.2, 0.0], [0.8, 0.9, 0.7])
    kept, phi = np.array([0.8, 0.9, 0.7]), np.array([1.0, 0.5, 1.5])
    sigma = np.diag(kept * phi**2 + 0.25)
    assert_moments(SignViews(features), sigma, np.diag(np.array([0.6, 0.2, 0.0]) * phi**2))


def test_gaussian_views_have_any_second_moments():
    together = np.array([[1.0, 0.5], [0.5, 1.0]])
    moments = Features([1.0, 0.7], 0.5, [1.0, 0.4], spurious=together).second_moments()
    assert_moments(MomentViews(moments), moments.one_view, moments.across)


def test_views_that_independent_drops_cannot_make_are_gaussian():
    features = Features([1.0], [0.5], [0.7], [0.8])  # 0.7 > 0.8^2
    with pytest.raises(InvalidInput, match="correlation <= kept"):
        SignViews(features)
    assert isinstance(feature_views(features), MomentViews)


def test_the_start_is_balanced_and_isotropic():
    start = balanced_start(3, 2, 5, 0.3, 4, np.random.default_rng(3))
    assert [matrix.shape for matrix in start] == [(4, 2, 5), (4, 2, 2), (4, 2, 2)]
    for inner, outer in pairwise(start):
        imbalance = outer.swapaxes(1, 2) @ outer - inner @ inner.swapaxes(1, 2)
        assert np.max(np.abs(imbalance)) < 1e-15
    with pytest.raises(InvalidInput, match="depth must be at least 2"):
        balanced_start(1, 2, 5, 0.3, 4, np.random.default_rng(3))


def test_the_imbalance_left_by_a_finite_step_is_proportional_to_it():
    views = SignViews(Features(**FEATURES))

    def imbalance(steps):
        rng = np.random.default_rng(4)
        start = balanced_start(2, 4, 4, 0.6, 256, rng)
        first, second = train_network(Spectral(), views, start, Descent(3 / steps, steps, 8), rng)
        difference = second.swapaxes(1, 2) @ second - first @ first.swapaxes(1, 2)
        strongest = difference[:, 1, 1]
        return strongest.mean(), strongest.std() / 16

    (coarse, error), (fine, fine_error) = imbalance(150), imbalance(300)
    assert abs(coarse - 2 * fine) < 4 * np.hypot(error, 2 * fine_error) + 0.15 * abs(coarse)
    assert abs(fine) > 10 * fine_error


def test_averages_and_first_passages_see_what_they_should():
    rng = np.random.default_rng(5)
    path = [[rng.standard_normal((2, 3, 3)) for _ in range(2)] for _ in range(6)]
    average, passage = GramAverage(6), FirstPassage(np.array([1.0, 2.0, 0.0]))
    for step, weights in enumerate(path, start=1):
        average.see(step, weights)
        passage.see(step, weights)
    whole = [products(weights)[1] for weights in path]
    expected = np.mean([p.swapaxes(1, 2) @ p for p in whole[3:]], axis=0)
    assert np.allclose(average.mean()[1], expected, rtol=1e-14)
    lengths = np.array([np.linalg.norm(p, axis=1) for p in whole])
    assert np.array_equal(passage.steps()[:, 0], 1 + np.argmax(lengths[:, :, 0] >= 1, axis=0))
    never = FirstPassage(np.array([1e9, 1.0, 1.0]))
    never.see(1, path[0])
    with pytest.raises(NotConverged, match="did not reach their level"):
        never.steps()


@pytest.fixture(scope="module")
def trained_once():
    """A run that remembers its networks: two tests judge the same ones."""
    with Store(":memory:") as store:
        yield Run(store=store, resume=True)


def test_trained_layers_have_the_weights_of_the_theory_before_and_after_the_head(trained_once):
    found = validate_layers(**FEATURES, training=QUICK, run=trained_once)
    assert found.agreement
    for name, power in (("weight_after", 1.0), ("weight_before", 0.5)):
        rows = quantity(found, name)
        assert rows["theory"] == pytest.approx(WEIGHTS**power, rel=1e-12)
        assert np.all(rows["standard_error"] < 0.005)
        assert rows["mean"] == pytest.approx(WEIGHTS**power, abs=0.01)


def test_a_theory_that_is_two_percent_off_is_called_wrong(monkeypatch, trained_once):
    honest = layers_check.weight_claims
    monkeypatch.setattr(
        layers_check,
        "weight_claims",
        lambda *given: [replace(c, theory=1.02 * c.theory) for c in honest(*given)],
    )
    assert validate_layers(**FEATURES, training=QUICK, run=trained_once).agreement is False


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra", [{"depth": 3}, {"outputs": 2}, {"decay": 0.1}, {"decay": 0.35}], ids=str
)
def test_depth_few_outputs_and_decay_change_the_weights_as_the_theory_says(extra):
    found = validate_layers(**FEATURES, **extra, training=LayerTraining(networks=16))
    assert found.agreement
    lost = np.char.startswith(found.table["quantity"], "squared")
    assert lost.sum() == {"{'outputs': 2}": 4, "{'decay': 0.35}": 4}.get(str(extra), 0)


def test_what_cannot_be_trained_is_refused_and_what_diverges_is_no_agreement():
    with pytest.raises(InvalidInput, match="output for each feature"):
        validate_layers(**FEATURES, outputs=2, decay=0.1)
    with pytest.raises(InvalidInput, match="step_fractions"):
        LayerTraining(step_fractions=(0.1, 0.05, 0.05))
    wild = LayerTraining(networks=2, start=30.0, step_fractions=(0.9, 0.8, 0.7))
    found = validate_layers(**FEATURES, training=wild)
    assert found.agreement is None
    assert set(found.table["status"]) == {"training diverged"}


def test_features_are_learned_in_the_order_of_what_the_views_share():
    found = validate_learning_order(
        **FEATURES, training=LayerTraining(16, 32, 0.4, (0.2, 0.1, 0.05)), time_error=0.04
    )
    assert found.agreement
    assert np.array_equal(np.argsort(found.table["mean"]), np.argsort(-SHARED))
    # dw/dt = 8 w^2 (C - Sigma^2 w^2) from w = 0.16 to half of w*, in closed form
    start, end, root = 0.16, WEIGHTS / 2, np.sqrt(SHARED)

    def primitive(w):
        return -1 / (SHARED * w) + VARIANCE / SHARED**1.5 * np.arctanh(VARIANCE * w / root)

    expected = (primitive(end) - primitive(start)) / 8
    assert found.table["theory"] == pytest.approx(expected, rel=1e-8)


def test_two_layers_share_the_gain_of_the_spectral_loss_equally():
    found = validate_split(
        objective="spectral",
        signal=1.0,
        augmentation=1.0,
        dimension=4,
        batch_sizes=(16, 32, 64),
        networks=8,
        start=0.6,
        step=0.01,
        time=3.0,
    )
    assert found.agreement
    gain = np.sqrt(2.0) * 2 / 3  # a^2 = (R^2 + 1) D^2/(R^2 + D)^2 at R = 1, D = 2
    assert quantity(found, "log_gain_after")["theory"] == pytest.approx(np.log(gain))
    assert quantity(found, "log_gain_before")["theory"] == pytest.approx(np.log(gain) / 2)
    assert np.all(quantity(found, "imbalance")["standard_error"] < 0.005)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 3])
def test_the_cosine_loss_leaves_a_fraction_of_its_log_gain_before_the_head(depth):
    found = validate_split(signal=2.0, augmentation=1.0, dimension=20, temperature=1.0, depth=depth)
    assert found.agreement
    assert quantity(found, "log_gain_after")["theory"] == pytest.approx(np.log(2.618), abs=1e-3)


def test_too_few_negatives_are_no_measurement_of_a_gain():
    found = validate_split(
        signal=2.0,
        augmentation=0.3,
        dimension=20,
        temperature=0.06,
        networks=2,
        batch_sizes=(16, 32, 64),
        time=2.0,
    )
    assert quantity(found, "log_gain_after")["status"][0] == "too few negatives"


@pytest.mark.parametrize("head", ["hidden", "output"])
def test_features_below_the_threshold_are_present_before_the_head_and_absent_after(head):
    found = validate_threshold(
        strength=[0.4, 1.5, 2.0],
        noise=0.1,
        correlation=[0.9, 0.5, 0.7],
        threshold=0.9,
        head=head,
        networks=24,
        time=4.0,
        numbers_of_steps=(200, 400, 800),
        weight_error=0.02,
    )
    assert found.agreement
    after, before = quantity(found, "weight_after"), quantity(found, "weight_before")
    assert after["mean"][0] < 1e-6
    assert before["mean"][0] == pytest.approx(1.0, abs=1e-6)
    assert np.all(after["mean"][1:] > 0.3)


def test_a_probe_behind_a_layer_has_the_accuracy_of_averaging_in_closed_form():
    # theta = mean of y z: accuracy Phi(nu^2/sqrt(nu S nu + tr S^2/n)) for nu along one axis
    u, n_over_p, p = np.array([0.4, 1.0, 0.7, 0.5]), 2.0, 200
    parameters = {
        "features": {name: np.broadcast_to(x, 4).tolist() for name, x in FEATURES.items()},
        "weights": u.tolist(),
        "label": 2,
        "loss": "averaging",
        "ridge": None,
        "sampling_ratio": n_over_p,
        "dimension": p,
    }
    rng = np.random.default_rng(6)
    values = np.array([layer_probe_trial(rng, **parameters, trial=k) for k in range(64)])
    variance = u**2 * VARIANCE
    scale = np.mean(variance)
    signal = u[2] ** 2 * PHI[2] ** 2 / scale
    across = np.mean((variance / scale) ** 2) / n_over_p
    expected = ndtr(signal / np.sqrt(signal * u[2] ** 2 * 0.25 / scale + across))
    error = values.std(ddof=1) / 8
    assert error < 0.006
    assert abs(values.mean() - expected) < 3.5 * error + 1 / p


@pytest.mark.slow
def test_a_disrupted_feature_is_probed_better_before_the_head_as_the_theory_says():
    features = FEATURES | {"correlation": [0.9, 0.9, 0.2, 0.7]}
    probe = LayerProbe(2, "logistic", 1.0, 0.1, trials=60)
    found = validate_layers(**features, training=LayerTraining(networks=16), probe=probe)
    assert found.agreement
    after, before = (quantity(found, f"accuracy_{name}") for name in ("after", "before"))
    gap = before["mean"][0] - after["mean"][0]
    assert gap > 5 * np.hypot(before["standard_error"][0], after["standard_error"][0])


GIVEN = ["--strength", "1,1.5", "--noise", "0.5", "--correlation", "0.9,0.5", "--jobs", "1"]
COMMANDS = {
    "layers": (layers_command, [*GIVEN, "--networks", "2"]),
    "learning-order": (learning_order, [*GIVEN, "--networks", "2", "--start", "0.5"]),
    "threshold": (threshold, [*GIVEN, "--networks", "2", "--threshold", "0.5", "--time", "1"]),
    "split": (
        split,
        [
            *("--objective", "spectral", "--signal", "1", "--augmentation", "1"),
            *("--dimension", "3", "--networks", "2", "--step", "0.02", "--time", "2"),
            *("--jobs", "1"),
        ],
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_print_rows_and_a_verdict(name, capsys):
    command, arguments = COMMANDS[name]
    code = command.main([*arguments, "--json"], standalone_mode=False)
    content = json.loads(capsys.readouterr().out)
    assert code in (0, 3)
    assert set(content["rows"][0]) >= {
        "quantity",
        "theory",
        "mean",
        "standard_error",
        "z",
        "status",
    }
    assert content["config"]["command"] == f"validate {name}"
    assert len(content["finite"]) == 3 * len(content["rows"])


def test_a_figure_of_weights_is_written_with_its_configuration(tmp_path, capsys):
    target = tmp_path / "layers.svg"
    command, arguments = COMMANDS["layers"]
    assert command.main([*arguments, "-o", str(target)], standalone_mode=False) in (0, 3)
    assert "validate layers" in target.read_text()
    assert capsys.readouterr().out == ""


def test_a_probe_without_a_label_is_a_usage_error():
    with pytest.raises(click.UsageError, match="needs a --label"):
        layers_command.main([*GIVEN, "--loss", "logistic"], standalone_mode=False)
