"""Who arrives and who leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.core_rows import add_listing, add_stay
from tests.support.records import add_account
from tests.support.sql import rows

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

DATES = ("2026-03-01", "2026-03-04")


def test_only_stays_that_take_place_arrive_and_leave(database: Database) -> None:
    """Guests and owners, also a stay of no night; none that is asked for, cancelled, or gone at the source."""
    add_account(database)
    add_listing(database, 10, timeZoneName="Europe/Oslo")
    add_stay(database, 1, 10, DATES, guestName="Ida", checkInTime=15, checkOutTime=11, numberOfGuests=2)
    add_stay(database, 2, 10, DATES, "ownerStay")
    add_stay(database, 3, 10, ("2026-03-01", "2026-03-01"), "modified", guestName="Bo")
    for number, status in enumerate(("inquiry", "pending", "cancelled", "declined", "expired", "unknown"), start=4):
        add_stay(database, number, 10, DATES, status)
    add_stay(database, 10, 10, DATES, missing_since="2026-02-01")
    arrivals = (
        "SELECT reservation_key, check_in_date::text, check_in_time::text, check_in_at AT TIME ZONE 'UTC', guest_name,"
        " guest_count, nights, stay_type FROM core.arrivals ORDER BY 1"
    )
    # 15 o'clock in Oslo is 14 o'clock UTC in March.
    found = [[str(value) for value in one] for one in rows(database, arrivals.replace("::", r"\:\:"))]
    assert found == [
        ["hostaway:1:1", "2026-03-01", "15:00:00", "2026-03-01 14:00:00", "Ida", "2", "3", "guest"],
        ["hostaway:1:2", "2026-03-01", "None", "None", "None", "None", "3", "owner"],
        ["hostaway:1:3", "2026-03-01", "None", "None", "Bo", "None", "0", "guest"],
    ]
    departures = (
        "SELECT reservation_key, check_out_date::text, check_out_at AT TIME ZONE 'UTC' FROM core.departures ORDER BY 1"
    )
    found = [[str(value) for value in one] for one in rows(database, departures.replace("::", r"\:\:"))]
    assert found == [
        ["hostaway:1:1", "2026-03-04", "2026-03-04 10:00:00"],
        ["hostaway:1:2", "2026-03-04", "None"],
        ["hostaway:1:3", "2026-03-01", "None"],
    ]
