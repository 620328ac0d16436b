"""`asymptotics validate layers`, `learning-order`, `split`, `threshold`: trained layers, judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.grids import decorated, grid_option
from cli.running import level_option, run_options, split_options
from cli.verdict import judge

if TYPE_CHECKING:
    from validation.compare import Comparison

_PROBE = ("label", "loss", "sampling_ratio", "ridge", "trials", "accuracy_error")


_positive = click.FloatRange(0, min_open=True)
_feature_options = decorated(
    grid_option("--strength", "phi_i >= 0, one number a feature.", required=True),
    grid_option("--noise", "sigma_i >= 0 of each feature, or one for all.", required=True),
    grid_option(
        "--correlation",
        "rho_i in [0, 1] across the views; small where augmentation disrupts.",
        default="1",
        show_default=True,
    ),
    grid_option("--kept", "kappa_i >= 0, second moment in a view.", default="1", show_default=True),
)
_depth_option = click.option(
    "--depth", type=click.IntRange(2), default=2, show_default=True, help="Layers, head included."
)
_networks_option = click.option(
    "--networks",
    type=click.IntRange(2),
    default=16,
    show_default=True,
    help="Independently trained networks at each size.",
)
_batch_option = click.option(
    "--batch-size", type=click.IntRange(2), default=32, show_default=True, help="Pairs in a batch."
)


def _start_option(default: float) -> Callable[..., Any]:
    return click.option(
        "--start", type=_positive, default=default, show_default=True, help="W_l = START I."
    )


def _error_option(name: str, default: float, of: str) -> Callable[..., Any]:
    return click.option(
        name,
        type=_positive,
        default=default,
        show_default=True,
        help=f"Largest standard error of {of} that proves anything.",
    )


@click.command("layers")
@_feature_options
@_depth_option
@click.option("--outputs", type=click.IntRange(1), help="k, of the head.  [default: one a feature]")
@click.option(
    "--decay",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Weight decay of the training.",
)
@_networks_option
@_batch_option
@_start_option(0.5)
@_error_option("--weight-error", 0.005, "a weight")
@click.option("--label", type=click.IntRange(1), help="Also probe for this feature, from 1.")
@click.option("--loss", metavar="NAME", help="Of the probe, with --label.")
@click.option("--sampling-ratio", type=_positive, help="n/p of the probe, with --label.")
@click.option("--ridge", type=_positive, help="Of the probe, on features of unit mean square.")
@click.option(
    "--trials",
    type=click.IntRange(8),
    default=100,
    show_default=True,
    help="Independent probes on each layer.",
)
@_error_option("--accuracy-error", 0.003, "an accuracy")
@level_option()
@run_options
def layers(**options: Any) -> int:
    """Weights of features before and after the head, and probes on both, against trained layers.

    Linear networks with full matrices are trained on batches of augmented views at three steps, and
    extrapolated to a vanishing step.

    Example: asymptotics validate layers --strength 1,1.5,1,0.8 --noise 0.5
    --correlation 0.9,0.9,0.2,0.7 --label 3 --loss logistic --ridge 0.1 --sampling-ratio 1
    """
    given, run = split_options(options)
    if given["label"] is None:
        for name in ("loss", "sampling_ratio", "ridge"):
            if given[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs a --label to probe for")
    else:
        for name in ("loss", "sampling_ratio"):
            if given[name] is None:
                raise click.UsageError(f"--{name.replace('_', '-')} is required with --label")
        from cli.options import check_ridge

        check_ridge(given["loss"], given["ridge"])
    from validation.checks.layer_probes import LayerProbe
    from validation.checks.layer_runs import LayerTraining
    from validation.checks.layers import validate_layers

    probe = None
    if given["label"] is not None:
        of_probe = {name: given[name] for name in _PROBE}
        probe = LayerProbe(**of_probe | {"label": given["label"] - 1})
    training = LayerTraining(given["networks"], given["batch_size"], given["start"])
    names = ("strength", "noise", "correlation", "kept", "depth", "outputs", "decay")
    parameters = {name: given[name] for name in (*names, "weight_error", "level")}
    return _judge(
        "layers", options, run, validate_layers, parameters | {"training": training, "probe": probe}
    )


@click.command("learning-order")
@_feature_options
@_depth_option
@_networks_option
@_batch_option
@_start_option(0.2)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Of its final weight, at which a feature counts as learned.",
)
@_error_option("--time-error", 0.01, "a time, relative to it,")
@level_option()
@run_options
def learning_order(**options: Any) -> int:
    """The time at which each feature is learned, gradient flow against descent on batches.

    Example: asymptotics validate learning-order --strength 1,1.5,1,0.8 --noise 0.5
    --correlation 0.9,0.9,0.5,0.7
    """
    given, run = split_options(options)
    from validation.checks.layer_runs import LayerTraining
    from validation.checks.learning_order import validate_learning_order

    training = LayerTraining(given["networks"], given["batch_size"], given["start"])
    rest = ("networks", "batch_size", "start")
    parameters = {name: value for name, value in given.items() if name not in rest}
    return _judge(
        "learning-order",
        options,
        run,
        validate_learning_order,
        parameters | {"training": training},
    )


@click.command("split")
@click.option(
    "--objective",
    type=click.Choice(["cosine", "inner-product", "spectral"]),
    default="cosine",
    show_default=True,
    help="The contrastive loss that trains the network.",
)
@click.option("--signal", type=click.FloatRange(0), required=True, help="R.")
@click.option("--augmentation", type=click.FloatRange(0), required=True, help="sigma.")
@click.option("--temperature", type=_positive, help="tau.")
@click.option("--dimension", type=click.IntRange(2), required=True, help="d.")
@_depth_option
@_networks_option
@_start_option(1.0)
@click.option(
    "--step",
    type=_positive,
    default=0.125,
    show_default=True,
    help="Length of a step of descent.",
)
@click.option("--time", type=_positive, default=150.0, show_default=True, help="Of training.")
@_error_option("--gain-error", 0.02, "a log gain")
@level_option()
@run_options
def split(**options: Any) -> int:
    """How the gain of a trained network is split over its layers, on any contrastive loss.

    Example: asymptotics validate split --signal 2 --augmentation 1 --temperature 1 --dimension 20
    """
    parameters, run = split_options(options)
    from validation.checks.layer_split import validate_split

    return _judge("split", options, run, validate_split, parameters)


@click.command("threshold")
@_feature_options
@click.option("--threshold", type=click.FloatRange(0), required=True, help="b of the ReLU.")
@click.option(
    "--head",
    type=click.Choice(["hidden", "output"]),
    default="hidden",
    show_default=True,
    help="Where the symmetric ReLU stands.",
)
@click.option("--time", type=_positive, default=5.0, show_default=True, help="Of training.")
@_networks_option
@_batch_option
@_error_option("--weight-error", 0.01, "a weight")
@level_option()
@run_options
def threshold(**options: Any) -> int:
    """What a symmetric ReLU leaves of each feature before and after it, against trained networks.

    Example: asymptotics validate threshold --strength 0.4,1,1.5,2 --noise 0.1 --threshold 1.2
    """
    parameters, run = split_options(options)
    from validation.checks.layer_threshold import validate_threshold

    return _judge("threshold", options, run, validate_threshold, parameters)


def _judge(
    name: str,
    options: dict[str, Any],
    run: dict[str, Any],
    verb: Callable[..., Comparison],
    parameters: dict[str, Any],
) -> int:
    def draw(comparison: Comparison) -> Any:
        from asymptotics.claims_plot import plot_claims

        return plot_claims(comparison.table)

    return judge(name, split_options(options)[0], run, verb, parameters, draw)


COMMANDS = (layers, learning_order, split, threshold)
