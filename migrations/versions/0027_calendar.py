"""Add the calendar: the days of each listing, how each was read last, and the days that must be read again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0027"
down_revision = "0026"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create(
        "calendar_days",
        ("account_id", "listing_id", "date"),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("listing_id", sa.BigInteger, nullable=False, comment="the source's id of the listing"),
        sa.Column("date", sa.Date, nullable=False, comment="by the listing's own clock"),
        sa.Column("customer_id", sa.Uuid, comment="copy of accounts.customer_id"),
        sa.Column("is_available", sa.Boolean),
        sa.Column("status", sa.Text, comment="an open set: the source adds to it"),
        sa.Column("price", sa.Numeric, comment="in the listing's currency"),
        sa.Column("minimum_stay", sa.BigInteger, comment="nights"),
        sa.Column("maximum_stay", sa.BigInteger, comment="nights"),
        sa.Column("closed_on_arrival", sa.Boolean),
        sa.Column("closed_on_departure", sa.Boolean),
        sa.Column("available_units", sa.BigInteger, comment="of a listing with several units"),
        sa.Column("note", sa.Text, comment="what the host wrote to the day"),
        sa.Column("observed_at", MOMENT, nullable=False, comment="database clock when the request was granted"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="first seen by us"),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="the day last changed"),
        sa.Column(
            "payload_hash", sa.LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"
        ),
        sa.Column(
            "raw_payload", JSONB, nullable=False, comment="the day as received, without nulls and embedded stays"
        ),
    )
    _create(
        "calendar_readings",
        ("account_id", "listing_id"),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("listing_id", sa.BigInteger, nullable=False),
        sa.Column("asked_at", MOMENT, comment="when the newest stored answer was asked for; NULL: none"),
        sa.Column("read_at", MOMENT, comment="when the last reading of all its days was asked for; NULL: never"),
        sa.Column("rota_at", MOMENT, comment="when all its days are to be read again"),
        sa.Column("known_until", sa.Date, comment="the last day of that reading"),
        sa.Column(
            "short_count",
            sa.Integer,
            nullable=False,
            server_default=sa.text("0"),
            comment="whole readings that ended there",
        ),
        sa.Column(
            "missing_days",
            sa.Integer,
            nullable=False,
            server_default=sa.text("0"),
            comment="that did not come last time",
        ),
        sa.Column("refused_at", MOMENT, comment="when the source refused its calendar; NULL: it did not"),
        sa.Column("error", sa.Text, comment="how it refused"),
        comment="how the calendar of each listing was read last",
    )
    _create(
        "calendar_due",
        ("account_id", "listing_id"),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("listing_id", sa.BigInteger, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False, comment="when the request was granted that showed the change"),
        sa.Column("reason", sa.Text, nullable=False),
        comment="days that stays have changed since they were read",
    )
    # What is over is pruned by its date.
    op.create_index("calendar_days_date_idx", "calendar_days", ["date"])


def _create(name: str, key: tuple[str, ...], *columns: sa.Column[object], comment: str | None = None) -> None:
    op.create_table(
        name,
        *columns,
        sa.PrimaryKeyConstraint(*key, name=f"{name}_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=f"{name}_account_id_fkey"),
        comment=comment,
    )
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
