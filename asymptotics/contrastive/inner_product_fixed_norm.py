"""InfoNCE with inner products under a fixed Frobenius norm ``|W|_F^2 = d``, as d -> infinity.

The norm is carried by the noise directions, so their eigenvalue is 1 (``y = 1/tau``), and the
multiplier that holds it there pulls on the signal too:

    -(R^2+C_signal) + V_2 (R^2+V_1) x + R E[h tanh(R x h)] = N_1 N_2/tau - C_n,    a^2 = tau x.

Here the temperature matters. The dimension enters only the expansion measure.
"""

from __future__ import annotations

from asymptotics.contrastive import exponents
from asymptotics.contrastive.inner_product import convex_landscape
from asymptotics.contrastive.objective import Landscape, Objective, Setting


def landscape(setting: Setting) -> Landscape:
    """The landscape of ``x = a^2/tau`` with the multiplier ``N_1 N_2/tau - C_n``."""
    *_, n1, n2, noise_covariance = setting.views.arrays()
    unit = 1.0 / setting.temperature
    return convex_landscape(setting, unit, unit * n1 * n2 - noise_covariance)


OBJECTIVE = Objective(
    name="inner-product-fixed-norm",
    needs=frozenset({"temperature"}),
    landscape=landscape,
    summary="InfoNCE, inner product, Frobenius norm fixed, d -> infinity",
    log_negatives=exponents.inner_product_fixed_norm,
)
