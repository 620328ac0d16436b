"""--config FILE.toml: the options of any command from a file, under their own names.

    loss = "logistic"
    sampling_ratio = "0.1:2:20"      # or [0.5, 1, 2], or 1.5; sampling-ratio is the same
    intercept = true

What is given on the command line wins. The option is added to a command when the command is
looked up, so that none is without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from asymptotics.errors import InvalidInput, did_you_mean


def configurable(command: click.Command) -> click.Command:
    """The command with ``--config``, and its subcommands with theirs."""
    if not any(parameter.name == "config" for parameter in command.params):
        command.params.append(
            click.Option(
                ["--config"],
                type=click.Path(path_type=Path),
                metavar="FILE.toml",
                is_eager=True,
                expose_value=False,
                callback=_load,
                help="Options from a TOML file, by name; those of the command line win.",
            )
        )
    return command


def _load(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    known = {p.name: p for p in ctx.command.params if p.name and p.name not in ("config", "help")}
    found = {}
    for key, value in _read(path).items():
        name = _spelled(key, known)
        if name is None:
            names = sorted(p.opts[0].lstrip("-") for p in known.values())
            hint = did_you_mean(key.replace("_", "-"), names) or f"; known: {', '.join(names)}"
            raise click.UsageError(f"--config {path}: {key} is no option of {ctx.info_name}{hint}")
        found[name] = _value(path, key, value, known[name])
    ctx.default_map = {**(ctx.default_map or {}), **found}


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # here, so that --help is instant

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"--config: {path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"--config: {path} is not TOML ({error})") from None


def _spelled(key: str, known: Mapping[str, click.Parameter]) -> str | None:
    """The parameter that is called `key` on the command line, or in snake case."""
    wanted = key.replace("_", "-")
    for name, parameter in known.items():
        options = [option.lstrip("-") for option in parameter.opts]
        if wanted in options or key == name:
            return name
    return None


def _value(path: Path, key: str, value: Any, parameter: click.Parameter) -> Any:
    """As the command line would have it: text, a list of texts, or a truth for a flag."""
    is_flag = isinstance(parameter, click.Option) and parameter.is_flag
    if is_flag != isinstance(value, bool) or isinstance(value, dict):
        wanted = "true or false" if is_flag else "a number, a text or a list of them"
        raise InvalidInput(f"--config {path}: {key} must be {wanted}, got {value!r}")
    if isinstance(value, list):
        texts = [str(item) for item in value]
        return texts if parameter.multiple or parameter.nargs != 1 else ",".join(texts)
    return value if is_flag else str(value)


class ConfigurableGroup(click.Group):
    """A group whose subcommands have ``--config``."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, with its option."""
        command = super().get_command(ctx, cmd_name)
        return command and configurable(command)
