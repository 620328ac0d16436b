"""How much of the n x n similarities to take at a time, in a stated amount of memory."""

from __future__ import annotations

from dataclasses import dataclass

from asymptotics.errors import InvalidInput


@dataclass(frozen=True)
class Sizes:
    """S heads of k x d, trained on n views a batch, in numbers of `itemsize` bytes."""

    replicas: int
    outputs: int
    dimension: int
    num_views: int
    itemsize: int

    def fixed(self) -> int:
        """Bytes held whatever the block: heads, directions of the power iteration, the batch.

        Heads: the head, its average, that of the epoch before, and three more of that size in a
        step or in the power iteration. Batch: normal numbers and views in double precision, the
        views sent over, their image; and eight arrays of embeddings.
        """
        heads = 6 * self.outputs * self.dimension * self.itemsize
        drawn = 3 * self.num_views * self.dimension * 8
        batch = self.num_views * (2 * self.dimension + 8 * self.outputs) * self.itemsize
        return self.replicas * (heads + batch) + drawn

    def row(self) -> int:
        """Bytes of a row of one head's similarities, with the temporaries of its gradient."""
        return 6 * self.num_views * self.itemsize

    def blocks(self, memory_limit: float, working_set: float) -> Blocks:
        """The parts of the similarities, (S, n, n), to take at a time.

        Each fits in `memory_limit` bytes with everything else, and in `working_set` bytes as far as
        that leaves it more rows than the sums over blocks would pay for. Raises InvalidInput where
        not even one row fits; the text says what is needed.
        """
        most = int((memory_limit - self.fixed()) // self.row())
        if most < 1:
            raise InvalidInput(
                f"memory_limit={memory_limit:.3g} bytes is too little for {self.replicas} heads of "
                f"{self.outputs} x {self.dimension} and {self.num_views} views: "
                f"{self.fixed() + self.row():.3g} are needed; take fewer replicas, a smaller batch "
                "or float32"
            )
        quick = int(working_set // (self.num_views * self.itemsize))
        rows = min(most, max(quick, 4 * self.outputs), self.num_views)
        heads = max(1, min(self.replicas, quick // rows))
        return Blocks(_cover(self.replicas, heads), _cover(self.num_views, rows))


@dataclass(frozen=True)
class Blocks:
    """Groups of heads, and for each the same blocks of anchor rows."""

    heads: tuple[slice, ...]
    rows: tuple[slice, ...]


def _cover(total: int, size: int) -> tuple[slice, ...]:
    """0..total in slices of `size`, the last one shorter."""
    return tuple(slice(k, min(k + size, total)) for k in range(0, total, size))
