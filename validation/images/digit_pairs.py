"""Images of two digits side by side, and views of them in which the right digit may be missing.

An image is (left, right), two images of one digit each, flattened and put end to end. A view is

    (left + sigma xi, m right + sigma xi'),      m in {0, 1}, P(m = 0) = q, xi, xi' ~ N(0, I),

all drawn anew in each view: the left digit is kept, the right one is disrupted, with the second
moments kappa = 1 - q and rho = (1 - q)^2 of a dropped feature.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asymptotics.errors import InvalidInput

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

# of each class: fewer leave a class out of a training or test part
_FEWEST = 10


@dataclass(frozen=True)
class Digits:
    """n images of one digit, or of anything else that has classes.

    pixels: (n, p), scaled to [0, 1]. labels: (n,), numbers of the classes 0..K-1.
    """

    pixels: Array = field(repr=False)
    labels: Labels = field(repr=False)

    @classmethod
    def of(cls, features: ArrayLike, labels: ArrayLike) -> Digits:
        """Validate arrays: `features` n x p, finite, and two or more classes of 10 images each.

        Pixels are shifted and scaled to [0, 1] together. Raises InvalidInput.
        """
        raw, values = np.asarray(features), np.asarray(labels)
        if raw.dtype.kind not in "biuf" or raw.ndim != 2 or raw.size == 0:
            raise InvalidInput(
                f"features must be a matrix of real numbers, got {raw.dtype} of shape {raw.shape}"
            )
        pixels = raw.astype(float)
        if not np.all(np.isfinite(pixels)) or not np.ptp(pixels) > 0:
            raise InvalidInput("features must be finite and not all equal")
        if values.shape != pixels.shape[:1]:
            raise InvalidInput(
                f"labels must be one per image, got shapes {values.shape} and {pixels.shape}"
            )
        known = values.dtype.kind in "biuUS" or (
            values.dtype.kind == "f" and np.all(np.isfinite(values))
        )
        if not known:
            raise InvalidInput(f"labels must be finite numbers or names, got {values.dtype}")
        classes, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
        if classes.size < 2 or np.min(counts) < _FEWEST:
            raise InvalidInput(
                f"labels must have two or more classes of {_FEWEST} images or more, got "
                f"{classes.size} of sizes {counts[:12]}"
            )
        return cls((pixels - pixels.min()) / np.ptp(pixels), numbers.astype(np.intp))

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.labels.max()) + 1

    def split(self, share: float, rng: np.random.Generator) -> tuple[Digits, Digits]:
        """(a random part of about share n images, the rest), every class in proportion."""
        chosen = np.zeros(self.labels.size, dtype=bool)
        for number in range(self.num_classes):
            members = rng.permutation(np.flatnonzero(self.labels == number))
            chosen[members[: round(share * members.size)]] = True
        first, second = (Digits(self.pixels[c], self.labels[c]) for c in (chosen, ~chosen))
        return first, second


def read_digits(path: str | Path) -> tuple[Digits, str]:
    """`features` and `labels` of an .npz file, and a digest of its bytes. Raises InvalidInput."""
    try:
        content = Path(path).read_bytes()
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("not an archive of arrays")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in ("features", "labels") if name not in archive.files]
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(f"{path} is not a readable .npz file: {error}") from None
    if missing:
        raise InvalidInput(f"{path} has no array {missing[0]}; it holds {', '.join(arrays)}")
    digits = Digits.of(arrays["features"], arrays["labels"])
    return digits, hashlib.sha256(content).hexdigest()[:16]


def draw_pairs(digits: Digits, number: int, rng: np.random.Generator) -> tuple[Array, Labels]:
    """(images, labels): number x 2p, and number x 2: the classes of the left and right digit."""
    chosen = rng.integers(digits.labels.size, size=(number, 2))
    return digits.pixels[chosen].reshape(number, -1), digits.labels[chosen]


def augment(images: Array, drop: float, noise: float, rng: np.random.Generator) -> Array:
    """One view of each image: the right digit is gone with probability `drop`, pixels are noisy."""
    views = images + noise * rng.standard_normal(images.shape)
    half, gone = images.shape[1] // 2, rng.random(len(images)) < drop
    views[gone, half:] -= images[gone, half:]
    return views
