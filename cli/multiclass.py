"""`asymptotics multiclass`: limiting accuracy and confusion matrix of a probe of K classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from asymptotics.conventions import RIDGE_CONVENTIONS
from cli.files import read_spectrum
from cli.grids import decorated, grid_option
from cli.output import (
    configuration,
    json_option,
    output_option,
    print_json,
    print_table,
    progress_bar,
    write,
)
from cli.running import seed_option

multiclass_options = decorated(
    click.option(
        "--loss",
        required=True,
        metavar="NAME",
        help="square (one-hot labels), softmax (need --ridge); nearest-mean (refuses it).",
    ),
    grid_option("--sampling-ratio", "n/p > 0, samples per dimension.", required=True),
    grid_option("--classes", "K in [2, 10], on a simplex."),
    grid_option("--signal", "R >= 0, distance of each class mean from their centre."),
    click.option(
        "--means",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Means in any position instead of --classes and --signal: means (K rows) and "
        "optionally covariance and priors in a .json or .npz.",
    ),
    grid_option("--priors", "K class probabilities.  [default: equal]"),
    click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept for each class."),
    grid_option("--ridge", "Penalty > 0, in the --ridge-convention."),
    click.option(
        "--ridge-convention",
        type=click.Choice(RIDGE_CONVENTIONS),
        default="mean",
        show_default=True,
        help="As in the other commands, of the squared length of all weights.",
    ),
    grid_option("--num-samples", "n > 0, for the ridge conventions sum and C."),
    grid_option("--gain", "a >= 0 along all directions of the class means.  [default: 1]"),
    grid_option("--gains", "A gain for each mean direction, most between-class variance first."),
    click.option(
        "--objective",
        metavar="NAME",
        help="Contrastive objective that trains the head: spectral, inner-product, "
        "inner-product-fixed-norm, cosine-scaled (simplex).",
    ),
    grid_option("--augmentation", "sigma >= 0, deviation of the augmentation noise."),
    grid_option("--temperature", "tau > 0, of inner-product-fixed-norm and cosine-scaled."),
    grid_option("--dimension", "d >= 2, of cosine-scaled."),
)


@click.command("multiclass")
@multiclass_options
@seed_option
@output_option()
@json_option
def command(output: Any, as_json: bool, seed: int, **options: Any) -> int:
    """Limiting accuracy of a probe of K classes, with its confusion matrix and its evidence.

    Numeric options but --priors and --gains can be grids; points that do not converge are marked
    and the exit code is 3. With --objective, accuracy before and after the head.

    Example: asymptotics multiclass --classes 3 --signal 2 --loss softmax --sampling-ratio 2
    --ridge 0.1 --objective spectral --augmentation 0.25:3:12
    """
    parameters = read_multiclass(options)
    from asymptotics.multiclass.sweep import MULTICLASS_SWEPT

    sizes = {n: np.size(parameters[n]) for n in MULTICLASS_SWEPT if n in parameters}
    varied = [name for name, size in sizes.items() if size > 1]
    config = configuration("multiclass", options | {"seed": seed})
    if not varied and output is None and "objective" not in parameters:
        _one_point(parameters, seed, as_json)
        return 0
    return _grid(parameters, seed, varied, config, output, as_json)


def read_multiclass(options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `asymptotics.multiclass.sweep`; conflicts are usage errors."""
    given = {name: value for name, value in options.items() if value is not None}
    if "means" in given and "signal" in given:
        raise click.UsageError("--means and --signal exclude one another")
    if "means" not in given:
        for name in ("classes", "signal"):
            if name not in given:
                raise click.UsageError(f"--{name} is required without --means")
    heads = [name for name in ("gain", "gains", "objective") if name in given]
    if len(heads) > 1:
        raise click.UsageError(f"--{heads[0]} and --{heads[1]} exclude one another")
    from asymptotics.multiclass.problem import MULTICLASS_LOSSES

    if given["loss"] in MULTICLASS_LOSSES:
        needed = MULTICLASS_LOSSES[given["loss"]][0]
        if needed and "ridge" not in given:
            raise click.UsageError(f"--ridge is required with --loss {given['loss']}")
        if not needed and "ridge" in given:
            raise click.UsageError(f"--ridge cannot be given with --loss {given['loss']}")
    if given["ridge_convention"] in ("sum", "C") and "num_samples" not in given:
        raise click.UsageError(
            f"--num-samples is required with --ridge-convention {given['ridge_convention']}"
        )
    if "objective" in given and "augmentation" not in given:
        raise click.UsageError(f"--augmentation is required with --objective {given['objective']}")
    for name in ("augmentation", "temperature", "dimension"):
        if name in given and "objective" not in given:
            raise click.UsageError(f"--{name} needs an --objective")
    return given | (_read_means(given["means"], given) if "means" in given else {})


