r"""A problem stated in full: its potential, the equations that come out of it, every symbol.

What ``asymptotics equations`` prints; the printing is in ``printing``.  The equations are
derivatives of the potential, taken by sympy when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from asymptotics.errors import InvalidInput
from asymptotics.probes import find_probe
from asymptotics.symbolic import vocabulary
from asymptotics.symbolic.heads import HEADS, STIFFNESS, c, gain
from asymptotics.symbolic.losses import DOMAINS, LOSSES, margin
from asymptotics.symbolic.moments import MOMENTS
from asymptotics.symbolic.potential import Potential, isotropic_potential, spectral_potential
from asymptotics.symbolic.vocabulary import Definition

# probes that are limits, by the loss that their equations hold
_LOSS_OF = {"least-squares": "square", "logistic-mle": "logistic"}


class NormalCdf(sp.Function):
    """The standard normal distribution function, unevaluated."""

    nargs = 1


@dataclass(frozen=True)
class Statement:
    """``name`` (Phi or L) = ``potential``; each of ``equations`` vanishes at the solution.

    ``equations`` pairs an unknown with the derivative of the potential in it, ``formulas`` pairs
    a symbol or a name with an expression, ``definitions`` are those of ``vocabulary``.
    """

    title: str
    name: str
    potential: sp.Expr
    equations: tuple[tuple[sp.Symbol, sp.Expr], ...]
    formulas: tuple[tuple[sp.Expr, sp.Expr], ...]
    definitions: tuple[Definition, ...]


def probe_statement(
    loss: str | None = None, num_atoms: int | None = None, intercept: bool = False
) -> Statement:
    """The limit of a probe: any convex loss (None) or a name of the probe table.

    ``num_atoms`` None is the isotropic family with a gain, else a spectrum of that many atoms.
    Raises InvalidInput for an unknown loss, and for those without a saddle point.
    """
    if num_atoms is None:
        potential, own = isotropic_potential(intercept), vocabulary.ISOTROPIC
    elif num_atoms >= 1:
        potential, own = spectral_potential(num_atoms, intercept), vocabulary.SPECTRAL
    else:
        raise InvalidInput(f"spectrum atoms must be at least 1, got {num_atoms}")
    ridge = next(symbol for symbol in potential.parameters if symbol.name == "lambda")
    fixed = _fixed_ridge(loss, intercept)
    values = {} if fixed is None else {ridge: fixed}
    moments = _moment_symbols(potential)
    equations = zip(potential.unknowns, potential.equations().expressions, strict=True)
    common = [d for d in vocabulary.COMMON if fixed is None or d.symbol != "lambda"]
    return Statement(
        title=f"{loss or 'any convex loss'}, {_geometry_name(num_atoms)}"
        + (", with an intercept" if intercept else ""),
        name="Phi",
        potential=potential.expression.subs(values),
        equations=tuple((x, e.subs(moments).subs(values)) for x, e in equations),
        formulas=(*_loss_formulas(loss), (sp.Symbol("accuracy"), _accuracy(potential))),
        definitions=(
            *vocabulary.ENVELOPE,
            vocabulary.TWO_LAWS if intercept else vocabulary.ONE_LAW,
            *common,
            *own,
            *(vocabulary.INTERCEPT if intercept else ()),
            vocabulary.NORMAL,
        ),
    )


def head_statement(objective: str) -> Statement:
    """The loss of a contrastive objective on the family of heads with a gain."""
    if objective not in HEADS:
        raise InvalidInput(f"objective must be one of {', '.join(HEADS)}, got {objective!r}")
    head = HEADS[objective]()
    formulas: list[tuple[sp.Expr, sp.Expr]] = []
    if head.squared_gain != gain**2:
        formulas.append((gain**2, head.squared_gain))
    if "stiffness" in head.opaque:
        formulas.append((c, STIFFNESS))
    used = {symbol.name for symbol in head.expression.free_symbols | {gain}}
    used |= {symbol.name for _, right in formulas for symbol in right.free_symbols}
    opaque = [d for name in head.opaque for d in vocabulary.OPAQUE.get(name, ())]
    always = {"R", "D", "tau"} if opaque else {"R"}
    return Statement(
        title=f"objective {objective}",
        name="L",
        potential=head.expression,
        equations=tuple(zip(head.unknowns, head.equations(), strict=True)),
        formulas=tuple(formulas),
        definitions=(
            *opaque,
            *(d for d in vocabulary.HEAD if set(d.symbol.split(", ")) & (used | always)),
        ),
    )


def _fixed_ridge(loss: str | None, intercept: bool) -> sp.Integer | None:
    """The ridge of a limit; None where the ridge is a parameter."""
    if loss is None:
        return None
    probe = find_probe(loss)
    if probe.loss is None:
        raise InvalidInput(f"{loss} is a closed form, not a saddle point: accuracy = Phi_N(R)")
    if intercept and loss == "averaging":
        raise InvalidInput("averaging has no intercept: its loss is linear in the margin")
    return None if probe.ridge is None else sp.Integer(int(probe.ridge))


def _geometry_name(num_atoms: int | None) -> str:
    if num_atoms is None:
        return "isotropic classes behind a gain"
    return f"a spectrum of {num_atoms} atom{'s' if num_atoms > 1 else ''}"


def _moment_symbols(potential: Potential) -> dict[sp.Expr, sp.Symbol]:
    """Each moment of each margin law by a symbol of the same name: M11, or M11p and M11m."""
    laws = [""] if len(potential.margins) == 1 else ["p", "m"]
    return {
        moment(*law): sp.Symbol(f"{moment.__name__}_{label}".rstrip("_"), real=True)
        for label, law in zip(laws, potential.margins, strict=True)
        for moment in MOMENTS
    }


def _loss_formulas(loss: str | None) -> list[tuple[sp.Expr, sp.Expr]]:
    """The loss and its derivative, or the constraint that replaces it."""
    name = _LOSS_OF.get(loss or "", loss or "")
    if name in DOMAINS:
        inside = DOMAINS[name].as_relational(margin)
        return [(sp.Function("loss")(margin), sp.Piecewise((0, inside), (sp.oo, True)))]
    if name not in LOSSES:
        return []
    expression = LOSSES[name]
    return [
        (sp.Function("loss")(margin), expression),
        (sp.Function("loss'")(margin), sp.diff(expression, margin)),
    ]


def _accuracy(potential: Potential) -> sp.Expr:
    """Phi_N(mean/deviation) over the classes."""
    signs = (1,) if len(potential.margins) == 1 else (1, -1)
    shares = (1,) if len(signs) == 1 else (potential.parameters[-1], 1 - potential.parameters[-1])
    return sum(
        share * NormalCdf(mean / sp.sqrt(variance))
        for share, (_, mean, variance) in zip(shares, potential.margins, strict=True)
    )
