"""Rows that are older than the columns of `core` get them from `migrate`, wherever it was killed before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import sql

from hostaway_sync.app.resources import list_view_names, name_core
from hostaway_sync.errors import StoreBusy
from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import core_columns, core_views, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

MIRRORED = ("listings", "reservations", "conversations", "conversation_messages")
ROWS = 25
INDEXES = """
    SELECT c.relname, i.indisvalid, pg_get_indexdef(c.oid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'hostaway'\\:\\:regnamespace AND c.relname ~ '_core_' ORDER BY 1
"""


@pytest.fixture
def older(empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """Return a database at the revision before, with rows of two accounts in each table."""
    known = Path(shutil.copytree(revisions.migrations_directory(), tmp_path / "migrations"))
    for path in (known / "versions").glob("*.py"):
        if path.name >= "0032":
            path.unlink()
    database = Database(empty_database_url, schema=SCHEMA)
    with monkeypatch.context() as patch:
        patch.setattr(revisions, "migrations_directory", lambda: known)
        revisions.upgrade_database(database, list_view_names())
    sql.execute(database, "INSERT INTO accounts (account_id) VALUES (1), (2)")
    payload = '{"timeZoneName"\\: "Europe/Oslo", "reservationUnit"\\: [{"listingUnitId"\\: 4}]}'
    for table in MIRRORED:
        more = {"conversations": ", listing_id, reservation_id", "conversation_messages": ", conversation_id"}
        names = more.get(table, ", listing_id" if table == "reservations" else "")
        sql.execute(
            database,
            f"INSERT INTO {table} (account_id, id, observed_at, payload_hash, raw_payload{names})"
            f" SELECT a, n, now(), '', '{payload}'{', n' * names.count(',')}"
            f" FROM generate_series(1, 2) AS a, generate_series(1, {ROWS}) AS n",
        )
    sql.execute(
        database,
        "INSERT INTO calendar_days (account_id, listing_id, date, observed_at, payload_hash, raw_payload)"
        f" SELECT 1, n, current_date, now(), '', '{{}}' FROM generate_series(1, {ROWS}) AS n",
    )
    yield database
    database.close()


def unfilled(database: Database) -> int:
    """Count the rows of reservations without a key."""
    return int(sql.row(database, "SELECT count(*) AS n FROM reservations WHERE core_key IS NULL").n)


def test_old_rows_are_filled_after_a_migrate_that_was_killed(
    older: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was stored stays, unfinished tables are named, no view is made; the next `migrate` does the rest."""
    core = name_core("core")
    fill, calls = core_columns._fill_batch, []  # noqa: SLF001  (killed between two batches)

    def killed(*arguments: object, **named: object) -> object:
        calls.append(named)
        if len([call for call in calls if getattr(call["table"], "name", "") == "reservations"]) > 1:
            raise KeyboardInterrupt
        return fill(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(core_columns, "BATCH", 20)
        patch.setattr(core_columns, "_fill_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            revisions.upgrade_database(older, list_view_names(), core)
    revisions.require_current(older)
    assert unfilled(older) == 2 * ROWS - 20
    assert {"reservations"} <= set(core_columns.list_unfinished_tables(older))
    assert core_views.inspect_core(older, core).outdated
    sql.execute(older, "INSERT INTO reservations (account_id, id, observed_at, payload_hash, raw_payload)"
                       " VALUES (1, 1000, now(), '', '{}')")  # fmt: skip
    # As a building that was interrupted leaves it.
    sql.execute(older, "CREATE INDEX reservations_core_key_idx ON reservations (core_key)")
    sql.execute(
        older, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'reservations_core_key_idx'\\:\\:regclass"
    )
    monkeypatch.setattr(core_columns, "BATCH", 20)
    assert revisions.upgrade_database(older, list_view_names(), core) is None
    for table in (*MIRRORED, "calendar_days", "accounts"):
        assert sql.row(older, f"SELECT count(*) AS n FROM {table} WHERE core_account_id IS NULL").n == 0, table
    # Nothing happened to the objects: the history has none of it.
    assert sql.rows(older, "SELECT * FROM changes") == []
    assert core_columns.list_unfinished(older) == []
    assert sql.rows(older, INDEXES) == sql.rows(database, INDEXES)
    assert core_views.inspect_core(older, core).outdated == ()
    found = sql.row(older, "SELECT * FROM core.reservations WHERE reservation_key = 'hostaway:2:7'")
    assert (found.listing_key, found.unit_key) == ("hostaway:2:7", "hostaway:2:4")
    thread = sql.row(older, "SELECT * FROM conversations WHERE core_key = 'hostaway:2:7'")
    assert (thread.core_listing_key, thread.core_reservation_key) == ("hostaway:2:7", "hostaway:2:7")


def test_an_index_that_must_wait_names_who_holds_it_up(older: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is built only when older transactions have ended; what is done stays done."""
    monkeypatch.setattr(core_columns, "PATIENCE", ("SET lock_timeout TO '50ms'",))
    with older.engine.connect().execution_options(isolation_level="REPEATABLE READ") as holder:
        holder.exec_driver_sql("SELECT count(*) FROM hostaway.audit_log")
        pid = holder.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with pytest.raises(StoreBusy, match=rf"in use by session {pid} .*run `hostaway-sync migrate` again"):
            revisions.upgrade_database(older)
    revisions.upgrade_database(older)
    assert core_columns.list_unfinished(older) == []


def test_keys_follow_their_columns(database: Database) -> None:
    """Also those of programs that know nothing of keys; one that did not change is not written."""
    sql.execute(database, "INSERT INTO accounts (account_id) VALUES (1)")
    base = "observed_at, payload_hash, raw_payload) VALUES (1, 7, now(), '', '{}')"
    for table in MIRRORED:
        sql.execute(database, f"INSERT INTO {table} (account_id, id, {base}")
    sql.execute(
        database,
        'UPDATE reservations SET listing_id = 5, raw_payload = \'{"reservationUnit"\\:[{"listingUnitId"\\:"9"}]}\'',
    )
    sql.execute(database, "UPDATE conversations SET listing_id = 5, reservation_id = 6")
    sql.execute(database, "UPDATE conversation_messages SET conversation_id = 5, reservation_id = 6")
    sql.execute(database, 'UPDATE listings SET raw_payload = \'{"currencyCode"\\: "NOK"}\'')
    found = sql.row(database, "SELECT core_listing_key, core_unit_key FROM reservations")
    assert tuple(found) == ("hostaway:1:5", "hostaway:1:9")
    found = sql.row(database, "SELECT core_listing_key, core_reservation_key FROM conversations")
    assert tuple(found) == ("hostaway:1:5", "hostaway:1:6")
    found = sql.row(database, "SELECT core_conversation_key, core_reservation_key FROM conversation_messages")
    assert tuple(found) == ("hostaway:1:5", "hostaway:1:6")
    assert sql.row(database, "SELECT currency FROM listings").currency == "NOK"
    sql.execute(database, "UPDATE conversations SET listing_id = NULL, reservation_id = NULL")
    found = sql.row(database, "SELECT core_listing_key, core_reservation_key FROM conversations")
    assert tuple(found) == (None, None)
