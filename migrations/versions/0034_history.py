"""Let the transaction that changes a mirrored row write its history, by triggers that run once a statement."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0034"
down_revision = "0033"

FUNCTIONS = Path(__file__).parents[1] / "functions"
# Its list was read whole before: what comes now is new.
WAS_SWEPT = (
    "SELECT FROM watermarks AS mark WHERE mark.account_id = n.account_id AND mark.resource = '{resource}'"
    " AND mark.swept_at IS NOT NULL"
)
WAS_READ = (
    "SELECT FROM resource_readings AS reading WHERE reading.account_id = n.account_id AND reading.kind = {kind}"
    " AND reading.parent_id = {parent} AND reading.whole_at IS NOT NULL"
)
# By table: its key, and expressions for the resource, the id of a record, and whether its list was read whole.
OBJECTS = {
    "listings": ("account_id, id", "'listings'", "n.id::text", WAS_SWEPT.format(resource="listings")),
    "reservations": ("account_id, id", "'reservations'", "n.id::text", WAS_SWEPT.format(resource="reservations")),
    "conversation_messages": ("account_id, id", "'messages'", "n.id::text", WAS_SWEPT.format(resource="messages")),
    "reviews": ("account_id, id", "'reviews'", "n.id::text", WAS_READ.format(kind="'reviews'", parent="''")),
    "tasks": ("account_id, id", "'tasks'", "n.id::text", WAS_READ.format(kind="'tasks'", parent="''")),
    "resources": (
        "account_id, kind, source_id",
        "n.kind",
        "n.source_id",
        WAS_READ.format(kind="n.kind", parent="coalesce(n.parent_id, '')"),
    ),
}
ON_INSERT = (
    "CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
)
ON_UPDATE = (
    "CREATE TRIGGER {name} AFTER UPDATE ON {table} REFERENCING OLD TABLE AS replaced NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
)


def upgrade() -> None:
    for name in ("unsigned_urls", "comparable_payload", "note_updated_days", "note_ended_runs", "note_sends"):
        op.execute(_read(name))
    for table, (key, resource, record_id, was_read) in OBJECTS.items():
        words = {"table": table, "key": key, "resource": resource, "record_id": record_id, "was_read": was_read}
        for name, statement in (("note_inserted", ON_INSERT), ("note_updated", ON_UPDATE)):
            op.execute(_read(name, words))
            op.execute(statement.format(name=name, table=table, function=f"{name}_{table}"))
    op.execute(ON_UPDATE.format(name="note_updated", table="calendar_days", function="note_updated_calendar_days"))
    op.execute(ON_UPDATE.format(name="note_ended", table="sync_runs", function="note_ended_runs"))
    op.execute(ON_INSERT.format(name="note_inserted", table="sent_messages", function="note_sends"))
    op.execute(ON_UPDATE.format(name="note_updated", table="sent_messages", function="note_sends"))


def _read(name: str, words: dict[str, str] | None = None) -> str:
    """Return a function's text, with the words of a table in it."""
    text = (FUNCTIONS / f"{name}.sql").read_text(encoding="utf-8")
    for word, value in (words or {}).items():
        text = text.replace(f"{{{word}}}", value)
    return text
