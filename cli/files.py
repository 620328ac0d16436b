"""Files that describe a mixture: spectra and explicit arrays."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput


def read_spectrum(path: Path) -> dict[str, NDArray[np.float64]]:
    """eigenvalues, weights and squared_means from a .csv with a header, a .json or a .npz."""
    if path.suffix == ".npz":
        return read_npz(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            content = json.loads(text)
            if not isinstance(content, dict):
                raise InvalidInput(f"{path}: a JSON object of lists is needed")
            return {str(name): np.asarray(column, float) for name, column in content.items()}
        if path.suffix == ".csv":
            lines = [x for x in text.splitlines() if x.strip() and not x.startswith("#")]
            if len(lines) < 2:
                raise InvalidInput(f"{path}: a header and at least one row are needed")
            names = [name.strip() for name in lines.pop(0).split(",")]
            if len(set(names)) != len(names):
                raise InvalidInput(f"{path}: a column appears twice in the header")
            rows = [line.split(",") for line in lines]
            for number, row in enumerate(rows, start=1):
                if len(row) != len(names):
                    raise InvalidInput(
                        f"{path}: row {number} has {len(row)} values under {len(names)} names"
                    )
            columns = np.array([[float(x) for x in row] for row in rows])
            return dict(zip(names, columns.T, strict=True))
    except InvalidInput:
        raise
    except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not a table of numbers ({error})") from None
    raise InvalidInput(f"{path}: a spectrum is a .csv, .json or .npz file")


def read_npz(path: Path) -> dict[str, NDArray[np.float64]]:
    """The numeric arrays of a .npz; InvalidInput if it is anything else."""
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InvalidInput(f"{path}: a single array; a .npz archive is needed")
            arrays = {name: archive[name] for name in archive.files}
        for name, array in arrays.items():
            if np.iscomplexobj(array):
                raise InvalidInput(
                    f"{path}: the array {name!r} is complex; real numbers are needed"
                )
        return {name: np.asarray(array, dtype=float) for name, array in arrays.items()}
    except InvalidInput:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        raise InvalidInput(f"{path}: not a readable .npz archive of numbers") from None
