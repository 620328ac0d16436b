"""Options of the `layers` commands: features, what augmentation does to them, the net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from cli.grids import decorated, grid_option

if TYPE_CHECKING:
    from asymptotics.layers.second_moments import Features
    from asymptotics.layers.verdict import Network


feature_options = decorated(
    grid_option("--strength", "phi of every kind of feature, 0 or in [1e-50, 1e50]: a list."),
    grid_option("--noise", "sigma of every kind, 0 or in [1e-50, 1e50]: noise new in each view."),
    grid_option(
        "--correlation",
        "rho in [0, 1]: what the two views share of a feature.",
        default="1",
        show_default=True,
    ),
    grid_option("--dropout", "Augmentation drops a feature with this probability, in [0, 1)."),
    grid_option("--flip", "Augmentation flips its sign with this probability, in [0, 1/2]."),
    grid_option("--redraw", "Augmentation draws it anew with this probability, in [0, 1]."),
    grid_option(
        "--fraction", "Share in (0, 1] of the dimensions, of every kind.  [default: equal]"
    ),
)

network_options = decorated(
    click.option(
        "--depth",
        type=click.IntRange(1),
        default=2,
        show_default=True,
        help="Linear layers L; the last is the head.",
    ),
    click.option(
        "--decay",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        help="Weight decay lambda of lambda sum_l |W_l|^2.",
    ),
    click.option(
        "--outputs",
        type=click.IntRange(1),
        help="Kinds of features that the net has outputs for.  [default: all]",
    ),
)

probe_of_layers = decorated(
    click.option("--loss", metavar="NAME", help="Probe, as in `accuracy`."),
    grid_option("--sampling-ratio", "n/p > 0 of the probe."),
    click.option(
        "--ridge",
        type=click.FloatRange(0, min_open=True),
        help="Penalty of (1/n) sum loss + ridge/2 |theta|^2, on features of mean square 1.",
    ),
)


def read_features(options: dict[str, Any]) -> Features:
    """The `Features` of the options; lists of one value hold for every kind."""
    from asymptotics.layers.second_moments import DISRUPTIONS, Features

    for name in ("strength", "noise"):
        if options[name] is None:
            raise click.UsageError(f"--{name} is required")
    names = ("strength", "noise", "correlation", "dropout", "flip", "redraw", "fraction")
    sizes = {name: np.size(options[name]) for name in names if options[name] is not None}
    longest = max(sizes.values())
    for name, size in sizes.items():
        if size not in (1, longest):
            raise click.UsageError(
                f"--{name} has {size} values, another option {longest}: give 1 or {longest}"
            )
    lists = {name: np.broadcast_to(options[name], longest) for name in sizes}
    features = Features(
        lists["strength"], lists["noise"], lists["correlation"], fraction=lists.get("fraction")
    )
    for name in ("dropout", "flip", "redraw"):
        if name in lists:
            features = DISRUPTIONS[name](features, lists[name])
    return features


def with_free_pair(options: dict[str, Any], pair: str) -> dict[str, Any]:
    """The options with no share of the dimensions for the first two kinds, `pair`, by default."""
    names = ("strength", "noise", "correlation")
    size = max(np.size(options[name]) for name in names if options[name] is not None)
    if size < 3:
        raise click.UsageError(f"--strength: {pair} and at least one other feature are needed")
    if options["fraction"] is not None:
        return options
    return options | {"fraction": np.repeat([0.0, 1 / (size - 2)], [2, size - 2])}


def read_network(options: dict[str, Any]) -> Network:
    """The `Network` of the options."""
    from asymptotics.layers.verdict import Network

    return Network(options["depth"], options["decay"], options["outputs"])


def read_probe(options: dict[str, Any]) -> dict[str, Any] | None:
    """loss and ridge of the options, None without a --loss; conflicts are usage errors."""
    from cli.options import check_ridge

    if options["loss"] is None:
        for name in ("sampling_ratio", "ridge"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs a --loss")
        return None
    check_ridge(options["loss"], options["ridge"])
    return {"loss": options["loss"], "ridge": options["ridge"]}


def single(value: Any, name: str) -> float:
    """The one number of a grid option; a longer grid is a usage error."""
    if np.size(value) != 1:
        raise click.UsageError(f"--{name} must be a single number here")
    return float(np.ravel(value)[0])
