"""A backend by its name, for the command line."""

from __future__ import annotations

from asymptotics.errors import InvalidInput
from validation.backends.array_backend import Backend
from validation.backends.numpy_backend import NumpyBackend

BACKENDS = ("numpy", "torch", "torch-cuda")


def find_backend(name: str, precision: str = "float64") -> Backend:
    """The backend called `name`; raises InvalidInput where torch or its device is missing."""
    if name not in BACKENDS:
        raise InvalidInput(f"backend {name!r} is not one of {', '.join(BACKENDS)}")
    if name == "numpy":
        return NumpyBackend(precision)
    try:
        from validation.backends.torch_backend import TorchBackend
    except ImportError:
        raise InvalidInput(f"backend {name!r} needs torch: install the extra 'torch'") from None
    device = "cuda" if name == "torch-cuda" else "cpu"
    return TorchBackend(device, precision, autograd=False)
