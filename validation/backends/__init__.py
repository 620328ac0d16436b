"""Where arrays live and how they are differentiated: numpy, or torch on a CPU or a GPU.

A backend is a value, passed as an argument. Random numbers are always drawn in double precision by
numpy generators and then sent over, so that results compare element by element.
"""

from __future__ import annotations

from validation.backends.array_backend import PRECISIONS, Backend, Differentiable
from validation.backends.numpy_backend import NumpyBackend
from validation.backends.scratch import Held, Scratch, fresh
from validation.backends.selection import BACKENDS, find_backend

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "Backend",
    "Differentiable",
    "Held",
    "NumpyBackend",
    "Scratch",
    "find_backend",
    "fresh",
]
