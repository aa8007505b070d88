"""Progress bars on stderr: one a resource of an account; of a fleet, one an account under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as ExpectedTimeColumn

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from types import TracebackType


# Nobody knows beforehand how many messages there are; how many conversations, everybody does.
_LABELS = {Resource.MESSAGES: "messages, by conversation"}


class Bars:
    """Who watches a run on a terminal, or a fleet of them."""

    def __init__(self, *, fleet: bool = False) -> None:
        self._is_fleet = fleet
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
        self._tasks: dict[tuple[int, Resource | None], TaskID] = {}
        self._all: TaskID | None = None
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
            key = (account_id, None if self._is_fleet else resource)
            label = f"{account_id} {_LABELS.get(resource, resource)}"
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task(label, total=total)
            task = self._progress.tasks[self._progress.task_ids.index(self._tasks[key])]
            if task.description != label:
                self._progress.reset(task.id, description=label, total=total)
            self._progress.update(task.id, completed=done if total is None else min(done, total), total=total)

    def finish_account(self, account_id: int, done: int, total: int) -> None:
        """Take away the bar of an account, and move the one of all accounts."""
        with self._lock:
            if self._all is None:
                self._all = self._progress.add_task("accounts", total=total)
            self._progress.update(self._all, completed=done)
            task = self._tasks.pop((account_id, None), None)
            if task is not None:
                self._progress.remove_task(task)
