"""The first schema: accounts, the four mirrored resources, runs, leases, and the request budget."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

SQL = Path(__file__).parents[1]


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column(
            "account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="the source's account id"
        ),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("client_secret", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("access_token", sa.LargeBinary(), nullable=True, comment="sealed"),
        sa.Column("token_issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("webhook_login", sa.Text(), nullable=True),
        sa.Column("webhook_password", sa.LargeBinary(), nullable=True, comment="sealed"),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "last_sync_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="start of the last run that was a success",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("account_id > 0", name="accounts_id_positive_check"),
        sa.PrimaryKeyConstraint("account_id", name="accounts_pkey"),
    )
    op.create_table(
        "request_budget",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "slots",
            sa.ARRAY(sa.DateTime(timezone=True)),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="granted, ascending",
        ),
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="clock at the last grant; when it is ahead, the clock was set back",
        ),
        sa.Column(
            "not_before", sa.DateTime(timezone=True), nullable=True, comment="the source asked for silence until then"
        ),
        sa.Column("lowered_to", sa.Integer(), nullable=True, comment="the source named a lower limit than ours"),
        sa.Column("lowered_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name="request_budget_pkey"),
        postgresql_with={"fillfactor": 25},
    )
    op.create_table(
        "conversation_messages",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="the source's id"),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="copy of accounts.customer_id"),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("reservation_id", sa.BigInteger(), nullable=True),
        sa.Column("is_incoming", sa.Boolean(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the message's `date`: planned, or the channel's own time",
        ),
        sa.Column(
            "source_updated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's own stamp; NULL where it has none",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="database clock when the request was granted",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source no longer lists it; the row stays",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="first seen by us",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="payload last changed",
        ),
        sa.Column(
            "payload_hash", sa.LargeBinary(), nullable=False, comment="version byte, then 128 bits over the bytes"
        ),
        sa.Column("raw_payload", JSONB(), nullable=False, comment="the record as received"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="conversation_messages_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id", name="conversation_messages_pkey"),
    )
    op.create_index(
        ("conversation_messages_account_id_conversation_id_idx"),
        "conversation_messages",
        ["account_id", "conversation_id"],
        unique=False,
    )
    op.create_index(
        ("conversation_messages_account_id_reservation_id_idx"),
        "conversation_messages",
        ["account_id", "reservation_id"],
        unique=False,
    )
    op.create_table(
        "conversations",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="the source's id"),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="copy of accounts.customer_id"),
        sa.Column(
            "reservation_id", sa.BigInteger(), nullable=True, comment="NULL where the conversation belongs to none"
        ),
        sa.Column("listing_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "source_updated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's own stamp; NULL where it has none",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="database clock when the request was granted",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source no longer lists it; the row stays",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="first seen by us",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="payload last changed",
        ),
        sa.Column(
            "payload_hash", sa.LargeBinary(), nullable=False, comment="version byte, then 128 bits over the bytes"
        ),
        sa.Column("raw_payload", JSONB(), nullable=False, comment="the record as received"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="conversations_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id", name="conversations_pkey"),
    )
    op.create_index(
        ("conversations_account_id_reservation_id_idx"), "conversations", ["account_id", "reservation_id"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True, comment="host, boot, process; NULL: nobody holds it"),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False, comment="grows with every new owner"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="leases_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", name="leases_pkey"),
    )
    op.create_table(
        "listings",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="the source's id"),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="copy of accounts.customer_id"),
        sa.Column(
            "source_updated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's own stamp; NULL where it has none",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="database clock when the request was granted",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source no longer lists it; the row stays",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="first seen by us",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="payload last changed",
        ),
        sa.Column(
            "payload_hash", sa.LargeBinary(), nullable=False, comment="version byte, then 128 bits over the bytes"
        ),
        sa.Column("raw_payload", JSONB(), nullable=False, comment="the record as received"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="listings_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id", name="listings_pkey"),
    )
    op.create_table(
        "quarantined_records",
        sa.Column("quarantine_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=True, comment="NULL: it has no usable id, and so no row"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.Column("exact", sa.LargeBinary(), nullable=False, comment="the bytes received"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="quarantined_records_account_id_fkey"),
        sa.PrimaryKeyConstraint("quarantine_id", name="quarantined_records_pkey"),
        sa.UniqueConstraint(
            "account_id", "resource", "payload_hash", name="quarantined_records_account_id_resource_payload_hash_key"
        ),
    )
    op.create_table(
        "reservations",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="the source's id"),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="copy of accounts.customer_id"),
        sa.Column("listing_id", sa.BigInteger(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True, comment="an open set: the source adds to it"),
        sa.Column("arrival_date", sa.Date(), nullable=True),
        sa.Column("departure_date", sa.Date(), nullable=True),
        sa.Column(
            "source_updated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source's own stamp; NULL where it has none",
        ),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="database clock when the request was granted",
        ),
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the source no longer lists it; the row stays",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="first seen by us",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="payload last changed",
        ),
        sa.Column(
            "payload_hash", sa.LargeBinary(), nullable=False, comment="version byte, then 128 bits over the bytes"
        ),
        sa.Column("raw_payload", JSONB(), nullable=False, comment="the record as received"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="reservations_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id", name="reservations_pkey"),
        postgresql_with={"toast_tuple_target": 4080},
    )
    op.create_index(
        ("reservations_account_id_arrival_date_idx"), "reservations", ["account_id", "arrival_date"], unique=False
    )
    op.create_index(
        ("reservations_account_id_listing_id_idx"), "reservations", ["account_id", "listing_id"], unique=False
    )
    op.create_table(
        "sync_run_resources",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("inserted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stale", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("missing", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cleaned",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="stored cleaned, bytes kept",
        ),
        sa.Column(
            "misfits", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="typed columns left NULL"
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "seen = inserted + updated + unchanged + stale + quarantined",
            name="sync_run_resources_counts_add_up_check",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="sync_run_resources_account_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", "resource", name="sync_run_resources_pkey"),
    )
    op.create_table(
        "sync_runs",
        sa.Column("run_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'triggered'"), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("triggered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("api_calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('success','partial','failed','abandoned','skipped'))",
            name="sync_runs_finished_at_of_final_states_check",
        ),
        sa.CheckConstraint("mode IN ('full','incremental')", name="sync_runs_mode_known_check"),
        sa.CheckConstraint(
            "state IN ('triggered','running','retrying','success','partial','failed','abandoned','skipped')",
            name="sync_runs_state_known_check",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="sync_runs_account_id_fkey"),
        sa.PrimaryKeyConstraint("run_id", name="sync_runs_pkey"),
    )
    op.create_index(
        ("sync_runs_account_id_triggered_at_idx"), "sync_runs", ["account_id", "triggered_at"], unique=False
    )
    op.create_index(
        "sync_runs_one_open_idx",
        "sync_runs",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('running','retrying')"),
    )
    op.create_table(
        "walk_pages",
        sa.Column("page_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column(
            "record_keys",
            sa.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="ids; for a record without one, minus its hash",
        ),
        sa.Column("changes", sa.ARRAY(sa.SmallInteger()), nullable=False, comment="rank of the change, one a key"),
        sa.Column("cleaned", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("misfits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="walk_pages_account_id_fkey"),
        sa.PrimaryKeyConstraint("page_id", name="walk_pages_pkey"),
        comment="what the runs under way have met, page by page, so that their memory stays flat; emptied at their end",
    )
    op.create_index("walk_pages_run_id_resource_idx", "walk_pages", ["run_id", "resource"], unique=False)
    op.create_table(
        "watermarks",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column(
            "watermark_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="everything stamped up to here is mirrored; NULL: no stamps",
        ),
        sa.Column(
            "swept_at", sa.DateTime(timezone=True), nullable=True, comment="start of the last full walk that was whole"
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="watermarks_account_id_fkey"),
        sa.PrimaryKeyConstraint("account_id", "resource", name="watermarks_pkey"),
    )
    op.execute((SQL / "views" / "messages.sql").read_text(encoding="utf-8"))
    op.execute((SQL / "functions" / "reserve_request.sql").read_text(encoding="utf-8"))
