"""`asymptotics validate multiclass`, `pretraining`: K classes, heads from finitely many pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.multiclass import multiclass_options, read_multiclass
from cli.pretraining import pretraining_options, read_pretraining
from cli.running import level_option, run_options, split_options
from cli.verdict import judge

if TYPE_CHECKING:
    from validation.compare import Comparison

_trials = click.option("--trials", type=click.IntRange(8), help="At each dimension and point.")


@click.command("multiclass")
@multiclass_options
@_trials
@click.option("--confusion", is_flag=True, help="Also every entry of the confusion matrix.")
@level_option()
@run_options
def multiclass(trials: int | None, confusion: bool, level: float, **options: Any) -> int:
    """Accuracy of a probe of K classes against certified fits, extrapolated in 1/p.

    Example: asymptotics validate multiclass --classes 3 --signal 1.5 --loss softmax --ridge 0.1
    --sampling-ratio 1.5
    """
    check, run = split_options(options)
    parameters = read_multiclass(check) | {"confusion": confusion, "level": level}
    from validation.multiclass.check import validate_multiclass

    return _judge("multiclass", options, run, validate_multiclass, parameters, trials)


@click.command("pretraining")
@pretraining_options
@_trials
@level_option()
@run_options
def pretraining(trials: int | None, level: float, **options: Any) -> int:
    """Heads trained on finitely many pairs, and probes behind them, against the limit.

    Example: asymptotics validate pretraining --signal 2 --pretraining-ratio 6 --augmentation 1
    --loss logistic --ridge 0.1 --sampling-ratio 2
    """
    check, run = split_options(options)
    parameters = read_pretraining(check) | {"level": level}
    from validation.checks.pretraining import validate_pretraining

    return _judge("pretraining", options, run, validate_pretraining, parameters, trials)


def _judge(
    name: str,
    options: dict[str, Any],
    run: dict[str, Any],
    verb: Any,
    parameters: dict[str, Any],
    trials: int | None,
) -> int:
    def draw(comparison: Comparison) -> Any:
        from asymptotics.claims_plot import plot_claims

        return plot_claims(comparison.table)

    given = parameters if trials is None else parameters | {"trials": trials}
    return judge(name, split_options(options)[0] | {"trials": trials}, run, verb, given, draw)


COMMANDS = (multiclass, pretraining)
