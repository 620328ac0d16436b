"""An .npz file of a table that comes in parts: what `numpy.savez` writes, with no column held."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import numpy as np

from asymptotics.table import Table


class _Column:
    """A column on disk, part after part as they came."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._parts: list[tuple[np.dtype[Any], int]] = []

    def append(self, values: np.ndarray[Any, Any]) -> None:
        self._file.write(values.tobytes())
        self._parts.append((values.dtype, values.size))

    def copy(self, target: Any) -> None:
        """Write the array: texts as wide as the longest of them."""
        dtype = np.result_type(*{dtype for dtype, _ in self._parts})
        count = sum(size for _, size in self._parts)
        _write_header(target, dtype, (count,))
        self._file.seek(0)
        for own, size in self._parts:
            values = np.frombuffer(self._file.read(own.itemsize * size), own)
            target.write(values.astype(dtype).tobytes())


def write_npz(
    file: BinaryIO, folder: Path, parts: Iterator[Table], config: Callable[[], str]
) -> None:
    """Write the columns of `parts` to `file`, and `config()`, asked after the last of them.

    Columns wait in unnamed files of `folder`, until all their parts are there.
    """
    columns: dict[str, _Column] = {}
    with ExitStack() as stack:
        for part in parts:
            for name, values in part.columns.items():
                if name not in columns:
                    columns[name] = _Column(stack.enter_context(TemporaryFile(dir=folder)))
                columns[name].append(values)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            text = np.array(config())
            with archive.open("config.npy", "w") as target:
                _write_header(target, text.dtype, ())
                target.write(text.tobytes())
            for name, column in columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
                    column.copy(target)


def _write_header(target: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    described = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": described, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(target, header)
