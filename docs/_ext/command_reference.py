"""``{commands}``: every command with its options, as the command line itself tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from cli.main import asymptotics


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Context]]:
    """(words, context) of every command that can be typed."""
    context = click.Context(command, info_name=" ".join(path))
    if len(path) > 1:
        yield " ".join(path), context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*path, name))


class Commands(Directive):
    """A section a command: what it does, then its options."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        return [
            self._section(words, context) for words, context in walk(asymptotics, ("asymptotics",))
        ]

    def _section(self, words: str, context: click.Context) -> nodes.section:
        section = nodes.section(ids=[words.replace(" ", "-")], names=[words])
        section += nodes.title("", words)
        formatter = click.HelpFormatter(width=96)
        context.command.format_help_text(context, formatter)
        text = formatter.getvalue().strip("\n")
        section += nodes.literal_block(text, text, language="none", classes=["docstring"])
        listed = nodes.definition_list()
        for parameter in context.command.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                term = nodes.term("", "", nodes.literal("", record[0]))
                meaning = nodes.definition("", nodes.paragraph("", record[1]))
                listed += nodes.definition_list_item("", term, meaning)
        section += listed
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """The directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
