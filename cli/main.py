"""The `asymptotics` command: lazy subcommands and the exit codes that they share.

Exit codes: 0 done; 1 bad value, no limit or failure; 2 usage; 3 some points of a grid have no
limit or did not converge; 4 simulation and theory disagree; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from asymptotics.errors import AsymptoticsError, did_you_mean
from cli.config import configurable

# name: (module of cli with a command of that name, one line of help)
COMMANDS = {
    "accuracy": "limiting accuracy of one probe",
    "certify": "proved digits of an accuracy, a threshold or a gain; check a stored proof",
    "completion": "the script that makes a shell complete this command",
    "curve": "limiting accuracy along a grid, a line per value of another",
    "explore": "curves and the phase diagram in a browser page with sliders",
    "features": "a file of real features: predicted against measured accuracy",
    "images": "a small SimCLR network on images, probed before and after its head",
    "layers": "feature weights before and after the head, and which layer to keep",
    "derivative": "how the limiting accuracy moves with each parameter",
    "equations": "the potential of a problem and its equations, as text or LaTeX",
    "multiclass": "limiting accuracy and confusion matrix of a probe of K classes",
    "optimal": "the ridge, gain, temperature or augmentation of the largest accuracy",
    "phase": "a phase diagram of temperature against augmentation, with its boundaries",
    "pretraining": "a head trained on finitely many unlabelled pairs: transition, gain, accuracy",
    "projector": "the gain that a contrastive objective trains",
    "reproduce": "published results, remade and compared with the published numbers",
    "thresholds": "separability, interpolation, and where training turns",
    "validate": "theory against finite-size simulation, with a verdict",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return configurable(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name suggested for a mistyped one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS) or f"; commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of names and one-line helps, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="contrastive-asymptotics", prog_name="asymptotics")
def asymptotics() -> None:
    """High-dimensional asymptotics of linear probes and contrastive projection heads.

    A grid is START:STOP:COUNT, START:STOP:COUNT:log or a comma-separated list. Data go to
    standard output, progress and warnings to standard error.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code and never lets a traceback out on bad input."""
    try:
        result = asymptotics.main(arguments, prog_name="asymptotics", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return int(result or 0)
    except SystemExit:
        # click leaves this way, and only so, when the reader of a pipe went away
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _complain(error.format_message(), 2)
    except click.ClickException as error:
        return _complain(error.format_message(), 1)
    except AsymptoticsError as error:
        # a task of a sweep adds its name
        notes = " ".join(getattr(error, "__notes__", ()))
        return _complain(f"{error} ({notes})" if notes else str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # the reader went away (| head): not an error; keep the interpreter from flushing again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", 1)
    except MemoryError:
        return _complain("not enough memory for a problem of this size", 1)


def _complain(message: str, code: int) -> int:
    click.echo(f"asymptotics: {' '.join(message.split())}", err=True)
    return code


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())
