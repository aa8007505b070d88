"""Let what was received survive: the inbox, the queue's engine, attempts, and dead letters."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"

# The engine's schema as its version 3.10 ships it, frozen: whoever migrates later may have a newer one installed.
ENGINE = Path(__file__).parents[1] / "queue" / "procrastinate_3_10.sql"
# Its functions name its tables without a schema. Like ours, they find them whoever calls, with whatever search path.
FIND_TABLES = """
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT p.oid FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.proname ~ '^procrastinate_'
    LOOP
        EXECUTE 'ALTER FUNCTION ' || found || ' SET search_path FROM CURRENT';
    END LOOP;
END $$;
"""
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    run_script(ENGINE.read_text(encoding="utf-8"))
    run_script(FIND_TABLES)
    create_inbox()
    create_attempts()
    create_dead_letters()


def run_script(script: str) -> None:
    """Run many statements as they stand: no driver may look for placeholders in them."""
    context = op.get_context()
    if context.as_sql:
        context.impl.static_output(script)
        return
    cursor = op.get_bind().connection.cursor()
    cursor.execute(script)
    cursor.close()


def create_inbox() -> None:
    op.create_table(
        "webhook_log",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("platform", sa.Text, nullable=False, comment="who sent it"),
        sa.Column("account_id", sa.BigInteger, nullable=False, comment="whose credentials it came with"),
        sa.Column("event", sa.Text, nullable=False, comment="as sent; empty: there was none"),
        sa.Column("target_resource", sa.Text, comment="kind of the object that is read again; NULL: none"),
        sa.Column("object_id", sa.BigInteger, comment="id of the object that is read again; NULL: none"),
        sa.Column("payload", JSONB, comment="NULL: it was no JSON"),
        sa.Column("body", sa.LargeBinary, nullable=False, comment="the bytes received"),
        sa.Column("headers", JSONB, nullable=False, comment="without those that authenticate"),
        sa.Column("signature", sa.Text, comment="NULL: the sender signs nothing"),
        sa.Column("received_by", sa.Text, nullable=False, comment="the host that received it"),
        sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'pending'")),
        sa.Column(
            "attempts",
            sa.Integer,
            nullable=False,
            server_default=sa.text("0"),
            comment="readings of its object that failed",
        ),
        sa.Column("error", sa.Text, comment="why it was ignored, or what the last attempt met"),
        sa.Column("dead_letter_id", sa.BigInteger, comment="the last dead letter it was part of"),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("processed_at", TIME, comment="when it was settled; NULL: it still matters"),
        sa.PrimaryKeyConstraint("id", name="webhook_log_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="webhook_log_account_id_fkey"),
        sa.CheckConstraint(
            "status IN ('pending','processed','failed','dead','ignored')", name="webhook_log_status_known_check"
        ),
    )
    op.create_index(
        "webhook_log_waiting_idx",
        "webhook_log",
        ["account_id", "target_resource", "object_id"],
        postgresql_where=sa.text("status IN ('pending','failed')"),
    )
    op.create_index("webhook_log_account_id_created_at_idx", "webhook_log", ["account_id", "created_at"])
    for column in ("dead_letter_id", "processed_at"):
        op.create_index(
            f"webhook_log_{column}_idx", "webhook_log", [column], postgresql_where=sa.text(f"{column} IS NOT NULL")
        )


def create_attempts() -> None:
    op.create_table(
        "job_attempts",
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column(
            "job", sa.Text, nullable=False, comment="what was to be done: `sync:ID`, `refresh:ID:resource:object`"
        ),
        sa.Column(
            "number", sa.Integer, nullable=False, comment="1 is the first; an early try repeats the number it had"
        ),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("traceback", sa.Text, comment="NULL: the worker died"),
        sa.Column("next_at", TIME, comment="when it is tried again; NULL: never"),
        sa.PrimaryKeyConstraint("attempt_id", name="job_attempts_pkey"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="job_attempts_account_id_fkey"),
        comment="every attempt at deferred work that failed",
    )
    op.create_index("job_attempts_job_started_at_idx", "job_attempts", ["job", "started_at"])
    op.create_index("job_attempts_finished_at_idx", "job_attempts", ["finished_at"])


def create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("attempt_id", sa.Uuid, nullable=False, comment="the attempt that was the last"),
        sa.Column("kind", sa.Text, nullable=False, comment="`delivery` or `sync`"),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("target_resource", sa.Text, comment="kind of the object that could not be read again"),
        sa.Column("target_id", sa.BigInteger, comment="its id"),
        sa.Column("job", sa.Text, nullable=False, comment="as in job_attempts"),
        sa.Column("deliveries", sa.Integer, nullable=False, comment="how many deliveries it holds up"),
        sa.Column("payload", JSONB, comment="of the newest of them; of a sync: what was asked for"),
        sa.Column("headers", JSONB, comment="of the newest of them"),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("traceback", sa.Text),
        sa.Column("history", JSONB, nullable=False, comment="every attempt, oldest first"),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("resolved_at", TIME, comment="NULL: it waits for a person"),
        sa.Column("resolution", sa.Text, comment="`retried` or `discarded`"),
        sa.PrimaryKeyConstraint("dead_letter_id", name="dead_letters_pkey"),
        sa.UniqueConstraint("attempt_id", name="dead_letters_attempt_id_key"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="dead_letters_account_id_fkey"),
        sa.CheckConstraint("kind IN ('delivery','sync')", name="dead_letters_kind_known_check"),
        sa.CheckConstraint("resolution IN ('retried','discarded')", name="dead_letters_resolution_known_check"),
        sa.CheckConstraint(
            "(resolved_at IS NULL) = (resolution IS NULL)", name="dead_letters_resolved_how_and_when_check"
        ),
    )
    op.create_index(
        "dead_letters_unresolved_idx",
        "dead_letters",
        ["account_id", "dead_letter_id"],
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
