"""The routes, one file a subject: each handler asks the library once, and returns what it answers."""

from __future__ import annotations

from typing import Final

from hostaway_sync.api.routes import (
    account_changes,
    accounts,
    calendar,
    changes,
    dead_letters,
    listings,
    messages,
    operations,
    reservations,
    sync_runs,
    syncs,
)

ROUTERS: Final = (
    accounts.router,
    account_changes.router,
    listings.router,
    reservations.router,
    calendar.router,
    sync_runs.router,
    changes.router,
    messages.router,
    syncs.router,
    dead_letters.router,
    operations.router,
)
