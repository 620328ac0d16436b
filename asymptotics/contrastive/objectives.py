"""The table of contrastive objectives: one module each, one line each."""

from __future__ import annotations

from asymptotics.contrastive import (
    cosine,
    cosine_fixed_temperature,
    cosine_large_signal,
    cosine_scaled,
    inner_product,
    inner_product_fixed_norm,
    spectral,
)
from asymptotics.contrastive.objective import Objective

OBJECTIVES: dict[str, Objective] = {
    module.OBJECTIVE.name: module.OBJECTIVE
    for module in (
        spectral,
        inner_product,
        inner_product_fixed_norm,
        cosine,
        cosine_large_signal,
        cosine_fixed_temperature,
        cosine_scaled,
    )
}
