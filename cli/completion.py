"""`asymptotics completion`: the script that makes a shell complete this command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_ASYMPTOTICS_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL: commands, options and their names.

    \b
    bash: asymptotics completion bash > ~/.asymptotics.bash, and source it in ~/.bashrc
    zsh:  the same, sourced in ~/.zshrc
    fish: asymptotics completion fish > ~/.config/fish/completions/asymptotics.fish
    """
    from cli.main import asymptotics

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(asymptotics, {}, "asymptotics", VARIABLE).source())
