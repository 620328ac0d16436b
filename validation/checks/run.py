"""How the simulations of a check are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from validation.execution import Progress, run_tasks
from validation.store import Store


@dataclass(frozen=True)
class Run:
    """Seed, workers and store, as in `validation.execution.run_tasks`.

    jobs: local processes; None is one a core, and needed beside an `executor`.
    progress: called with the name of a stage and its `Progress`.
    """

    seed: int = 0
    jobs: int | None = 1
    executor: Executor | None = None
    store: Store | None = None
    resume: bool = False
    progress: Callable[[str, Progress], None] | None = None

    def tasks(
        self, stage: str, function: Callable[..., Any], parameters: Iterable[Mapping[str, Any]]
    ) -> list[Any]:
        """[function(rng, **parameters)] of one stage of a check."""
        report = self.progress
        return run_tasks(
            function,
            parameters,
            seed=self.seed,
            store=self.store,
            resume=self.resume,
            executor=self.executor,
            jobs=self.jobs,
            progress=None if report is None else lambda progress: report(stage, progress),
        )
