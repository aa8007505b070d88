"""The columns of the views that count; those of the views of objects are in `tests/store/schema/test_core_views.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.sql import rows

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# A contract: scripts and dashboards of others name them.
VIEWS = {
    "stays": """listing_key unit_key reservation_key channel stay_type check_in_date check_out_date nights unit_count
        revenue_per_night revenue_last_night accommodation_per_night accommodation_last_night currency
        currency_digits""",
    "nights": """listing_key date reservation_key unit_key channel stay_type unit_count revenue accommodation_revenue
        currency""",
    "occupancy_monthly": """listing_key month nights_total nights_available nights_booked nights_owner occupancy
        revenue accommodation_revenue currency adr revpar""",
    "arrivals": """listing_key unit_key reservation_key guest_key check_in_date check_in_time check_in_at
        check_out_date nights channel confirmation_code stay_type stay_state guest_name guest_email guest_phone
        guest_language guest_count adults children infants pets guest_total balance_due currency last_message_at""",
    "departures": """listing_key unit_key reservation_key guest_key check_out_date check_out_time check_out_at
        check_in_date nights channel confirmation_code stay_type stay_state guest_name guest_count pets guest_total
        balance_due currency""",
    "open_questions": """conversation_key reservation_key listing_key guest_key channel guest_name
        last_guest_message_at last_guest_message hours_waiting""",
}


def test_views_that_count_have_the_columns_of_the_contract(database: Database) -> None:
    """In this order, behind the source and the account."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:view AS regclass) AND attnum > 0 ORDER BY attnum"
    for view, names in VIEWS.items():
        found = [name for (name,) in rows(database, query, view=f"core.{view}")]
        assert found == ["source", "account_id", *names.split()], view
