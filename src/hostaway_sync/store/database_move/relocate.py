"""Moves a whole mirror from one database into another, while nobody works on either.

    claim    this move is the only one, and nobody else is at work here
    mark     the target is migrated, and marked: no program works on it
    lock     from now on nobody writes here; one snapshot of all tables is what is moved
    copy     every table, then compared, in one transaction of the target
    abandon  here every table refuses to be written, and the revision says why
    open     the target's mark makes way for its revision

Killed before `abandon`, this mirror is as it was, and another move begins anew. Killed after it, another move finds the
mark of the same move on both sides, compares once more, and opens the target.
"""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, LeaseHeld, SchemaOutdated, StoreError, UsageError
from hostaway_sync.store.connection import database_url
from hostaway_sync.store.database_move import abandon, copy_rows
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.runs import leases
from hostaway_sync.store.schema import move_mark, revisions
from hostaway_sync.store.schema.move_mark import MOVED, MOVING, MoveMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.store.database_move.copy_rows import TableContent, TableToCopy
    from hostaway_sync.store.postgres.database import Database

_UNTIL_GONE_S: Final = 3.0
_LOOKS_S: Final = 0.1
_RIGHT: Final = "moving this mirror"
_TOKEN_BYTES: Final = 4
_AT_WORK: Final = """
SELECT application_name, coalesce(host(client_addr), 'this host') AS host FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'hostaway-sync%' AND application_name <> :own
GROUP BY 1, 2 ORDER BY 1, 2
"""
_IS_OWNER: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:table)"
# Before the first question of a transaction, so that its snapshot shows what everybody who was first has written.
_LOCK: Final = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"
_LOCK_PATIENCE: Final = "SET LOCAL lock_timeout TO '10s'"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What was moved, table by table; `only_opened`: by an earlier move, which was cut off at its very end."""

    tables: tuple[TableContent, ...]
    only_opened: bool = False


def preview_move(source: Database, target: Database) -> dict[str, int]:
    """Give how many rows of each table a move would bring; changes nothing on either side.

    Raises:
        StoreError: the target is not one to move to.
        ConfigurationError: this mirror was moved already, or is at another revision than this program.
    """
    revisions.require_current(source)
    with _at_target():
        _require_empty(target)

    def read(connection: sa.Connection) -> dict[str, int]:
        found = copy_rows.list_tables(connection, source.schema)
        return {table.name: copy_rows.count_rows(connection, source.schema, table) for table in found}

    return source.transaction(read)


def move_database(source: Database, target: Database, note: Callable[[str, str], object]) -> MoveResult:
    """Bring everything into `target`, and abandon `source`.

    Args:
        source: the mirror as it is.
        target: an empty database, or one that an unfinished move has left.
        note: told what is done, with which table.

    Raises:
        LeaseHeld: somebody is at work here.
        UsageError: the target is this very database, or another move fills it.
        StoreError: the target is not one to move to; or this user does not own this mirror's tables.
        ConfigurationError: this mirror was moved already, or is at another revision than this program.
    """
    with source.claim(_RIGHT) as is_ours:
        if not is_ours:
            raise LeaseHeld("another `hostaway-sync database move` is at work here")
        with _claimed(target):
            mark = MoveMark.parse(revisions.read_revision(source))
            if mark is not None and mark.kind == MOVED:
                return _opened(source, target, mark, note)
            revisions.require_current(source)
            source.transaction(_require_ours)
            # What is not known here to be restored would not be known there.
            source.transaction(restored.detect_restore)
            _await_nobody(source)
            mark = MoveMark(MOVED, revisions.head_revision(), secrets.token_hex(_TOKEN_BYTES))
            with _at_target():
                _prepare(target, mark)
            copied = _moved(source, target, mark, note)
            _open(target, mark)
            return MoveResult(copied)


def _moved(
    source: Database, target: Database, mark: MoveMark, note: Callable[[str, str], object]
) -> tuple[TableContent, ...]:
    wanted = source.transaction(lambda connection: copy_rows.list_tables(connection, source.schema))
    with _alone(source, wanted) as here:
        with _at_target(), _session(target) as there:
            copy_rows.copy_tables(here, there, source.schema, wanted, partial(note, "copying"))
            copied = copy_rows.compare_tables(here, there, source.schema, wanted, partial(note, "comparing"))
            there.commit()
        abandon.abandon_database(here, source.schema, [table.name for table in wanted], mark)
        here.commit()
    return copied


def _opened(source: Database, target: Database, mark: MoveMark, note: Callable[[str, str], object]) -> MoveResult:
    """Do the last step of a move whose mark is on both sides."""
    with _at_target():
        found = revisions.read_revision(target)
    if found != str(MoveMark(MOVING, mark.revision, mark.token)):
        raise SchemaOutdated(move_mark.SENTENCES[MOVED])
    wanted = source.transaction(lambda connection: copy_rows.list_tables(connection, source.schema))
    with _session(source) as here, _at_target(), _session(target) as there:
        copied = copy_rows.compare_tables(here, there, source.schema, wanted, partial(note, "comparing"))
    _open(target, mark)
    return MoveResult(copied, only_opened=True)


def _prepare(target: Database, mark: MoveMark) -> None:
    _require_empty(target)
    if MoveMark.parse(revisions.read_revision(target)) is None:
        revisions.upgrade_database(target)
    target.transaction(partial(abandon.write_version, version=MoveMark(MOVING, mark.revision, mark.token)))


def _open(target: Database, mark: MoveMark) -> None:
    with _at_target():
        target.transaction(partial(abandon.write_version, version=mark.revision))


def _require_empty(target: Database) -> None:
    found = revisions.read_revision(target)
    mark = MoveMark.parse(found)
    if mark is not None and mark.kind == MOVED:
        raise StoreError("its mirror was itself moved to another")
    if mark is not None and mark.revision != revisions.head_revision():
        raise StoreError("another version of this program has begun to fill it: end that move with it")
    if mark is not None:
        return
    if found is not None and found > revisions.head_revision():
        revisions.require_current(target)

    def filled(connection: sa.Connection) -> str | None:
        tables = copy_rows.list_tables(connection, target.schema)
        return next((one.name for one in tables if copy_rows.has_rows(connection, target.schema, one)), None)

    table = target.transaction(filled)
    if table is not None:
        raise StoreError(f"there are rows in its table {target.schema}.{table}: name an empty database")


def _require_ours(connection: sa.Connection) -> None:
    place = connection.get_execution_options()["schema_translate_map"][None]
    table = f"{quote_identifier(place)}.{copy_rows.REVISION_TABLE}"
    if not connection.scalar(sa.text(_IS_OWNER), {"table": table}):
        raise StoreError("only the owner of its tables may move a mirror: connect as whoever ran `migrate`")


def _await_nobody(source: Database) -> None:
    until = time.monotonic() + _UNTIL_GONE_S
    while True:
        try:
            return source.transaction(partial(_require_nobody, own=source.application))
        except LeaseHeld:
            # PostgreSQL takes a moment to notice that a process is gone.
            if time.monotonic() > until:
                raise
        time.sleep(_LOOKS_S)


def _require_nobody(connection: sa.Connection, own: str) -> None:
    syncing = leases.list_holders(connection)
    if syncing:
        number, host = next(iter(syncing.items()))
        more = f", and {len(syncing) - 1} more are" if len(syncing) > 1 else ""
        raise LeaseHeld(f"account {number} is being synced by {host}{more}: stop everything, then move")
    found = connection.execute(sa.text(_AT_WORK), {"own": own}).all()
    if found:
        names = ", ".join(f"{row.application_name} ({row.host})" for row in found)
        raise LeaseHeld(f"others work on this database: {names}; stop everything, cron too, then move")


@contextmanager
def _alone(source: Database, wanted: list[TableToCopy]) -> Iterator[sa.Connection]:
    """Give a transaction with a snapshot of everything, beside which nobody writes."""
    with _session(source) as connection:
        connection.exec_driver_sql(_LOCK_PATIENCE)
        places = [f"{quote_identifier(source.schema)}.{quote_identifier(table.name)}" for table in wanted]
        try:
            connection.exec_driver_sql(_LOCK.format(", ".join(places)))
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            raise LeaseHeld("somebody writes into this database: stop everything, then move") from None
        yield connection


@contextmanager
def _session(database: Database) -> Iterator[sa.Connection]:
    """Give a connection in one repeatable transaction, which is not a page's: it may take hours, and wait."""
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        try:
            copy_rows.prepare_connection(connection)
            yield connection
        except sa.exc.SQLAlchemyError as error:
            raise_translated(error)
        finally:
            connection.invalidate()


@contextmanager
def _claimed(target: Database) -> Iterator[None]:
    with ExitStack() as stack:
        with _at_target():
            is_ours = stack.enter_context(target.claim(_RIGHT))
        if not is_ours:
            raise UsageError("--to names this very database, or one that another move fills")
        yield


@contextmanager
def _at_target() -> Iterator[None]:
    """Say of a trouble at which of the two databases it is."""
    try:
        yield
    except (StoreError, ConfigurationError) as error:
        says = str(error).replace(database_url.SETTING_NAME, "the URL of --to")
        raise type(error)(f"the database to move to: {says}") from error
