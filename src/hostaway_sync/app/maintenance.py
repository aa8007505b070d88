"""The door to what the mirror's own history takes: how much there is of it, and how long it is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.store import pruning
from hostaway_sync.store.status.size import size

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container
    from hostaway_sync.store.status.size import Size


class Maintenance:
    """What keeps the database of one mirror small.

    Args:
        container: names the database, and how long what is settled is kept.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def size(self) -> Size:
        """Give what takes space in the database."""
        return size(self._database)

    def prune(self, *, dry_run: bool = False, audit: timedelta | None = None) -> dict[str, int]:
        """Delete what is settled and old, or count it; changes of accounts too where `audit` says how old."""
        work = pruning.count if dry_run else pruning.prune
        return work(self._database, self._keep(audit))

    def prune_beside(self) -> None:
        """Delete a little of it, if nobody else does; what goes wrong is logged, and fails nobody's run."""
        pruning.prune_beside(self._database, self._keep())

    def _keep(self, audit: timedelta | None = None) -> pruning.Keep:
        settings = self._container.settings
        return pruning.Keep(
            runs=timedelta(days=settings.keep_runs_days),
            deliveries=timedelta(days=settings.keep_deliveries_days),
            messages=timedelta(days=settings.keep_messages_days),
            audit=audit,
        )
