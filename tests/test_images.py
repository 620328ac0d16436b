"""The experiment on images: its network against differences, its statistics, and what it finds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import stdtr

from asymptotics.errors import InvalidInput, NotConverged
from asymptotics.images_plot import plot_images
from cli.images import command
from validation.checks.run import Run
from validation.images import experiment
from validation.images.digit_pairs import Digits, augment, draw_pairs, read_digits
from validation.images.experiment import Probing, image_experiment
from validation.images.network import backward, forward, initial, widths
from validation.images.probe import probe_accuracy
from validation.images.simclr import Adam, Pretraining, pretrain
from validation.store import Store
from validation.training.objectives import Cosine

SMALL = Pretraining(hidden=24, outputs=8, steps=40, batch_size=32)
FEW = Probing(training=200, test=200)


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory):
    """scikit-learn's digits, as a user would save them."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    path = tmp_path_factory.mktemp("images") / "digits.npz"
    np.savez(path, features=digits.data, labels=digits.target)
    return path


@pytest.fixture
def blobs_file(tmp_path):
    """Three classes of six pixels, quick to learn."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    features = 3 * rng.standard_normal((3, 6))[labels] + rng.standard_normal((120, 6))
    path = tmp_path / "blobs.npz"
    np.savez(path, features=features, labels=labels)
    return path


@pytest.mark.parametrize("head", ["linear", "relu"])
def test_the_networks_gradient_is_that_of_its_loss(head):
    rng = np.random.default_rng(1)
    parameters = initial(widths(head, 5, 7, 3), rng)
    for bias in parameters[1::2]:
        bias += 0.3 * rng.standard_normal(bias.shape)
    images, objective, rows = rng.standard_normal((12, 5)), Cosine(0.5), slice(0, 12)

    def loss(values):
        return objective.loss(np, forward(values, images)[-1][None], rows)[0]

    layers = forward(parameters, images)
    slope = objective.gradient(np, layers[-1][None], rows)[1][0]
    for number, gradient in enumerate(backward(parameters, layers, slope)):
        direction = rng.standard_normal(gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = list(parameters)
            moved[number] = parameters[number] + sign * 1e-6 * direction
            ends.append(loss(moved))
        numerical = (ends[0] - ends[1]) / 2e-6
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=1e-5, abs=1e-9)


def test_adam_follows_its_published_recursion():
    rng = np.random.default_rng(2)
    parameters, adam = [np.zeros(4)], Adam([np.zeros(4)])
    mean = square = expected = np.zeros(4)
    for t in range(1, 6):
        gradient = rng.standard_normal(4)
        adam.descend(parameters, [gradient], 0.1)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        corrected = np.sqrt(square / (1 - 0.999**t))
        expected = expected - 0.1 * mean / (1 - 0.9**t) / (corrected + 1e-8)
        assert parameters[0] == pytest.approx(expected, rel=1e-4)


def test_a_view_drops_the_right_digit_alone_and_as_often_as_asked():
    rng, n = np.random.default_rng(3), 20_000
    views = augment(np.ones((n, 4)), 0.3, 0.0, rng)
    assert np.all(views[:, :2] == 1)
    gone = views[:, 2] == 0
    assert np.array_equal(gone, views[:, 3] == 0)
    assert abs(gone.mean() - 0.3) < 4 * np.sqrt(0.21 / n)
    noise = augment(np.ones((n, 4)), 0.3, 0.5, rng) - 1
    assert noise[:, 0].std() == pytest.approx(0.5, rel=0.02)


def test_parts_of_the_digits_are_disjoint_with_every_class_in_proportion(blobs_file):
    digits, _ = read_digits(blobs_file)
    assert (digits.pixels.min(), digits.pixels.max()) == (0, 1)
    first, second = digits.split(0.7, np.random.default_rng(4))
    assert np.bincount(first.labels).tolist() == [28, 28, 28]
    assert np.bincount(second.labels).tolist() == [12, 12, 12]
    rows = {tuple(row) for row in first.pixels} | {tuple(row) for row in second.pixels}
    assert len(rows) == 120
    images, labels = draw_pairs(digits, 50, np.random.default_rng(5))
    known = {tuple(row): label for row, label in zip(digits.pixels, digits.labels, strict=True)}
    assert all(known[tuple(x[:6])] == y for x, y in zip(images, labels[:, 0], strict=True))
    assert all(known[tuple(x[6:])] == y for x, y in zip(images, labels[:, 1], strict=True))


def test_files_that_hold_no_images_are_refused_in_one_line(tmp_path):
    def saved(**arrays):
        np.savez(tmp_path / "bad.npz", **arrays)
        return tmp_path / "bad.npz"

    cases = [
        (tmp_path / "absent.npz", "not a readable"),
        (saved(features=np.ones((20, 3))), "no array labels"),
    ]
    (tmp_path / "text.npz").write_text("no archive")
    cases.append((tmp_path / "text.npz", "not an archive of arrays"))
    for path, message in cases:
        with pytest.raises(InvalidInput, match=message):
            read_digits(path)
    for features, labels, message in (
        (np.zeros((30, 3)), np.arange(30) % 2, "not all equal"),
        (np.eye(30), np.arange(29) % 2, "one per image"),
        (np.eye(30), np.arange(30) % 5, "10 images"),
        (np.eye(30), np.where(np.arange(30) % 2, np.nan, 0.0), "finite numbers or names"),
        (np.eye(30), np.arange(30) % 2 + 0j, "finite numbers or names"),
        (np.where(np.eye(30) > 0, np.nan, 0.0), np.arange(30) % 2, "finite"),
        (np.eye(30), np.zeros(30), "two or more classes"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Digits.of(features, labels)


def test_the_probe_is_ridge_regression_on_one_hot_labels():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(6)
    labels = rng.integers(4, size=300)
    h = rng.standard_normal((4, 9))[labels] + 1.5 * rng.standard_normal((300, 9)) + 5
    training, test = (h[:150], labels[:150]), (h[150:], labels[150:])
    penalty = 0.05 * np.mean(np.var(h[:150], axis=0))
    oracle = linear_model.Ridge(alpha=150 * penalty, tol=1e-10)
    oracle.fit(h[:150], np.eye(4)[labels[:150]])
    expected = np.mean(np.argmax(oracle.predict(h[150:]), axis=1) == labels[150:])
    assert probe_accuracy(training, test, 4, 0.05) == expected
    scaled = (7 * h[:150], labels[:150]), (7 * h[150:], labels[150:])
    assert probe_accuracy(*scaled, 4, 0.05) == expected
    with pytest.raises(InvalidInput, match="does not vary"):
        probe_accuracy((np.ones((9, 2)), labels[:9]), test, 4, 0.05)


def test_training_pulls_the_views_of_one_image_together(blobs_file):
    digits, _ = read_digits(blobs_file)
    rng = np.random.default_rng(7)
    images, _ = draw_pairs(digits, 64, rng)
    views = np.concatenate([augment(images, 0.3, 0.1, rng) for _ in range(2)])
    untrained = initial(widths("linear", 12, 24, 8), rng)
    trained = pretrain(digits, 0.3, SMALL, rng)
    losses = [
        Cosine(0.5).loss(np, forward(p, views)[-1][None], slice(0, 128))[0]
        for p in (untrained, trained)
    ]
    assert losses[1] < losses[0] - 0.1
    with np.errstate(all="ignore"), pytest.raises(NotConverged, match="diverged"):
        pretrain(digits, 0.3, Pretraining(hidden=24, outputs=8, steps=40, rate=1e200), rng)


def test_the_experiment_is_reproducible_and_resumes_from_its_store(blobs_file, tmp_path):
    setting = {"drop": [0.0, 0.5], "seeds": 3, "pretraining": SMALL, "probing": FEW}
    with Store(tmp_path / "results.db", {}) as store:
        first = image_experiment(blobs_file, **setting, run=Run(store=store))
        assert len(store) == 6
    done = []
    with Store(tmp_path / "results.db", {}) as store:
        run = Run(store=store, resume=True, progress=lambda stage, p: done.append(p.done))
        again = image_experiment(blobs_file, **setting, run=run)
    assert done == [6]
    assert first.table.rows() == again.table.rows()
    table = first.table
    assert table["digit"].tolist() == ["kept", "disrupted"] * 2
    assert table["difference"] == pytest.approx(table["accuracy_before"] - table["accuracy_after"])
    assert first.chance == pytest.approx(1 / 3)


def test_an_altered_file_is_noticed(blobs_file):
    with pytest.raises(InvalidInput, match="has changed"):
        experiment.image_trial(
            np.random.default_rng(0),
            path=str(blobs_file),
            digest="0" * 16,
            drop=0.5,
            pretraining={},
            probing={},
            trial=0,
        )


def made_up(before, after, scatter, seeds, rng):
    """Accuracies (q, seeds, digit, layer) with these means."""
    means = np.stack([before, after], axis=-1)[:, None]
    return means + scatter * rng.standard_normal((len(before), seeds, 2, 2))


def test_claims_are_called_right_wrong_and_open_where_they_are():
    rng, rates = np.random.default_rng(8), np.array([0.0, 0.5])
    borne_out = made_up([[0.9, 0.9], [0.9, 0.7]], [[0.9, 0.9], [0.9, 0.2]], 0.01, 6, rng)
    assert set(experiment._claims(rates, borne_out, 0.01)["status"]) == {"agrees"}
    against = made_up([[0.9, 0.9], [0.9, 0.2]], [[0.9, 0.9], [0.9, 0.7]], 0.01, 6, rng)
    assert set(experiment._claims(rates, against, 0.01)["status"]) == {"disagrees"}
    level = made_up([[0.9, 0.9], [0.9, 0.5]], [[0.9, 0.9], [0.9, 0.5]], 0.05, 6, rng)
    claims = experiment._claims(rates, level, 0.01)
    assert set(claims["status"]) == {"undecided"}
    first = level[1, :, 1, 0] - level[1, :, 1, 1]
    t = first.mean() / (first.std(ddof=1) / np.sqrt(6))
    assert claims["t"][0] == pytest.approx(t)
    assert claims["p_value"][0] == pytest.approx(min(1, 6 * stdtr(5, -abs(t))), rel=0.9)


def test_no_effect_is_called_one_no_more_often_than_the_level():
    rng, rates = np.random.default_rng(9), np.array([0.2, 0.8])
    false_alarms = sum(
        np.any(
            experiment._claims(rates, made_up(*np.full((2, 2, 2), 0.5), 0.05, 5, rng), 0.05)[
                "status"
            ]
            != "undecided"
        )
        for _ in range(400)
    )
    assert false_alarms <= 33  # binomial(400, 0.05): 99.9% quantile


def test_values_out_of_range_are_refused(blobs_file):
    for extra, message in (
        ({"drop": [1.0]}, "drop must be"),
        ({"drop": [0.0]}, "nothing is disrupted"),
        ({"seeds": 2}, "seeds must be at least 3"),
    ):
        with pytest.raises(InvalidInput, match=message):
            image_experiment(
                blobs_file, **({"seeds": 3, "pretraining": SMALL, "probing": FEW} | extra)
            )
    with pytest.raises(InvalidInput, match="head must be one of"):
        Pretraining(head="none")
    for name, values in (("temperature", (0.0, 1e-300, 1e300)), ("noise", (-1.0, 1e300))):
        for value in values:
            with pytest.raises(InvalidInput, match=name):
                Pretraining(**{name: value})


def test_networks_and_probes_that_see_nothing_are_errors_of_one_line(blobs_file):
    digits, _ = read_digits(blobs_file)
    alone = Pretraining(hidden=1, outputs=1, steps=5, batch_size=32)
    with pytest.raises(NotConverged, match="an output vanished"):
        pretrain(digits, 0.5, alone, np.random.default_rng(0))
    features = np.repeat(np.random.default_rng(1).standard_normal((9, 2)), 2, axis=1)
    labels = np.arange(9) % 2
    with pytest.raises(NotConverged, match="singular at ridge 1e-300"):
        probe_accuracy((features, labels), (features, labels), 2, 1e-300)
    with pytest.raises(InvalidInput, match="9 labelled pairs are of one class"):
        probe_accuracy((features, 0 * labels), (features, labels), 2, 1.0)


def test_the_figure_shows_both_digits_and_their_difference(blobs_file):
    found = image_experiment(blobs_file, drop=[0.0, 0.5], seeds=3, pretraining=SMALL, probing=FEW)
    figure = plot_images(found.table, found.chance)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels[:2] == ["test accuracy, kept digit", "test accuracy, disrupted digit"]
    assert "before" in labels[2]


OPTIONS = [
    *("--seeds", "3", "--hidden", "24", "--outputs", "8"),
    *("--steps", "40", "--batch-size", "32", "--num-samples", "200"),
]


def test_the_command_prints_rows_claims_and_a_verdict(blobs_file, tmp_path, capsys):
    arguments = [str(blobs_file), "--drop", "0,0.5", *OPTIONS, "--jobs", "1"]
    code = command.main([*arguments, "--json"], standalone_mode=False)
    content = json.loads(capsys.readouterr().out)
    assert code == {True: 0, False: 4, None: 3}[content["agreement"]]
    assert len(content["rows"]) == 4
    assert [row["claim"] for row in content["claims"]][-1] == "grows with dropping"
    target = tmp_path / "images.svg"
    assert command.main([*arguments, "-o", str(target)], standalone_mode=False) == code
    assert "disrupted digit" in target.read_text()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "claims about before and after the head" in captured.err


@pytest.mark.slow
def test_the_disrupted_digit_is_probed_better_before_the_head_and_more_so_when_more_disrupted(
    digits_file,
):
    found = image_experiment(digits_file, drop=[0.0, 0.2, 0.5, 0.8], seeds=5)
    assert found.agreement
    table = found.table
    kept, disrupted = (table["difference"][table["digit"] == d] for d in ("kept", "disrupted"))
    assert np.all(disrupted[1:] > kept[1:] + 0.05)
    assert np.all(table["standard_error_difference"] < 0.03)
