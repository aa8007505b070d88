"""How a process that serves the API does: whether it can answer, and what it measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError, HostawaySyncError
from hostaway_sync.http_server.readiness import Readiness
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.status.metrics import list_unavailable

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container
    from hostaway_sync.observability.meter import Meter, Sample

# Better to answer soon that the database is away.
_PATIENCE: Final = 2.0


class ApiState:
    """The state of the API of one mirror.

    Args:
        container: the database, and what this process measures.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database.async_commit_twin(patience=_PATIENCE)

    @property
    def meter(self) -> Meter:
        """What this process measures."""
        return self._container.meter

    def read_metrics(self) -> list[Sample]:
        """Return the metrics that the database holds."""
        return self._container.readings(self._database)

    def list_unavailable(self) -> list[Sample]:
        """Return what is shown instead of them while the database cannot be read."""
        return list_unavailable()

    def check(self) -> Readiness:
        """Return whether callers can be answered now."""
        try:
            has_schema = revisions.read_revision(self._database) == revisions.head_revision()
        except ConfigurationError as error:
            return Readiness(has_database=True, has_schema=False, trouble=str(error))
        except HostawaySyncError as error:
            return self.failed(str(error))
        trouble = None if has_schema else "the schema is not that of this program: run `hostaway-sync migrate`"
        return Readiness(has_database=True, has_schema=has_schema, trouble=trouble)

    def failed(self, trouble: str) -> Readiness:
        """Return the result of a check that ended with this trouble."""
        return Readiness(has_database=False, has_schema=False, trouble=trouble)
