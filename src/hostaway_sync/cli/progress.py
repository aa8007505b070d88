"""Progress bars on stderr, one a resource of each account under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as ExpectedTimeColumn

from hostaway_sync.records import Resource

if TYPE_CHECKING:
    from types import TracebackType


# Nobody knows beforehand how many messages there are; how many conversations, everybody does.
_LABELS = {Resource.MESSAGES: "messages, by conversation"}


class Bars:
    """Who watches a run on a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            ExpectedTimeColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[tuple[int, Resource], TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, account_id: int, resource: Resource, done: int, total: int | None) -> None:
        """Move a bar; pages overlap, so that `done` may pass `total` by a few."""
        with self._lock:
            task = self._tasks.get((account_id, resource))
            if task is None:
                task = self._progress.add_task(f"{account_id} {_LABELS.get(resource, resource)}", total=total)
                self._tasks[account_id, resource] = task
        if total is None:
            self._progress.update(task, completed=done)
        else:
            self._progress.update(task, completed=min(done, total), total=total)
