"""`asymptotics validate`: theory against finite-size simulation, judged by statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from cli.config import ConfigurableGroup
from cli.grids import decorated
from cli.options import (
    check_training,
    class_options,
    encoder_option,
    grid_option,
    mixture_options,
    probe_options,
    problem_parameters,
    training_options,
)
from cli.running import RUN, level_option, run_options, split_options
from cli.validate_heads import COMMANDS as HEADS
from cli.validate_layers import COMMANDS as LAYERS
from cli.verdict import judge

if TYPE_CHECKING:
    from validation.checks.prediction import Prediction
    from validation.compare import Comparison

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_CHECK = ("probe_dimensions", "trials", "accuracy_error", "gain_error", "level", "training")
_TRAINING = ("heads", "batch_size", "max_pairs", "backend", "precision")


_fit_options = decorated(
    click.option(
        "--probe-dimensions",
        metavar="P,P,P",
        help="Three or more dimensions p at which probes are fitted.  [default: 100,200,400]",
    ),
    click.option(
        "--trials",
        type=click.IntRange(8),
        default=100,
        show_default=True,
        help="Fits at each dimension and point.",
    ),
    click.option(
        "--accuracy-error",
        type=click.FloatRange(0, min_open=True),
        default=0.002,
        show_default=True,
        help="Largest standard error of an accuracy that proves anything.",
    ),
)

_head_options = decorated(
    click.option(
        "--heads",
        type=click.IntRange(2),
        default=8,
        show_default=True,
        help="Independently trained heads at each point and batch size.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(2),
        default=64,
        show_default=True,
        help="Smallest batch, in pairs; twice and four times that are trained too.",
    ),
    click.option(
        "--max-pairs",
        type=click.IntRange(1024),
        default=2**20,
        show_default=True,
        help="Budget of fresh pairs for each head.",
    ),
    click.option(
        "--gain-error",
        type=click.FloatRange(0, min_open=True),
        default=0.02,
        show_default=True,
        help="Largest standard error of a log gain that proves anything.",
    ),
    click.option(
        "--backend",
        type=click.Choice(["numpy", "torch", "torch-cuda"]),
        default="numpy",
        show_default=True,
        help="What trains the heads.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float64", "float32"]),
        default="float64",
        show_default=True,
        help="Of the training.",
    ),
)


@click.group("validate", cls=ConfigurableGroup)
def command() -> None:
    """Theory against simulation: z-scores, one correction for the whole table, one verdict.

    Exits 0 if every row agrees, 4 if one disagrees, 3 if nothing disagrees but a row is undecided.
    """


for each in (*HEADS, *LAYERS):
    command.add_command(each)


@command.command("probe")
@probe_options()
@mixture_options
@class_options
@training_options
@encoder_option
@_fit_options
@level_option()
@run_options
def probe(**options: Any) -> int:
    """Limiting accuracy against certified fits at three or more dimensions, extrapolated in 1/p.

    Any numeric option can be a grid, as in `curve`.

    Example: asymptotics validate probe --loss logistic --signal 1,1.5 --sampling-ratio 2
    --ridge 0.1 -o probe.pdf
    """
    check, run = split_options(options)
    check["probe_dimensions"] = _dimensions(check["probe_dimensions"])
    parameters = problem_parameters(check)
    from validation.checks import probe as module

    return _validate("probe", options, run, parameters, module.validate_probe, module.predict)


@command.command("projector")
@grid_option("--signal", "R >= 0, half the distance of the class means.", required=True)
@training_options
@_head_options
@level_option()
@run_options
def projector(**options: Any) -> int:
    """Gain of the exact theory against heads trained from W = I, batch size extrapolated.

    --objective is cosine (the default), inner-product or spectral.

    Example: asymptotics validate projector --signal 2 --dimension 20 --augmentation 1
    --temperature 0.2,1
    """
    check, run = split_options(options)
    check["objective"] = check["objective"] or "cosine"
    check_training(check, check["objective"])
    parameters = _with_training(check)
    from validation.checks import projector as module

    verb, theory = module.validate_projector, module.predict_gain
    return _validate("projector", options, run, parameters, verb, theory)


@command.command("pipeline")
@training_options
@mixture_options
@probe_options()
@encoder_option
@_head_options
@_fit_options
@level_option()
@run_options
def pipeline(**options: Any) -> int:
    """Train heads, measure their gain, fit probes before and after them: all against theory.

    Example: asymptotics validate pipeline --signal 2 --dimension 20 --augmentation 1
    --temperature 0.2,1 --loss logistic --sampling-ratio 2 --ridge 0.1
    """
    check, run = split_options(options)
    check["objective"] = check["objective"] or "cosine"
    check["probe_dimensions"] = _dimensions(check["probe_dimensions"])
    parameters = _with_training(problem_parameters(check))
    from validation.checks import pipeline as module

    verb, theory = module.validate_pipeline, module.predict_pipeline
    return _validate("pipeline", options, run, parameters, verb, theory)


def _dimensions(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--probe-dimensions: expected whole numbers p,p,p, got {text!r}"
        ) from None


def _with_training(options: dict[str, Any]) -> dict[str, Any]:
    """The options with those of the training as one record."""
    from validation.checks.projector import Training

    rest = {name: value for name, value in options.items() if name not in _TRAINING}
    return rest | {"training": Training(**{name: options[name] for name in _TRAINING})}


def _validate(
    name: str,
    options: dict[str, Any],
    run: dict[str, Any],
    parameters: dict[str, Any],
    verb: Callable[..., Comparison],
    predict: Callable[..., list[Prediction]],
) -> int:
    theory = {k: v for k, v in parameters.items() if k not in _CHECK}

    def draw(comparison: Comparison) -> Any:
        from asymptotics.agreement_plot import plot_agreement

        return plot_agreement(comparison.table, *_lines(theory, predict))

    # where it ran is no part of what was computed
    computed = {k: v for k, v in options.items() if k not in RUN}
    return judge(name, computed, run, verb, parameters, draw)


def _lines(
    parameters: dict[str, Any], predict: Callable[..., list[Prediction]]
) -> tuple[Any, str, list[str]]:
    """The theory on a finer axis, that axis, and the other parameters that vary."""
    from asymptotics.sweep import SWEPT, product_of_grids
    from validation.checks.prediction import theory_table

    sizes = {n: np.size(parameters[n]) for n in SWEPT if parameters.get(n) is not None}
    axis = max(sizes, key=lambda name: sizes[name])
    values = np.atleast_1d(np.asarray(parameters[axis], dtype=float))
    low, high = values.min(), values.max()
    if low < high:
        spaced = np.geomspace if low > 0 and high > 8 * low else np.linspace
        values = np.unique(np.concatenate([spaced(low, high, 41), values]))
    table = theory_table(predict(*product_of_grids(parameters | {axis: values})))
    return table, axis, [n for n, size in sizes.items() if size > 1 and n != axis]
