"""Whom a run tells how much it has read."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run; called from several threads."""

    def advance(self, account_id: int, resource: str, done: int, total: int | None) -> None:
        """Report that `done` of `total` records of a resource were read; `total` is None if it is unknown."""
        ...


class NullProgress:
    """A `Progress` that ignores every report."""

    def advance(self, account_id: int, resource: str, done: int, total: int | None) -> None:
        """Do nothing."""
