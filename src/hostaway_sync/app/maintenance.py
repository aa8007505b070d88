"""What is deleted when it is settled and old, as the settings say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.store import pruning

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container


class Maintenance:
    """Pruning of one mirror.

    Args:
        container: names the database, and knows how long settled rows are kept.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def prune(self, *, dry_run: bool = False, audit: timedelta | None = None) -> dict[str, int]:
        """Delete settled and old rows, or count them; return how many, by table.

        Args:
            dry_run: count, and delete nothing.
            audit: delete changes of accounts that are older than this, too.
        """
        work = pruning.count_prunable if dry_run else pruning.prune_tables
        return work(self._database, self._keep(audit))

    def prune_beside(self) -> None:
        """Delete some of these rows unless another process does; an error is logged, and fails no run."""
        pruning.prune_briefly(self._database, self._keep())

    def _keep(self, audit: timedelta | None = None) -> pruning.Retention:
        settings = self._container.settings
        return pruning.Retention(
            runs=timedelta(days=settings.keep_runs_days),
            deliveries=timedelta(days=settings.keep_deliveries_days),
            messages=timedelta(days=settings.keep_messages_days),
            calendar=timedelta(days=settings.keep_calendar_days),
            changes=timedelta(days=settings.keep_changes_days),
            audit=audit,
        )
