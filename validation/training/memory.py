"""How much of the n x n similarities to take at a time, in a stated amount of memory."""

from __future__ import annotations

from dataclasses import dataclass

from asymptotics.blocks import slices
from asymptotics.errors import InvalidInput


@dataclass(frozen=True)
class Sizes:
    """S heads of k x d, trained on n views a batch, in numbers of `itemsize` bytes."""

    replicas: int
    outputs: int
    dimension: int
    num_views: int
    itemsize: int

    def fixed(self) -> float:
        """Bytes held whatever the block: heads and the batch.

        Heads: the head, its average, that of the epoch before, and three more of that size in a
        step or in the power iteration. Batch: the views in double precision, and sent over; three
        arrays of embeddings; and the normal numbers of one head's draw.
        """
        heads = 6 * self.outputs * self.dimension * self.itemsize
        views = self.num_views * self.dimension * (8 + self.itemsize)
        embeddings = 3 * self.num_views * self.outputs * self.itemsize
        drawn = 2.5 * self.num_views * self.dimension * 8
        return self.replicas * (heads + views + embeddings) + drawn

    def head(self) -> float:
        """Bytes of one head's gradient in its embeddings, with temporaries."""
        return 6 * self.num_views * self.outputs * self.itemsize

    def row(self) -> float:
        """Bytes of a row of one head's similarities, with the temporaries of its gradient."""
        return 6 * self.num_views * self.itemsize

    def blocks(self, memory_limit: float, working_set: float) -> Blocks:
        """The parts of the similarities, (S, n, n), to take at a time.

        Each fits in `memory_limit` bytes with everything else, and in `working_set` bytes as far as
        that leaves it more rows than the sums over blocks would pay for. Raises InvalidInput where
        not even one row fits; the text says what is needed.
        """
        left = memory_limit - self.fixed()
        most = int((left - self.head()) // self.row())
        if most < 1:
            raise InvalidInput(
                f"memory_limit={memory_limit:.4g} bytes is too little for {self.replicas} heads of "
                f"{self.outputs} x {self.dimension} and {self.num_views} views: at least "
                f"{self.fixed() + self.head() + self.row():.4g} are needed; take fewer replicas, a "
                "smaller batch or float32"
            )
        quick = int(working_set // (self.num_views * self.itemsize))
        rows = min(most, max(quick, 4 * self.outputs), self.num_views)
        heads = min(self.replicas, quick // rows, int(left // (self.head() + rows * self.row())))
        return Blocks(slices(self.replicas, max(1, heads)), slices(self.num_views, rows))


@dataclass(frozen=True)
class Blocks:
    """Groups of heads, and for each the same blocks of anchor rows."""

    heads: list[slice]
    rows: list[slice]
