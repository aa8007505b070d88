"""A listing whose calendar tests write, and what the ledger and the source hold of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.calendars import ahead

from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import WriteRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.sandbox import Effect
    from hostaway_sync.sync.calendar.writes.writer import WriteOutcome

WRITE = "PUT /listings/{id}/calendar"
READ = "GET /listings/{id}/calendar"
HORIZON = 40
PRICE = 120


@dataclass(frozen=True)
class CalendarCase:
    """A quiet listing, all of whose days are free at one price, mirrored for some weeks."""

    env: SyncEnv
    mirror: Mirror
    listing_id: int

    def write(self, first: int = 3, last: int = 7, **values: Any) -> WriteOutcome:
        """Write days, so many days ahead, in this process."""
        request = WriteRequest(self.listing_id, Days(ahead(first), ahead(last)), values)
        return self.mirror.calendar_writes.write(self.mirror.calendar_writes.prepare(request))

    def ledger(self, columns: str = "state") -> list[Any]:
        """Return the rows of the ledger; of a single column, its values."""
        rows = sql.rows(self.env.database, f"SELECT {columns} FROM calendar_writes ORDER BY write_id")
        return [row[0] if len(row) == 1 else row for row in rows]

    def true(self, key: str, first: int = 3, last: int = 7) -> list[Any]:
        """Return what the source has for days, so many days ahead."""
        days = self.env.sandbox.world.calendar_truth(self.listing_id, ahead(first), ahead(last))
        return [day[key] for day in days]

    def stored(self, column: str, first: int = 3, last: int = 7) -> list[Any]:
        """Return what the mirror has for days, so many days ahead."""
        query = (
            f"SELECT {column} FROM calendar_days WHERE listing_id = {self.listing_id} "
            f"AND date BETWEEN '{ahead(first)}' AND '{ahead(last)}' ORDER BY date"
        )
        return [value for (value,) in sql.rows(self.env.database, query)]

    def edit(self, first: int, last: int, **keys: Any) -> None:
        """Change days at the source, without the mirror."""
        self.env.sandbox.world.edit_days(self.listing_id, ahead(first), ahead(last), **keys)

    def take(self, first: int, last: int) -> None:
        """Let a stay take the nights from `first` to `last`."""
        arrival, departure = ahead(first), ahead(last + 1)
        self.env.sandbox.world.create_reservation(
            listingMapId=self.listing_id, arrivalDate=arrival.isoformat(), departureDate=departure.isoformat()
        )

    def sync(self) -> None:
        """Run a sync of the account."""
        self.mirror.sync.run(self.env.account_id)

    def sync_all_days(self) -> None:
        """Run a sync that reads all days."""
        self.mirror.sync.run(self.env.account_id, full=True)

    def add_fault(self, effect: Effect, route: str = WRITE, **conditions: Any) -> None:
        """Inject a fault into the next request that writes."""
        self.env.sandbox.faults.add(effect, route=route, **conditions)

    def writes(self) -> int:
        """Return how many requests to write the source got."""
        return sum(request.route == WRITE for request in self.env.sandbox.requests)

    def marked(self) -> tuple[date, date]:
        """Return the days that the next run reads."""
        first, last = sql.row(self.env.database, "SELECT first_day, last_day FROM calendar_due")
        return first, last

    def let_a_minute_pass(self) -> None:
        """Move the time of sending some minutes into the past."""
        passed = "UPDATE calendar_writes SET sending_at = sending_at - interval '2 minutes'"
        sql.execute(self.env.database, passed)


def calendar_case(sync_env: Callable[..., SyncEnv], **options: Any) -> CalendarCase:
    """Mirror a sandbox with one quiet listing."""
    env = sync_env(**{"listings": 1, "reservations": 0, **options})
    listing_id = min(env.truth("listings"))
    env.sandbox.world.edit_days(
        listing_id, ahead(-1), ahead(HORIZON + 5), isAvailable=1, price=PRICE, minimumStay=2, note=None
    )
    return CalendarCase(env, env.mirrored(arranged="quiet days", calendar_days=HORIZON), listing_id)
