"""Augmentations of gain 1: closed forms, and the gain at the boundary itself."""

import json

import numpy as np
import pytest

from asymptotics.multiclass.boundary import gain_boundaries
from asymptotics.multiclass.contrastive import trained_head
from asymptotics.multiclass.mixture import multiclass_mixture, simplex_means
from cli.multiclass import command

MEANS = [[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]


def test_the_spectral_boundary_of_the_simplex_is_its_closed_form():
    (found,) = gain_boundaries(
        objective="spectral",
        augmentation=[0.2, 1.0, 3.0],
        x="classes",
        classes=[2, 3, 6],
        signal=2.0,
    )
    np.testing.assert_array_equal(found.x, [2, 3, 6])
    np.testing.assert_allclose(found.augmentation**2, np.sqrt(1 + 4 / (found.x - 1)), rtol=1e-10)


def test_each_direction_of_the_means_has_its_own_spectral_boundary():
    found = gain_boundaries(objective="spectral", augmentation=[0.2, 1.0, 3.0], means=MEANS)
    energies = np.linalg.eigvalsh(np.array(MEANS).T @ MEANS / 3)[::-1]
    assert [b.direction for b in found] == [1, 2]
    for boundary, energy in zip(found, energies, strict=True):
        assert boundary.augmentation[0] == pytest.approx((1 + energy) ** 0.25, rel=1e-10)


@pytest.mark.parametrize(
    ("objective", "extra"),
    [
        ("inner-product", {}),
        ("inner-product-fixed-norm", {"temperature": 4.0}),
        ("cosine-scaled", {"temperature": 0.2, "dimension": 50.0}),
    ],
)
def test_the_gain_is_one_at_the_boundary(objective, extra):
    (found,) = gain_boundaries(
        objective=objective, augmentation=np.linspace(0.2, 3, 8), classes=3.0, signal=2.0, **extra
    )
    mixture = multiclass_mixture(simplex_means(3, 2.0))
    for sigma in found.augmentation:
        head, _ = trained_head(
            mixture, objective, sigma, extra.get("temperature"), extra.get("dimension")
        )
        np.testing.assert_allclose(head, np.eye(2), atol=1e-9)


def test_the_command_gives_the_boundary_of_its_phase_diagram(capsys):
    arguments = "--classes 3 --signal 2 --loss square --ridge 0.1 --sampling-ratio 2"
    arguments += " --objective cosine-scaled --dimension 50 --temperature 0.05,0.2,0.4"
    arguments += " --augmentation 0.3:2:5 --json"
    assert command.main(arguments.split(), standalone_mode=False) == 0
    content = json.loads(capsys.readouterr().out)
    (boundary,) = content["boundaries"]
    assert boundary["temperature"] == [0.05, 0.2, 0.4]
    for temperature, sigma in zip(boundary["temperature"], boundary["augmentation"], strict=True):
        column = [row for row in content["rows"] if row["temperature"] == temperature]
        assert {row["regime"] for row in column if row["augmentation"] < sigma} == {"shrinkage"}
        assert {row["regime"] for row in column if row["augmentation"] > sigma} == {"expansion"}
