"""Add the plain text columns of the ids and keys that the views of `core` select, and what fills them.

Columns are added without a rewriting of their tables, and without an index where a table has rows: `migrate` fills
those rows in batches and builds the indexes afterwards, while other programs write.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from alembic import context, op

revision = "0032"
down_revision = "0031"

FUNCTIONS = Path(__file__).parents[1] / "functions" / "core_columns.sql"


class Keys(NamedTuple):
    """The new columns of a table, each with its comment, and what is built and watched there."""

    columns: dict[str, str]
    indexes: dict[str, str]
    filled: str
    changes: str = "false"


ACCOUNT = {"core_account_id": "account_id as text"}
RECORD = {**ACCOUNT, "core_id": "id as text", "core_key": "source:account:id"}
LISTING = {"core_listing_key": "source:account:listing_id"}
RESERVATION = {"core_reservation_key": "source:account:reservation_id"}
# Two indexes that only find one row by its whole text: they are smaller than ordered ones, and cheaper to fill.
RECORD_INDEXES = {
    "core_account_id": "(core_account_id)",
    "core_id": "USING hash (core_id)",
    "core_key": "USING hash (core_key)",
}
PAYLOAD = "NEW.raw_payload IS DISTINCT FROM OLD.raw_payload"
TABLES = {
    "accounts": Keys(
        {**ACCOUNT, "core_key": "source:account:account"},
        {"core_account_id": "(core_account_id)", "core_key": "(core_key)"},
        filled="core_key",
    ),
    "listings": Keys(
        {**RECORD, "time_zone": "of the listing, as the payload names it", "currency": "of its prices"},
        RECORD_INDEXES,
        filled="core_key",
        changes=PAYLOAD,
    ),
    "reservations": Keys(
        {**RECORD, **LISTING, "core_unit_key": "source:account:unit, of its first unit; NULL: it names none"},
        {
            **RECORD_INDEXES,
            "core_listing_key": "(core_listing_key)",
            "core_unit_key": "(core_unit_key) WHERE core_unit_key IS NOT NULL",
        },
        filled="core_key",
        changes=f"NEW.listing_id IS DISTINCT FROM OLD.listing_id OR {PAYLOAD}",
    ),
    "conversations": Keys(
        {**RECORD, **LISTING, **RESERVATION},
        {
            **RECORD_INDEXES,
            "core_listing_key": "(core_listing_key)",
            "core_reservation_key": "(core_reservation_key)",
        },
        filled="core_key",
        changes="NEW.listing_id IS DISTINCT FROM OLD.listing_id"
        " OR NEW.reservation_id IS DISTINCT FROM OLD.reservation_id",
    ),
    "conversation_messages": Keys(
        {**RECORD, "core_conversation_key": "source:account:conversation_id", **RESERVATION},
        {
            **RECORD_INDEXES,
            "core_conversation_key": "(core_conversation_key)",
            "core_reservation_key": "(core_reservation_key)",
        },
        filled="core_key",
        changes="NEW.conversation_id IS DISTINCT FROM OLD.conversation_id"
        " OR NEW.reservation_id IS DISTINCT FROM OLD.reservation_id",
    ),
    "calendar_days": Keys(
        {**ACCOUNT, **LISTING}, {"core_listing_key_date": "(core_listing_key, date)"}, filled="core_listing_key"
    ),
}


def upgrade() -> None:
    for statement in FUNCTIONS.read_text(encoding="utf-8").split("\n\n"):
        op.execute(statement)
    for table, keys in TABLES.items():
        for name, comment in keys.columns.items():
            op.add_column(table, sa.Column(name, sa.Text(collation="C"), comment=comment))
        fill = f"EXECUTE FUNCTION {table}_core()"
        op.execute(
            f"CREATE TRIGGER core_insert BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.{keys.filled} IS NULL) {fill}"
        )
        op.execute(
            f"CREATE TRIGGER core_update BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN (NEW.{keys.filled} IS NULL OR {keys.changes}) {fill}"
        )
        rows = sa.select(sa.exists().select_from(sa.table(table)))
        if context.is_offline_mode() or not op.get_bind().scalar(rows):
            for name, definition in keys.indexes.items():
                op.execute(f"CREATE INDEX {table}_{name}_idx ON {table} {definition}")
