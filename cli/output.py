"""Output: JSON and tables on standard output, files that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import numpy as np

from asymptotics.errors import InvalidInput
from asymptotics.table import Table, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_ENDINGS = (".csv", ".json", ".npz", ".tex")
STREAMED_ENDINGS = (".csv", ".json", ".npz")
_HELD = 200_000  # rows that are held in memory at once
FIGURE_ENDINGS = (".pdf", ".svg", ".png")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


def output_option(figure: bool = True) -> Callable[..., Any]:
    """-o NAME.ext, its ending checked before anything is computed."""
    endings = TABLE_ENDINGS + (FIGURE_ENDINGS if figure else ())

    def check(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        if value is not None:
            if value.suffix not in endings:
                raise InvalidInput(
                    f"-o: the ending must be one of {', '.join(endings)}, got {value}"
                )
            _check_writable(value)
        return value

    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="NAME.EXT",
        callback=check,
        help=f"Write a file; the ending chooses the format: {' '.join(endings)}.",
    )


def _check_writable(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise InvalidInput(f"-o: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise InvalidInput(f"-o: the folder {folder} is not writable")


def print_json(content: Mapping[str, Any]) -> None:
    """One JSON object on standard output, without NaN or Infinity; a `Table` is its rows."""
    for piece in json_pieces(content.items()):
        click.echo(piece, nl=False)
    click.echo()


def json_pieces(content: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The text of a JSON object in pieces, so that the rows of a table are never all in memory."""
    before = "{"
    for key, value in content:
        yield f"{before}{json.dumps(str(key))}: "
        before = ", "
        if not isinstance(value, (Table, Iterator)):
            yield json.dumps(plain(value), allow_nan=False)
            continue
        opening = "["
        for part in [value] if isinstance(value, Table) else value:
            for row in part.iter_rows():
                yield opening + json.dumps(row, allow_nan=False)
                opening = ",\n "
        yield "]" if opening != "[" else "[]"
    yield "{}" if before == "{" else "}"


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name `path` when it is finished, and is gone if it never is."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InvalidInput(f"-o: {path} cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def configuration(command: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What made a file: the version, the command with its full arguments, the parameters."""
    from asymptotics import __version__

    given = {k: _summary(v) for k, v in parameters.items() if v is not None}
    return {
        "version": __version__,
        "command": command,
        "arguments": sys.argv[1:],
        "parameters": plain(given),
    }


def _summary(value: Any) -> Any:
    """A long grid by its ends and length; `arguments` holds the grid as it was typed."""
    if isinstance(value, np.ndarray) and value.size > 64:
        return {"first": value[0], "last": value[-1], "count": value.size}
    return str(value) if isinstance(value, Path) else value


def write(
    path: Path,
    table: Table,
    config: Mapping[str, Any],
    draw: Callable[[], Figure] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write the table or the figure, by the ending of `path`, with its configuration.

    csv: beside it, in NAME.csv.config.json; json: ``{"config", "rows"}``; npz: the array ``config``
    holds the JSON text; tex: a comment, and the caption; figures: their metadata. `extra` joins the
    configuration, and json's keys.
    """
    extra = extra or {}
    if path.suffix in STREAMED_ENDINGS:
        write_rows(path, iter([table]), config, lambda: extra)
        return
    text = json.dumps(plain({**config, **extra}), allow_nan=False)
    with whole_file(path) as file:
        if path.suffix == ".tex":
            caption = " ".join(["asymptotics", *config.get("arguments", [])])
            file.write(f"% {text}\n{table.to_latex(caption)}".encode())
        else:
            assert draw is not None
            _save_figure(draw(), file, path.suffix[1:], text)


def is_streamed(path: Path, as_json: bool, rows: int) -> bool:
    """Whether a table of so many rows is written as it comes, instead of held."""
    return path.suffix in STREAMED_ENDINGS and not as_json and rows > _HELD


def write_rows(
    path: Path,
    parts: Iterator[Table],
    config: Mapping[str, Any],
    extra: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """A csv, json or npz file of tables that come one after another, none of them kept.

    `extra()`, asked after the last table, joins the configuration, and json's keys.
    """

    def text() -> str:
        return json.dumps(plain({**config, **extra()}), allow_nan=False)

    def content() -> Iterator[tuple[str, Any]]:
        yield "config", config
        yield "rows", parts
        yield from extra().items()

    with whole_file(path) as file:
        if path.suffix == ".json":
            for piece in json_pieces(content()):
                file.write(piece.encode())
        elif path.suffix == ".npz":
            from cli.npz import write_npz

            write_npz(file, path.parent, parts, text)
        else:
            wrapper = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            for number, part in enumerate(parts):
                writer = csv.DictWriter(wrapper, list(part.columns), lineterminator="\n")
                if number == 0:
                    writer.writeheader()
                writer.writerows(part.iter_rows())
            wrapper.detach()
            beside = text().encode()
    if path.suffix == ".csv":
        # beside the file, since a comment line breaks some readers of csv
        write_whole(path.with_name(path.name + ".config.json"), beside)


def _save_figure(figure: Figure, file: BinaryIO, kind: str, config: str) -> None:
    key = {"pdf": "Keywords", "svg": "Description", "png": "Description"}[kind]
    metadata: dict[str, Any] = {key: config}
    metadata |= {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    figure.savefig(file, format=kind, metadata=metadata)


@contextmanager
def progress_bar(length: int, label: str, least: int = 2000) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, drawn only on a terminal and from `least` steps of work."""
    if length < least or not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def print_table(rows: list[dict[str, Any]], names: list[str]) -> None:
    """Aligned columns on standard output; numbers to eight digits, missing values as a dash.

    On a terminal too narrow for the table, a few columns at a time, the first always with them.
    """
    cells = [names] + [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for k, columns in enumerate(_groups(widths, room)):
        if k:
            click.echo()
        for line in cells:
            click.echo("  ".join(line[i].rjust(widths[i]) for i in columns))


def _groups(widths: list[int], room: int) -> Iterator[list[int]]:
    """Columns that fit beside the first one, a group after another."""
    group, used = [0], widths[0]
    for column in range(1, len(widths)):
        if used + 2 + widths[column] > room and len(group) > 1:
            yield group
            group, used = [0], widths[0]
        group.append(column)
        used += 2 + widths[column]
    yield group


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.8g}"
