"""`asymptotics images`: a small SimCLR network on pairs of images, probed around its head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.grids import grid_option
from cli.output import configuration, print_json, print_table, write
from cli.running import level_option, run_options, running, split_options

_PRETRAINING = ("head", "hidden", "outputs", "temperature", "noise", "batch_size", "steps")


@click.command("images")
@click.argument("file", type=click.Path(path_type=Path))
@grid_option(
    "--drop",
    "Probabilities in [0, 1) that a view has lost the right digit.",
    default="0,0.1,0.2,0.5,0.8",
    show_default=True,
)
@click.option(
    "--seeds",
    type=click.IntRange(3),
    default=8,
    show_default=True,
    help="Networks trained from independent starts.",
)
@click.option(
    "--head",
    type=click.Choice(["linear", "relu"]),
    default="linear",
    show_default=True,
    help="One linear layer, or a hidden ReLU layer and a linear one.",
)
@click.option("--hidden", type=click.IntRange(1), default=128, show_default=True, help="Before.")
@click.option("--outputs", type=click.IntRange(1), default=32, show_default=True, help="After.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=0.5,
    show_default=True,
    help="tau of NT-Xent.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0),
    default=0.2,
    show_default=True,
    help="Deviation of the pixels' noise in a view; pixels run from 0 to 1.",
)
@click.option(
    "--batch-size", type=click.IntRange(2), default=128, show_default=True, help="Pairs in a batch."
)
@click.option(
    "--steps", type=click.IntRange(1), default=1500, show_default=True, help="Batches of training."
)
@click.option(
    "--num-samples",
    type=click.IntRange(2),
    default=1000,
    show_default=True,
    help="Labelled pairs that a probe is fitted to.",
)
@click.option(
    "--ridge",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    show_default=True,
    help="Of the probes, in units of the mean variance of a feature.",
)
@level_option()
@run_options
def command(file: Path, **options: Any) -> int:
    """Train a network without labels on pairs of images, and probe it before and after its head.

    FILE is a .npz with `features` (n x pixels) and `labels`, such as the digits of scikit-learn.
    Two images side by side make one; in each view the right one is missing with probability
    --drop, and pixels are noisy. Least-squares probes for the class of the left ("kept") and of
    the right ("disrupted") image are fitted to both layers. Exits 4 if a claim of the theory is
    contradicted, 3 if one is undecided.

    Example: asymptotics images digits.npz --drop 0.2,0.5,0.8 --seeds 5 -o images.png
    """
    computed, run = split_options(options)
    from validation.images.experiment import Probing, image_experiment
    from validation.images.simclr import Pretraining

    config = configuration("images", computed | {"file": str(file), "seed": run["seed"]})
    with running(run, config) as settings:
        found = image_experiment(
            file,
            drop=computed["drop"],
            seeds=computed["seeds"],
            pretraining=Pretraining(**{name: computed[name] for name in _PRETRAINING}),
            probing=Probing(training=computed["num_samples"], ridge=computed["ridge"]),
            level=computed["level"],
            run=settings,
        )
    extra = {
        "claims": found.claims.rows(),
        "agreement": found.agreement,
        "chance": found.chance,
        "level": found.level,
    }
    if run["output"] is not None:

        def draw() -> Any:
            from asymptotics.images_plot import plot_images

            return plot_images(found.table, found.chance)

        write(run["output"], found.table, config, draw, extra)
    if run["as_json"]:
        print_json({"config": config, "rows": found.table.rows(), **extra})
    elif run["output"] is None:
        names = ["drop", "digit", "accuracy_before", "accuracy_after", "difference"]
        _print(found.table.rows(), [*names, "standard_error_difference"])
        click.echo()
        _print(found.claims.rows(), list(found.claims.columns))
    click.echo(f"asymptotics: {found}", err=True)
    return {True: 0, False: 4, None: 3}[found.agreement]


def _print(rows: list[dict[str, Any]], names: list[str]) -> None:
    """Aligned, with as many digits as say something."""
    plain = ("accuracy_before", "accuracy_after", "difference", "estimate")
    digits = dict.fromkeys(plain, ".4f")
    digits |= {"standard_error_difference": ".1e", "standard_error": ".1e", "t": ".2f"}
    digits |= {"p_value": ".2g"}
    shown = [
        row | {n: format(row[n], f) for n, f in digits.items() if row.get(n) is not None}
        for row in rows
    ]
    print_table(shown, names)
