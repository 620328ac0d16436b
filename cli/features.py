"""`asymptotics features`: real features, the probe's predicted against its measured accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from cli.options import check_ridge, grid_option
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    write,
)
from cli.running import seed_option

# probes that only the K-class equations have: whether they need a ridge
_ONLY_CLASSES = {"softmax": True, "nearest-mean": False}


@click.command("features")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--loss",
    required=True,
    metavar="NAME",
    help="Two labels: the losses of `accuracy`. Any number of them: square, softmax (need "
    "--ridge); nearest-mean (refuses it).",
)
@click.option("--ridge", type=float, help="Penalty > 0, in squared units of the features.")
@grid_option("--num-samples", "Training sizes n > 0.  [default: six, spread geometrically]")
@click.option("--intercept", is_flag=True, help="Fit an intercept, and predict with it.")
@click.option(
    "--class-covariances", is_flag=True, help="Predict with a covariance of its own for each class."
)
@seed_option
@output_option()
@json_option
def command(
    file: Path,
    loss: str,
    ridge: float | None,
    num_samples: Any,
    intercept: bool,
    class_covariances: bool,
    seed: int,
    output: Any,
    as_json: bool,
) -> int:
    """Predict a probe's accuracy on real features over training sizes, and measure it.

    FILE is a .npz with `features` (n x p), `labels` of 2 to 10 values and optionally a
    `projector`. Each fold is held out once; means and covariances are estimated on the rest with
    corrections for n of the order of p; the probe is fitted on subsets and measured on the
    held-out fold. Without --intercept the features are centred at the middle of the training
    part's class means.

    Example: asymptotics features digits.npz --loss logistic --ridge 10
    """
    _check_ridge(loss, ridge)
    from asymptotics.errors import InvalidInput
    from asymptotics.table import Table

    sizes = None
    if num_samples is not None:
        sizes = [int(size) for size in num_samples]
        if not np.array_equal(sizes, num_samples):
            raise InvalidInput("--num-samples: training sizes must be whole numbers")
    curve = _curve(
        file,
        loss,
        np.random.default_rng(seed),
        ridge=ridge,
        intercept=intercept,
        class_covariances=class_covariances,
        num_samples=sizes,
    )
    rows = curve.rows()
    table = Table({name: np.asarray(getattr(curve, name)) for name in rows[0]})
    summary = {
        "file": str(file),
        "loss": loss,
        "ridge": ridge,
        "intercept": intercept,
        "class_covariances": class_covariances,
        "seed": seed,
        "classes": [str(name) for name in curve.classes],
        "prior": curve.priors[1] if len(curve.priors) == 2 else None,
        "priors": list(curve.priors),
        "dimension": curve.dimension,
        "num_constant": curve.num_constant,
        "num_total": curve.num_total,
        "feature_variance": curve.feature_variance,
        "level": curve.level,
    }
    config = configuration("features", summary)
    if output is not None:

        def draw() -> Any:
            from asymptotics.plots import plot_measured

            return plot_measured(table, f"{loss}, $p = {curve.dimension}$")

        write(output, table, config, draw)
    if as_json:
        print_json(summary | {"rows": rows})
    elif output is None:
        click.echo(
            f"{curve.num_total} samples of {curve.dimension} features "
            f"({curve.num_constant} constant ones dropped), {_shares(curve)}; mean feature "
            f"variance {curve.feature_variance:.4g}, the unit of the ridge"
        )
        names = ["num_samples", "predicted", "predicted_low", "predicted_high", "measured"]
        print_table(rows, [*names, "standard_error", "status"])
    missing = sum(row["predicted"] is None or row["measured"] is None for row in rows)
    if missing:
        click.echo(f"asymptotics: {missing} of {len(rows)} sizes have no value", err=True)
    return 3 if missing else 0


def _curve(file: Path, loss: str, rng: np.random.Generator, **options: Any) -> Any:
    """The curve of a two-class probe where there is one, else of a K-class probe."""
    from validation.class_features import class_feature_curve
    from validation.feature_file import LabelledFeatures, load_classes
    from validation.features import feature_curve

    data = load_classes(str(file))
    if len(data.classes) == 2 and loss not in _ONLY_CLASSES:
        return feature_curve(LabelledFeatures.of_pair(data), loss, rng, **options)
    return class_feature_curve(data, loss, rng, **options)


def _check_ridge(loss: str, ridge: float | None) -> None:
    """Usage errors of --ridge: missing beside a penalised loss, or beside one without."""
    if loss not in _ONLY_CLASSES:
        check_ridge(loss, ridge)
    elif _ONLY_CLASSES[loss] and ridge is None:
        raise click.UsageError(f"--ridge is required with --loss {loss}")
    elif ridge is not None and not _ONLY_CLASSES[loss]:
        raise click.UsageError(f"--ridge cannot be given with --loss {loss}")


def _shares(curve: Any) -> str:
    if len(curve.classes) == 2:
        return f"class {curve.classes[1]}: {curve.priors[1]:.1%}"
    lowest, highest = min(curve.priors), max(curve.priors)
    return f"{len(curve.classes)} classes of {lowest:.1%} to {highest:.1%}"
