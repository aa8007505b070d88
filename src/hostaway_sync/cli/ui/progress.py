"""Progress bars on stderr: one a resource of an account, one for all others; of a fleet, one an account under way."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.progress import TaskID

    from hostaway_sync.sync.fleet import FleetProgress


# How many messages there are is unknown before they are read; how many conversations is known.
_LABELS: dict[str, str] = {Resource.MESSAGES: "messages, by conversation"}
# All other kinds share one bar: each takes a moment, and there are many.
_OTHERS = "others"


@contextmanager
def show_progress(*, fleet: bool = False) -> Iterator[FleetProgress | None]:
    """Show bars while the block runs, with the time that is expected; None and no bars where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Bars(fleet=fleet) as bars:
        yield bars


class Bars:
    """The bars of one run, or of many runs at once.

    Args:
        fleet: show one bar an account and one of all accounts, instead of one a resource.
    """

    def __init__(self, *, fleet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as ExpectedTimeColumn

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
        self._tasks: dict[tuple[int, str | None], TaskID] = {}
        self._all: TaskID | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, account_id: int, resource: str, done: int, total: int | None) -> None:
        """Move a bar; pages overlap, so that `done` may exceed `total` by a few."""
        with self._lock:
            is_other = resource not in set(Resource)
            key = (account_id, None if self._is_fleet else _OTHERS if is_other else resource)
            label = (
                f"{account_id} {_OTHERS} ({resource})"
                if is_other
                else f"{account_id} {_LABELS.get(resource, resource)}"
            )
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task(label, total=total)
            task = self._progress.tasks[self._progress.task_ids.index(self._tasks[key])]
            if task.description != label:
                self._progress.reset(task.id, description=label, total=total)
            self._progress.update(task.id, completed=done if total is None else min(done, total), total=total)

    def finish_account(self, account_id: int, done: int, total: int) -> None:
        """Remove the bar of an account, and move the bar of all accounts."""
        with self._lock:
            if self._all is None:
                self._all = self._progress.add_task("accounts", total=total)
            self._progress.update(self._all, completed=done)
            task = self._tasks.pop((account_id, None), None)
            if task is not None:
                self._progress.remove_task(task)
