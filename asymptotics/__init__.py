"""High-dimensional asymptotics of linear probes and contrastive projection heads.

The verbs are attributes of this package and are imported on first use, so that importing it is
free: ``accuracy``, ``curve``, ``limit``, ``separability``; ``projector``, ``gradient_flow``,
``coexistence``, ``few_negatives``; ``phase_diagram``; ``differentiate``, ``derivatives``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "AsymptoticsError": "errors",
    "Gain": "projectors",
    "InvalidInput": "errors",
    "Limit": "limits",
    "Matrix": "projectors",
    "Mixture": "mixture",
    "NoLimit": "errors",
    "NotConverged": "errors",
    "PROBES": "probes",
    "Problem": "problem",
    "Table": "table",
    "accuracy": "sweep",
    "best": "optimal",
    "coexistence": "contrastive.coexistence",
    "curve": "sweep",
    "derivatives": "responses",
    "differentiate": "sensitivity",
    "explicit_mixture": "mixture",
    "few_negatives": "contrastive.negatives",
    "gradient_flow": "contrastive.flow",
    "isotropic_mixture": "mixture",
    "limit": "limits",
    "make_problem": "sweep",
    "multiclass_accuracy": "multiclass.sweep",
    "multiclass_curve": "multiclass.sweep",
    "phase_diagram": "phase",
    "pretrained": "pretraining.head",
    "pretraining_curve": "pretraining.table",
    "projector": "contrastive.projector",
    "separability": "thresholds",
    "spectral_mixture": "mixture",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'asymptotics' has no attribute {name!r}")
    return getattr(import_module(f"asymptotics.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