def _read_means(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    if path.suffix not in (".json", ".npz"):
        raise click.UsageError(f"--means: a .json or .npz file is needed, got {path}")
    arrays = read_spectrum(path)
    if "means" not in arrays:
        raise click.UsageError(f"{path}: the array 'means' is missing")
    for name in arrays:
        if name not in ("means", "covariance", "priors"):
            raise click.UsageError(f"{path}: unknown array {name!r}")
    if "priors" in arrays and "priors" in given:
        raise click.UsageError("--priors are in the file of the means already")
    return dict(arrays)


def _one_point(parameters: dict[str, Any], seed: int, as_json: bool) -> None:
    from asymptotics.multiclass.sweep import multiclass_accuracy, multiclass_grid

    points, fixed = multiclass_grid(parameters)
    point: dict[str, Any] = {name: float(values[0]) for name, values in points.items()}
    if "classes" in point:
        point["classes"] = int(point["classes"])
    found = multiclass_accuracy(seed=seed, **{**fixed, **point})
    names = ("accuracy", "test_error", "residual", "error_estimate")
    row = {name: getattr(found, name) for name in names}
    if as_json:
        orders = ("step", "logit_means", "logit_covariance")
        given = {
            name: value for name, value in fixed.items() if name not in ("means", "covariance")
        }
        print_json(
            {
                **given,
                **point,
                "priors": found.problem.mixture.priors,
                **row,
                "converged": True,
                "status": "converged",
                "confusion": found.confusion,
                "order_parameters": {name: getattr(found, name) for name in orders},
            }
        )
        return
    for name, value in row.items():
        shown = f"{value:.1e}" if name in names[2:] else f"{value:.12f}"
        click.echo(f"{name.replace('_', ' '):<22}{shown}")
    click.echo("confusion matrix (a row is a true class)")
    for line in found.confusion:
        click.echo("  ".join(f"{value:z.6f}" for value in line))


def _grid(
    parameters: dict[str, Any],
    seed: int,
    varied: list[str],
    config: dict[str, Any],
    output: Path | None,
    as_json: bool,
) -> int:
    from asymptotics.multiclass.sweep import MULTICLASS_SWEPT, multiclass_curve

    sizes = {n: np.size(parameters[n]) for n in MULTICLASS_SWEPT if n in parameters}
    size = int(np.prod(list(sizes.values())))
    with progress_bar(size, "multiclass", 2) as progress:
        table = multiclass_curve(seed=seed, progress=progress, **parameters)
    trained = "objective" in parameters
    boundaries = _boundaries(parameters, sizes) if trained else []
    quantities = ("accuracy_after", "accuracy_before") if trained else ("accuracy",)
    axis = max(sizes, key=lambda name: sizes[name])
    if output is not None:

        def draw() -> Any:
            from asymptotics.plots import plot_curve

            return plot_curve(table, axis, [n for n in varied if n != axis], quantities)

        write(output, table, config, draw, extra={"boundaries": boundaries})
    if as_json:
        print_json({"config": config, "rows": table.rows(), "boundaries": boundaries})
    elif output is None:
        names = ["gain", "regime", *quantities[::-1]] if trained else ["accuracy", "test_error"]
        print_table(table.rows(), [*(varied or [axis]), *names, "error_estimate", "status"])
    failed = int(np.sum(~table["converged"]))
    if failed:
        text = f"{failed} of {len(table)} points have no limit or did not converge; see status"
        click.echo(f"asymptotics: {text}", err=True)
    return 3 if failed else 0


def _boundaries(parameters: dict[str, Any], sizes: dict[str, int]) -> list[dict[str, Any]]:
    """Augmentations of gain 1, along the one other parameter of the head that is a grid, if any."""
    from asymptotics.multiclass.boundary import gain_boundaries

    others = ("temperature", "dimension", "signal", "classes")
    grids = [name for name in others if sizes.get(name, 0) > 1]
    if sizes["augmentation"] < 2 or len(grids) > 1:
        return []
    x = grids[0] if grids else None
    names = ("objective", "augmentation", "means", "priors", "covariance", *others)
    given = {name: parameters[name] for name in names if name in parameters}
    for name in others:
        if name in given and name != x:
            given[name] = float(given[name][0])
    return [
        {"name": f"gain_one_{b.direction}", "augmentation": b.augmentation}
        | ({x: b.x} if x else {})
        for b in gain_boundaries(x=x, **given)
    ]
