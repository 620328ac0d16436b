"""Labelled features as a user has them: arrays or an .npz file, validated at birth."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput
from asymptotics.multiclass.mixture import MOST_CLASSES

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (n x p, finite, none constant) with labels +-1.

    classes: what -1 and +1 stood for in the input. num_constant: columns dropped because they
    never vary: no probe can use them.
    """

    features: Array = field(repr=False)
    labels: Array = field(repr=False)
    classes: tuple[object, object]
    num_constant: int

    @classmethod
    def of(
        cls, features: ArrayLike, labels: ArrayLike, projector: ArrayLike | None = None
    ) -> LabelledFeatures:
        """Validate arrays: `features` n x q, two-valued `labels`, `projector` p x q or None.

        The projector is applied first, z = W h. The smaller label becomes -1. Raises InvalidInput.
        """
        return cls.of_pair(ClassedFeatures._of(features, labels, projector, most=2))

    @classmethod
    def of_pair(cls, data: ClassedFeatures) -> LabelledFeatures:
        """Features of two classes, the class 0 being -1."""
        first, second = data.classes
        signs = np.where(data.labels == 1, 1.0, -1.0)
        return cls(data.features, signs, (first, second), data.num_constant)


@dataclass(frozen=True)
class ClassedFeatures:
    """Features (n x p, finite, none constant) with labels 0..K-1, 2 <= K <= 10.

    classes: what the labels stood for in the input, in rising order. num_constant: columns
    dropped because they never vary.
    """

    features: Array = field(repr=False)
    labels: NDArray[np.intp] = field(repr=False)
    classes: tuple[object, ...]
    num_constant: int

    @classmethod
    def of(
        cls, features: ArrayLike, labels: ArrayLike, projector: ArrayLike | None = None
    ) -> ClassedFeatures:
        """Validate arrays: `features` n x q, `labels` of 2 to 10 values, `projector` p x q or None.

        The projector is applied first, z = W h. Raises InvalidInput.
        """
        return cls._of(features, labels, projector, MOST_CLASSES)

    @classmethod
    def _of(
        cls, features: ArrayLike, labels: ArrayLike, projector: ArrayLike | None, most: int
    ) -> ClassedFeatures:
        z = _finite_matrix("features", features)
        values = np.asarray(labels)
        if values.shape != z.shape[:1]:
            raise InvalidInput(
                f"labels must be one per row of features, got shapes {values.shape} and {z.shape}"
            )
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            raise InvalidInput("labels must be finite, got nan or infinity")
        classes, indices = np.unique(values, return_inverse=True)
        if not 2 <= classes.size <= most:
            allowed = "two" if most == 2 else f"2 to {most}"
            raise InvalidInput(
                f"labels must take {allowed} values, got {classes.size}: {classes[:5]}"
            )
        if projector is not None:
            head = _finite_matrix("projector", projector)
            if head.shape[1] != z.shape[1]:
                raise InvalidInput(
                    f"projector must have one column per feature, got {head.shape[1]} and "
                    f"{z.shape[1]}"
                )
            z = z @ head.T
        varies = np.ptp(z, axis=0) > 0
        if not np.any(varies):
            raise InvalidInput("features must vary: every column is constant")
        names = tuple(value.item() for value in classes)
        return cls(z[:, varies], indices, names, int(np.sum(~varies)))


def load_features(path: str) -> LabelledFeatures:
    """Read `features`, two-valued `labels` and optionally `projector` from an .npz file."""
    return LabelledFeatures.of(**_arrays(path))


def load_classes(path: str) -> ClassedFeatures:
    """The same with labels of 2 to 10 values."""
    return ClassedFeatures.of(**_arrays(path))


def _arrays(path: str) -> dict[str, ArrayLike]:
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InvalidInput(f"{path} holds one bare array: write an .npz with names")
            arrays: dict[str, ArrayLike] = {
                name: archive[name]
                for name in ("features", "labels", "projector")
                if name in archive.files
            }
            held = ", ".join(archive.files) or "nothing"
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is not a readable .npz file: {error}") from None
    for name in ("features", "labels"):
        if name not in arrays:
            raise InvalidInput(f"{path} has no array {name}; it holds {held}")
    return arrays


def _finite_matrix(name: str, value: ArrayLike) -> Array:
    raw = np.asarray(value)
    if raw.dtype.kind not in "biuf":
        raise InvalidInput(f"{name} must be real numbers, got the type {raw.dtype}")
    if raw.ndim != 2 or raw.size == 0:
        raise InvalidInput(f"{name} must be a non-empty matrix, got the shape {raw.shape}")
    array = raw.astype(float)
    if not np.all(np.isfinite(array)):
        raise InvalidInput(f"{name} must be finite, got nan or infinity")
    return array
