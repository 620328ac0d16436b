"""Which limits exist, decided by thresholds before anything is solved (mpmath)."""

from __future__ import annotations

from mpmath import mp

from asymptotics.errors import NoLimit
from asymptotics.reference.equations import Equations
from asymptotics.reference.thresholds import reference_collapse, reference_separability


def require_limit(loss: str, equations: Equations) -> None:
    """Raise ``NoLimit`` past a threshold: 1 for the square loss, delta* for max-margin and the MLE,
    collapse for the unbalanced hinge; all in units of the rank of S."""
    rank = mp.fsum(w for _, w, _ in equations.atoms)
    per_rank = equations.sampling_ratio / rank if rank > 0 else mp.inf
    if loss in ("min-norm", "least-squares") and (per_rank < 1) != (loss == "min-norm"):
        raise NoLimit(f"{loss}: n/p over the rank of S is {mp.nstr(per_rank, 8)}, threshold 1")
    if loss in ("max-margin", "logistic-mle"):
        signal = mp.sqrt(mp.fsum(c / s for s, _, c in equations.atoms))
        with mp.workdps(30):
            threshold = reference_separability(
                signal, equations.prior, equations.fits_intercept, 20
            ).sampling_ratio
        if (per_rank < threshold) != (loss == "max-margin") or per_rank == threshold:
            raise NoLimit(
                f"{loss}: n/p over the rank of S is {mp.nstr(per_rank, 8)}, "
                f"separability threshold {mp.nstr(threshold, 12)}"
            )
    if loss == "hinge" and equations.fits_intercept:
        signal = mp.sqrt(mp.fsum(c / s for s, _, c in equations.atoms))
        with mp.workdps(30):
            threshold = reference_collapse(signal, equations.prior, 20)
        if per_rank >= threshold:
            raise NoLimit(
                f"hinge: with unequal priors and an intercept the probe is zero above the collapse "
                f"threshold {mp.nstr(threshold, 12)}; n/p over the rank is {mp.nstr(per_rank, 8)}"
            )
    if loss == "averaging" and equations.fits_intercept and equations.prior != mp.mpf(1) / 2:
        raise NoLimit("averaging: with unequal priors a linear loss has no finite intercept")
