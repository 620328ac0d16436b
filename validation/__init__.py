"""Simulation of what `asymptotics` predicts, and the statistics that compare the two.

Attributes are imported on first use: ``validate_probe``, ``validate_projector``,
``validate_pipeline``, ``assert_agreement``, and the records that they take and return.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "Comparison": "compare",
    "LayerProbe": "checks.layer_probes",
    "LayerTraining": "checks.layer_runs",
    "Run": "checks.run",
    "Training": "checks.projector",
    "assert_agreement": "assertions",
    "extrapolate": "finite_size",
    "image_experiment": "images.experiment",
    "validate_layers": "checks.layers",
    "validate_learning_order": "checks.learning_order",
    "validate_pipeline": "checks.pipeline",
    "validate_pretraining": "checks.pretraining",
    "validate_probe": "checks.probe",
    "validate_projector": "checks.projector",
    "validate_split": "checks.layer_split",
    "validate_threshold": "checks.layer_threshold",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'validation' has no attribute {name!r}")
    return getattr(import_module(f"validation.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
