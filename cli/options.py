"""One set of option names for every command, and the conflicts between them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from asymptotics.conventions import RIDGE_CONVENTIONS
from asymptotics.errors import did_you_mean
from cli.files import read_npz, read_spectrum
from cli.grids import Decorator, grid_option


def mixture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--signal | --spectrum | --arrays, --prior, --intercept: the classes."""
    for option in reversed(
        (
            grid_option("--signal", "R >= 0, half the distance of the class means."),
            click.option(
                "--spectrum",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Covariance spectrum instead of --signal: eigenvalues, weights, squared_means "
                "as columns of a .csv, keys of a .json or arrays of a .npz.",
            ),
            click.option(
                "--arrays",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Explicit arrays instead of --signal: mean and optionally covariance and "
                "projector in a .npz.",
            ),
            grid_option("--prior", "P(y = 1), between 0 and 1.", default="0.5", show_default=True),
            click.option("--intercept", is_flag=True, help="Fit an unpenalised intercept."),
        )
    ):
        function = option(function)
    return function


def class_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the classes and their labels can be beyond two of one covariance."""
    for option in reversed(
        (
            click.option(
                "--balanced",
                is_flag=True,
                help="Test at the intercept of least balanced error instead of the fitted one.",
            ),
            grid_option("--label-noise", "Probability in [0, 1/2) of a wrong training label."),
            grid_option("--class-weights", "Weights W+,W- > 0 of the classes' training losses."),
            grid_option("--class-variances", "Noise variances V+,V- > 0 of the classes."),
            click.option(
                "--angle",
                type=click.FloatRange(0, 90),
                help="Degrees between the head's direction and the mean (--signal, --gain).",
            ),
        )
    ):
        function = option(function)
    return function


def quantity_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--quantity NAME,NAME: observables beside the accuracy."""
    return click.option(
        "--quantity",
        "quantities",
        metavar="NAME,...",
        shell_complete=complete_from("asymptotics.observables", "NAMES"),
        help="Further columns: accuracy-positive, accuracy-negative, balanced-accuracy, auc, "
        "training-error, training-loss, support-fraction, calibration-error, or all.",
    )(function)


def complete_from(module: str, table: str) -> Callable[..., list[str]]:
    """For a shell: the names in a table that begin like the word typed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        names = getattr(import_module(module), table)
        return [name for name in names if name.startswith(incomplete)]

    return complete


def loss_option(required: bool = True) -> Decorator:
    """--loss NAME."""
    return click.option(
        "--loss",
        required=required,
        metavar="NAME",
        shell_complete=complete_from("asymptotics.probes", "PROBES"),
        help="square, logistic, hinge, squared-hinge (need --ridge); max-margin, min-norm, "
        "least-squares, logistic-mle, averaging, bayes (refuse it).",
    )


def probe_options(required: bool = True) -> Decorator:
    """--loss, --sampling-ratio, --ridge and its convention, --gain: the probe and its features."""
    options = (
        loss_option(required),
        grid_option("--sampling-ratio", "n/p > 0, samples per dimension.", required=required),
        grid_option("--ridge", "Penalty > 0, in the --ridge-convention."),
        click.option(
            "--ridge-convention",
            type=click.Choice(RIDGE_CONVENTIONS),
            default="mean",
            show_default=True,
            help="mean: (1/n) sum loss + ridge/2 |theta|^2; scaled-sum: sum loss + ridge/2 "
            "|theta|^2 on features over sqrt(p); sum: the same on raw ones; C: scikit-learn.",
        ),
        grid_option("--num-samples", "n > 0, for the ridge conventions sum and C."),
        grid_option(
            "--gain",
            "a >= 0, what the projector multiplies the signal direction by.  [default: 1]",
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--objective and what it depends on: contrastive training in the place of --gain."""
    for option in reversed(
        (
            click.option(
                "--objective",
                metavar="NAME",
                shell_complete=complete_from("asymptotics.contrastive.objectives", "OBJECTIVES"),
                help="Contrastive objective that trains the head: spectral, inner-product, "
                "inner-product-fixed-norm, cosine (SimCLR), cosine-large-signal, "
                "cosine-fixed-temperature, cosine-scaled.",
            ),
            grid_option("--temperature", "tau > 0 of the contrastive loss."),
            grid_option("--augmentation", "sigma >= 0, deviation of the augmentation noise."),
            grid_option(
                "--augmentation-across",
                "Deviation of the noise across the signal; --augmentation is then that along it.",
            ),
            grid_option(
                "--redrawn",
                "Instead of noise: share in [0, 1] of the within-class variance drawn anew.",
            ),
            grid_option(
                "--masked",
                "Instead of noise: probability in [0, 1) that a coordinate is set to zero "
                "(spectral objective).",
            ),
            grid_option("--dimension", "d >= 2, of the representation, in the objective."),
            click.option(
                "--views",
                type=click.IntRange(1, 2),
                default=2,
                show_default=True,
                help="How many of the two views are augmented.",
            ),
        )
    ):
        function = option(function)
    return function


