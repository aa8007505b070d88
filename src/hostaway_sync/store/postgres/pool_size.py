"""How many connections to PostgreSQL a process takes."""

from __future__ import annotations

from typing import Final

from hostaway_sync.errors import ConfigurationError

# Threads take one for some milliseconds each, and one is made only when all others are in use. PostgreSQL takes 100 of
# all machines: commands that many run at once take fewer.
CONNECTIONS: Final = 6
# What the job queue and the receiver take, each of their own.
QUEUE_CONNECTIONS: Final = 2
RECEIVER_CONNECTIONS: Final = 4
# One is for claimed rights.
_LEAST: Final = 2


def compute_pool_size(limit: int | None, usual: int | None, beside: int, application: str) -> int:
    """Return how many connections there may be, apart from those that a receiver and a queue take beside them.

    Args:
        limit: the most of the whole process; None: there is no such setting.
        usual: without a limit; None: as most commands.
        beside: how many others the process takes.
        application: the name of the process.

    Raises:
        ConfigurationError: the limit leaves too few.
    """
    if limit is None:
        return usual or CONNECTIONS
    if limit < beside + _LEAST:
        raise ConfigurationError(
            f"settings: HOSTAWAY_SYNC_POOL_SIZE is {limit}, but `{application}` needs {beside + _LEAST} connections "
            "or more: raise it, or leave it out"
        )
    return limit - beside
