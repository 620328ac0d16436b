"""Tensors of torch on a CPU or a GPU, differentiated by autograd. The only importer of torch."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from asymptotics.errors import InvalidInput
from validation.backends.array_backend import CACHE, PRECISIONS, Differentiable, check_precision
from validation.backends.scratch import Scratch, fresh


@dataclass(frozen=True)
class TorchBackend:
    """torch on `device` ("cpu", "cuda", "cuda:1", ...), in `precision` "float64" or "float32".

    `autograd` differentiates the loss; without it the closed form is used, as numpy does, which
    is faster and holds no graph. Raises InvalidInput for a device that is not there.
    """

    device: str = "cpu"
    precision: str = "float64"
    autograd: bool = True

    def __post_init__(self) -> None:
        check_precision(self.precision)
        try:
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InvalidInput(f"device {self.device!r} is not available: {reason}") from None

    @property
    def xp(self) -> ModuleType:
        return torch

    @property
    def itemsize(self) -> int:
        return PRECISIONS[self.precision]

    @property
    def working_set(self) -> int:
        return CACHE if self.device == "cpu" else 2**30

    def empty(self, shape: tuple[int, ...]) -> Any:
        """A tensor on the device to write into."""
        return torch.empty(shape, device=self.device, dtype=getattr(torch, self.precision))

    def send(self, array: NDArray[np.float64]) -> Any:
        """A tensor on the device; it may share memory with `array` on the CPU."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(
            device=self.device, dtype=getattr(torch, self.precision)
        )

    def fetch(self, array: Any) -> NDArray[np.float64]:
        """A numpy array of double precision."""
        return np.asarray(array.detach().cpu().numpy(), dtype=np.float64)

    def gradient(
        self, function: Differentiable, embeddings: Any, rows: slice, scratch: Scratch = fresh
    ) -> tuple[Any, Any]:
        """Autograd of the loss, or the closed form."""
        if not self.autograd:
            return function.gradient(torch, embeddings, rows, scratch)
        leaf = embeddings.detach().requires_grad_(True)
        loss = function.loss(torch, leaf, rows)
        # replicas do not mix, so the gradient of the sum holds the gradient of each
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        return loss.detach(), gradient
