"""`asymptotics features`: real features, the probe's predicted against its measured accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from cli.options import check_ridge, grid_option, loss_option
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    write,
)


@click.command("features")
@click.argument("file", type=click.Path(path_type=Path))
@loss_option()
@click.option("--ridge", type=float, help="Penalty > 0, in squared units of the features.")
@grid_option("--num-samples", "Training sizes.  [default: six, spread geometrically]")
@click.option("--intercept", is_flag=True, help="Fit an intercept, and predict with it.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@output_option()
@json_option
def command(
    file: Path,
    loss: str,
    ridge: float | None,
    num_samples: Any,
    intercept: bool,
    seed: int,
    output: Any,
    as_json: bool,
) -> int:
    """Predict a probe's accuracy on real features over training sizes, and measure it.

    FILE is a .npz with `features` (n x p), two-valued `labels` and optionally a `projector`. Each
    fold is held out once; mean and covariance are estimated on the rest with corrections for n of
    the order of p; the probe is fitted on subsets and measured on the held-out fold. Without
    --intercept the features are centred at the midpoint of the training part's class means.

    Example: asymptotics features digits.npz --loss logistic --ridge 10
    """
    check_ridge(loss, ridge)
    from asymptotics.errors import InvalidInput
    from asymptotics.table import Table
    from validation.feature_file import load_features
    from validation.features import feature_curve

    sizes = None
    if num_samples is not None:
        sizes = [int(size) for size in num_samples]
        if not np.array_equal(sizes, num_samples):
            raise InvalidInput("--num-samples: training sizes must be whole numbers")
    data = load_features(str(file))
    rng = np.random.default_rng(seed)
    curve = feature_curve(data, loss, rng, ridge, intercept=intercept, num_samples=sizes)
    rows = curve.rows()
    table = Table({name: np.asarray(getattr(curve, name)) for name in rows[0]})
    summary = {
        "file": str(file),
        "loss": loss,
        "ridge": ridge,
        "intercept": intercept,
        "seed": seed,
        "classes": [str(name) for name in curve.classes],
        "prior": curve.prior,
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
            f"({curve.num_constant} constant ones dropped), class {curve.classes[1]}: "
            f"{curve.prior:.1%}; mean feature variance {curve.feature_variance:.4g}, "
            "the unit of the ridge"
        )
        names = ["num_samples", "predicted", "predicted_low", "predicted_high", "measured"]
        print_table(rows, [*names, "standard_error", "status"])
    missing = sum(row["predicted"] is None or row["measured"] is None for row in rows)
    if missing:
        click.echo(f"asymptotics: {missing} of {len(rows)} sizes have no value", err=True)
    return 3 if missing else 0
