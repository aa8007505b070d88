"""Have one index for the arrivals and the departures of an account, instead of one for arrivals alone.

Stays that touch a month are found by both dates. Where there are rows, `migrate` builds the index afterwards, while
other programs write; until then readers ask without it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.drop_index("reservations_account_id_arrival_date_idx", table_name="reservations")
    rows = sa.select(sa.exists().select_from(sa.table("reservations")))
    if context.is_offline_mode() or not op.get_bind().scalar(rows):
        op.create_index(
            "reservations_core_stay_dates_idx", "reservations", ["account_id", "arrival_date", "departure_date"]
        )