def encoder_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--encoder and --depth: what is before the head."""
    encoder = click.option(
        "--encoder",
        type=click.Choice(["fixed", "balanced"]),
        default="fixed",
        show_default=True,
        help="Before the head: gain 1 (fixed), or a^((L-1)/L) as a balanced net splits it.",
    )
    depth = click.option(
        "--depth", type=click.IntRange(2), help="Layers L of a balanced net.  [default: 2]"
    )
    return encoder(depth(function))


_AUGMENTATIONS = ("augmentation", "redrawn", "masked")


def check_training(options: dict[str, Any], objective: str | None) -> None:
    """Usage errors of the training options: a gain beside an objective, or parts missing."""
    names = ("temperature", *_AUGMENTATIONS, "augmentation_across", "dimension")
    given = [_flag(name) for name in names if options[name] is not None]
    if options.get("depth") is not None and options.get("encoder") != "balanced":
        raise click.UsageError("--depth needs --encoder balanced")
    if objective is None:
        if given or options.get("encoder") == "balanced":
            raise click.UsageError(f"{(given or ['--encoder'])[0]} needs an --objective")
        return
    if options.get("gain") is not None:
        raise click.UsageError("--gain and --objective exclude one another")
    from asymptotics.contrastive.inputs import find_objective

    kinds = [_flag(name) for name in _AUGMENTATIONS if options[name] is not None]
    if len(kinds) > 1:
        raise click.UsageError(f"{kinds[0]} and {kinds[1]} exclude one another")
    needed = ["dimension"]
    if not kinds:
        needed.insert(0, "augmentation")
    if "temperature" in find_objective(objective).needs:
        needed.append("temperature")
    for name in needed:
        if options[name] is None:
            raise click.UsageError(f"--{name} is required with --objective {objective}")
    if options["augmentation_across"] is not None and options["augmentation"] is None:
        raise click.UsageError("--augmentation-across needs --augmentation, the noise along")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def check_ridge(loss: str, ridge: Any) -> None:
    """Usage errors of --ridge: missing beside a penalised loss, or beside a limit."""
    from asymptotics.probes import find_probe

    probe = find_probe(loss)
    if probe.ridge is None and ridge is None:
        raise click.UsageError(f"--ridge is required with --loss {probe.name}")
    if probe.ridge is not None and ridge is not None:
        raise click.UsageError(f"--ridge cannot be given with --loss {probe.name}, a limit")


def problem_parameters(options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `asymptotics.sweep` from parsed options; conflicts are usage errors."""
    sources = [name for name in ("signal", "spectrum", "arrays") if options[name] is not None]
    if len(sources) != 1:
        given = " and ".join(f"--{name}" for name in sources) or "none"
        raise click.UsageError(f"give exactly one of --signal, --spectrum, --arrays; got {given}")
    check_ridge(options["loss"], options["ridge"])
    _check_signal(options, sources)
    if options["ridge_convention"] in ("sum", "C") and options["num_samples"] is None:
        raise click.UsageError(
            f"--num-samples is required with --ridge-convention {options['ridge_convention']}"
        )
    if "objective" in options:
        check_training(options, options["objective"])
        if options["objective"] is not None and sources != ["signal"]:
            raise click.UsageError("--objective needs --signal, not --spectrum or --arrays")
    absent = (None, False)
    parameters = {
        k: v for k, v in options.items() if k not in _OPTIONAL or not any(v is x for x in absent)
    }
    if options["objective"] is None:
        for name in ("views", "encoder", "depth"):
            parameters.pop(name, None)
    if options["spectrum"] is not None:
        parameters["spectrum"] = read_spectrum(options["spectrum"])
    if options["arrays"] is not None:
        parameters["arrays"] = read_npz(options["arrays"])
        if "means" in parameters["arrays"]:
            source = click.get_current_context().get_parameter_source("prior")
            if source is not click.core.ParameterSource.DEFAULT:
                raise click.UsageError("--prior cannot be given with priors among the arrays")
            del parameters["prior"]
        if "projector" in parameters["arrays"] and options["gain"] is not None:
            raise click.UsageError("--gain cannot be given with a projector among the arrays")
    return parameters


# options that the functions have defaults of their own for
_OPTIONAL = ("angle", "balanced", "label_noise", "class_weights", "class_variances")


def _check_signal(options: dict[str, Any], sources: list[str]) -> None:
    """Usage errors of what belongs to isotropic classes, or comes in pairs."""
    for name in ("class_weights", "class_variances"):
        if options.get(name) is not None and np.size(options[name]) != 2:
            raise click.UsageError(f"{_flag(name)} needs two values, of the classes +1 and -1")
    for name in ("class_variances", "angle"):
        if options.get(name) is not None and sources != ["signal"]:
            raise click.UsageError(f"{_flag(name)} needs --signal")
        if options.get(name) is not None and options.get("objective") is not None:
            raise click.UsageError(f"{_flag(name)} and --objective exclude one another")


def read_quantities(text: str | None, loss: str) -> tuple[str, ...]:
    """The observables of --quantity; `all` is every one that the loss has."""
    if text is None:
        return ()
    from asymptotics.observables import NAMES, available

    if text == "all":
        return available(loss)
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in NAMES:
            hint = did_you_mean(name, (*NAMES, "all"))
            raise click.UsageError(
                f"--quantity: choose of {', '.join(NAMES)} or all, got {name!r}{hint}"
            )
    return names


def single_values(parameters: dict[str, Any]) -> dict[str, Any]:
    """Grids of one value as numbers; a longer grid is a usage error."""
    single = {}
    for name, value in parameters.items():
        if isinstance(value, np.ndarray) and name not in ("class_weights", "class_variances"):
            if value.size != 1:
                option = "--" + name.replace("_", "-")
                raise click.UsageError(
                    f"{option} must be a single number here; grids are for curve"
                )
            value = float(value[0])
        single[name] = value
    return single
