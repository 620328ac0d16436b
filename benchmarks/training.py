"""A step of contrastive training of linear heads (cosine loss, tau = 0.5, R = 2, sigma = 1),
fresh views drawn, one thread; S heads trained side by side. Ours is what twice the steps take
longer, over the steps: an epoch's start and end, some twelve gradients, do not grow with it.

Yardstick: the bare matrix products of a step (embeddings, similarities, two products of the
gradient and the head's). Alternative: a plain PyTorch SimCLR loop, the loss by
`torch.nn.functional`, its gradient by autograd, SGD; a head at a time.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from asymptotics.contrastive.views import gaussian_noise
from benchmarks.rows import Row, best_of
from validation.backends import NumpyBackend
from validation.training import Cosine, GaussianViews, Trainer
from validation.training.sampling import Stream

TITLE = "A training step"

SIZES = ((8, 128, 20), (8, 256, 50), (2, 1024, 200))


def ours(trainer: Trainer, heads: int, dimension: int, steps: int) -> float:
    """Seconds a step of our loop."""
    streams = [Stream.of(np.random.default_rng(k)) for k in range(heads)]
    start = np.stack([np.eye(dimension)] * heads)

    def epoch(steps: int) -> None:
        next(iter(trainer.epochs(start, streams, steps * trainer.batch_size)))

    once, twice = (best_of(lambda k=k: epoch(k * steps), 3)[0] for k in (1, 2))
    return (twice - once) / steps


def products(heads: int, batch: int, dimension: int) -> float:
    """Seconds of the matrix products of a step."""
    rng = np.random.default_rng(0)
    views = rng.standard_normal((heads, 2 * batch, dimension))
    head = np.eye(dimension)

    def step() -> None:
        for h in views:
            z = h @ head.T
            similarity = z @ z.T
            slope = similarity @ z
            slope += similarity.T @ z
            (slope.T @ z) @ head

    return best_of(step, 5)[0]


def plain_torch(heads: int, batch: int, dimension: int, steps: int) -> float | None:
    """Seconds a step of the loop that a SimCLR repository has; None without torch."""
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        return None
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(dimension, dimension, bias=False, dtype=torch.float64)
    optimiser = torch.optim.SGD(head.parameters(), lr=0.1)

    def step() -> None:
        def normal() -> torch.Tensor:
            return torch.randn(batch, dimension, generator=generator, dtype=torch.float64)

        clean = normal()
        sign = torch.randint(0, 2, (batch,), generator=generator) * 2 - 1
        clean[:, 0] += 2.0 * sign
        views = torch.cat([clean + normal(), clean + normal()])
        z = functional.normalize(head(views), dim=1)
        logits = z @ z.T / 0.5
        logits.fill_diagonal_(-torch.inf)
        partners = (torch.arange(2 * batch) + batch) % (2 * batch)
        loss = functional.cross_entropy(logits, partners)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def epoch() -> None:
        for _ in range(steps):
            for _ in range(heads):
                step()

    return best_of(epoch, 2)[0] / steps


def measure(quick: bool) -> list[Row]:
    """Rows of seconds a step."""
    rows = []
    for heads, batch, dimension in SIZES[: 1 if quick else 3]:
        steps = 16 if batch == 1024 else 64 if quick else 200
        size = f"{heads} heads, {batch} pairs, d = {dimension}"
        views = GaussianViews(gaussian_noise(2.0, 1.0), dimension)
        trainer = Trainer(Cosine(0.5), views, batch, backend=NumpyBackend())
        with threadpool_limits(1):
            rows.append(Row("Trainer, numpy", size, ours(trainer, heads, dimension, steps)))
            rows.append(Row("bare products", size, products(heads, batch, dimension)))
            other = plain_torch(heads, batch, dimension, max(2, steps // 8))
        if other is not None:
            rows.append(Row("plain PyTorch loop", size, other))
    return rows
