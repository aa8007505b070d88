"""Add reviews, tasks, all other resources, how each of their lists was read last, and an account's own choice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"

MOMENT = sa.DateTime(timezone=True)
STATUS = "an open set: the source adds to it"


def upgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column(
            "resource_sets", sa.ARRAY(sa.Text), comment="the sets of resources to mirror; NULL: those of the setting"
        ),
    )
    _create_objects(
        "reviews",
        ("id",),
        sa.Column("id", sa.BigInteger, nullable=False, comment="the source's id"),
        sa.Column("listing_id", sa.BigInteger),
        sa.Column("reservation_id", sa.BigInteger),
        sa.Column("channel_id", sa.BigInteger),
        sa.Column("type", sa.Text, comment="who wrote of whom"),
        sa.Column("status", sa.Text, comment=STATUS),
        sa.Column("rating", sa.Numeric, comment="0 to 10"),
        sa.Column("arrival_date", sa.Date),
        sa.Column("departure_date", sa.Date),
        sa.Column("submitted_at", MOMENT),
    )
    _create_objects(
        "tasks",
        ("id",),
        sa.Column("id", sa.BigInteger, nullable=False, comment="the source's id"),
        sa.Column("listing_id", sa.BigInteger),
        sa.Column("reservation_id", sa.BigInteger),
        sa.Column("status", sa.Text, comment=STATUS),
        sa.Column("assignee_id", sa.BigInteger),
        sa.Column("title", sa.Text),
        sa.Column("can_start_from", MOMENT),
        sa.Column("should_end_by", MOMENT),
        sa.Column("started_at", MOMENT),
        sa.Column("completed_at", MOMENT),
        sa.Column("cost", sa.Numeric),
        sa.Column("currency", sa.Text),
    )
    _create_objects(
        "resources",
        ("kind", "source_id"),
        sa.Column("kind", sa.Text, nullable=False, comment="also the name of the view with its rows"),
        sa.Column("source_id", sa.Text, nullable=False, comment="the source's id, unique within its kind"),
        sa.Column("parent_id", sa.Text, comment="the listing that it belongs to; NULL: it belongs to the account"),
    )
    for table, columns in (
        ("reviews", ("account_id", "listing_id")),
        ("reviews", ("account_id", "reservation_id")),
        ("tasks", ("account_id", "listing_id")),
        ("tasks", ("account_id", "reservation_id")),
        ("tasks", ("account_id", "can_start_from")),
        ("resources", ("account_id", "kind", "parent_id")),
    ):
        op.create_index(f"{table}_{'_'.join(columns)}_idx", table, columns)
    _create(
        "resource_readings",
        ("account_id", "kind", "parent_id"),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column(
            "parent_id",
            sa.Text,
            nullable=False,
            server_default=sa.text("''"),
            comment="a listing; '': the account's list",
        ),
        sa.Column("read_at", MOMENT, comment="when it was asked for last, whole or in part; NULL: never"),
        sa.Column("whole_at", MOMENT, comment="when it was asked for last and read whole; NULL: never"),
        sa.Column("due_at", MOMENT, comment="when it is to be read again"),
        sa.Column("refused_at", MOMENT, comment="when the source refused it; NULL: the last request was answered"),
        sa.Column("error", sa.Text, comment="how it refused or failed"),
        comment="how each list of the other kinds was read last",
    )


def _create_objects(name: str, key: tuple[str, ...], *columns: sa.Column[object]) -> None:
    _create(
        name,
        ("account_id", *key),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        *columns,
        sa.Column("customer_id", sa.Uuid, comment="copy of accounts.customer_id"),
        sa.Column("source_updated_at", MOMENT, comment="the source's own stamp; NULL where it has none"),
        sa.Column("observed_at", MOMENT, nullable=False, comment="database clock when the request was granted"),
        sa.Column("missing_since", MOMENT, comment="the source no longer lists it; the row stays"),
        sa.Column("unlisted_since", MOMENT, comment="start of the first whole reading that left it out; NULL: listed"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="first seen by us"),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now(), comment="payload last changed"),
        sa.Column(
            "payload_hash", sa.LargeBinary, nullable=False, comment="version byte, then 128 bits over what is compared"
        ),
        sa.Column(
            "raw_payload", JSONB, nullable=False, comment="the object as received, without keys that open something"
        ),
    )
    unlisted = sa.text("unlisted_since IS NOT NULL")
    op.create_index(f"{name}_unlisted_idx", name, ["account_id"], postgresql_where=unlisted)


def _create(name: str, key: tuple[str, ...], *columns: sa.Column[object], comment: str | None = None) -> None:
    op.create_table(
        name,
        *columns,
        sa.PrimaryKeyConstraint(*key, name=f"{name}_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=f"{name}_account_id_fkey"),
        comment=comment,
    )
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
