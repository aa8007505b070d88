"""How many requests each caller of the API may make."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.store.callers import request_limits

if TYPE_CHECKING:
    from datetime import timedelta

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.callers import Caller

# A caller waits: better to answer soon that the database is away.
_PATIENCE: Final = 2.0


class ApiLimits:
    """The limit of the settings, for each caller of one mirror.

    Args:
        container: the database and the settings.
    """

    def __init__(self, container: Container) -> None:
        requests, window = container.settings.api_rate_limit
        database = container.database.async_commit_twin(patience=_PATIENCE)
        self._take = partial(request_limits.take_request, database, requests=requests, window=window)

    def take(self, caller: Caller) -> timedelta:
        """Count a request; return how long the caller must wait before one is left, or no time.

        Raises:
            StoreUnavailable, StoreError: the database cannot count.
        """
        return self._take(caller.identity)
