"""Moves a whole mirror from one database, the source, into another, the target, while no process works on either.

    claim    this move is the only one, and no other process works on the source
    mark     the target is migrated and marked, so that no process works on it
    lock     the source is locked against writes; one snapshot of all its tables is moved
    copy     every table is copied, then compared, in one transaction of the target
    abandon  every table of the source refuses writes, and its mark in place of the revision says why
    open     the target gets its revision in place of the mark

A move that is killed before `abandon` leaves the source as it was, and the next move begins anew. After `abandon`, the
next move finds the mark of the same move in both databases, compares them once more, and opens the target.
"""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, LeaseHeld, SchemaOutdated, StoreError, UsageError
from hostaway_sync.store import change_positions
from hostaway_sync.store.connection import database_url
from hostaway_sync.store.database_move import abandon, copy_rows
from hostaway_sync.store.database_move.sessions import list_other_sessions
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.runs import leases
from hostaway_sync.store.schema import core_columns, kind_views, move_mark, revisions
from hostaway_sync.store.schema.move_mark import MOVED, MOVING, MoveMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hostaway_sync.store.database_move.copy_rows import TableContent, TableToCopy
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.schema.core_sql import CoreSchema

log = logging.getLogger(__name__)
_GRACE_S: Final = 3.0
_POLL_S: Final = 0.1
_RIGHT: Final = "moving this mirror"
_TOKEN_BYTES: Final = 4
_IS_OWNER: Final = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:table)"
# It must be the first statement of a transaction, so that its snapshot shows all rows that were committed before.
_LOCK: Final = "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE"
_SET_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout TO '10s'"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """The moved tables; `only_opened`: an earlier move had copied them, and this one only opened the target."""

    tables: tuple[TableContent, ...]
    only_opened: bool = False


def preview_move(source: Database, target: Database) -> dict[str, int]:
    """Return the number of rows of each table that a move would copy; it changes neither database.

    Raises:
        StoreError: the target is not empty, or cannot be used.
        ConfigurationError: the source was moved already, or is at another revision than this program.
    """
    revisions.require_current(source)
    with _naming_target():
        _require_empty(target)

    def read(connection: sa.Connection) -> dict[str, int]:
        found = copy_rows.list_tables(connection, source.schema)
        return {table.name: copy_rows.count_rows(connection, source.schema, table) for table in found}

    return source.transaction(read)


def move_database(
    source: Database, target: Database, note: Callable[[str, str], object], core: CoreSchema | None = None
) -> MoveResult:
    """Copy all rows into `target`, and close `source`.

    Args:
        source: the database of the mirror.
        target: an empty database, or one that an unfinished move has left.
        note: called with each step and its table, for progress.
        core: the views of `core` to make in the target; None: none.

    Raises:
        LeaseHeld: another process works on the source.
        UsageError: the target is the source, or another move fills it.
        StoreError: the target is not empty; or this user does not own the tables of the source.
        ConfigurationError: the source was moved already, or is at another revision than this program.
    """
    with source.claim(_RIGHT) as is_ours:
        if not is_ours:
            raise LeaseHeld("another `hostaway-sync database move` is running here: wait until it ends")
        with _claim_target(target):
            mark = MoveMark.parse(revisions.read_revision(source))
            if mark is not None and mark.kind == MOVED:
                return _finish_move(source, target, mark, note)
            revisions.require_current(source)
            source.transaction(_require_ownership)
            _require_filled(source)
            # A restore that is not detected in the source could not be detected in the target.
            source.transaction(restored.detect_restore)
            _wait_until_unused(source)
            mark = MoveMark(MOVED, revisions.head_revision(), secrets.token_hex(_TOKEN_BYTES))
            with _naming_target():
                _prepare_target(target, mark, kind_views.list_views(source), core)
            copied = _copy_and_abandon(source, target, mark, note)
            _open_target(target, mark)
            return MoveResult(copied)


def _copy_and_abandon(
    source: Database, target: Database, mark: MoveMark, note: Callable[[str, str], object]
) -> tuple[TableContent, ...]:
    wanted = source.transaction(lambda connection: copy_rows.list_tables(connection, source.schema))
    with _lock_source(source, wanted) as here:
        with _naming_target(), _session(target) as there:
            copy_rows.copy_tables(here, there, source.schema, wanted, partial(note, "copying"))
            copied = copy_rows.compare_tables(here, there, source.schema, wanted, partial(note, "comparing"))
            change_positions.continue_positions(there, change_positions.read_offset(here))
            there.commit()
        abandon.abandon_database(here, source.schema, [table.name for table in wanted], mark)
        here.commit()
    return copied


def _finish_move(source: Database, target: Database, mark: MoveMark, note: Callable[[str, str], object]) -> MoveResult:
    """Do the last step of a move whose mark is in both databases."""
    with _naming_target():
        found = revisions.read_revision(target)
    if found != str(MoveMark(MOVING, mark.revision, mark.token)):
        raise SchemaOutdated(move_mark.SENTENCES[MOVED])
    wanted = source.transaction(lambda connection: copy_rows.list_tables(connection, source.schema))
    with _session(source) as here, _naming_target(), _session(target) as there:
        copied = copy_rows.compare_tables(here, there, source.schema, wanted, partial(note, "comparing"))
    _open_target(target, mark)
    return MoveResult(copied, only_opened=True)


def _prepare_target(target: Database, mark: MoveMark, views: Sequence[str], core: CoreSchema | None) -> None:
    _require_empty(target)
    if MoveMark.parse(revisions.read_revision(target)) is None:
        obstacle = revisions.upgrade_database(target, views, core)
        if obstacle is not None:
            log.warning("the database to move to: %s", obstacle)
    target.transaction(partial(abandon.write_version, version=MoveMark(MOVING, mark.revision, mark.token)))


def _open_target(target: Database, mark: MoveMark) -> None:
    with _naming_target():
        target.transaction(partial(abandon.write_version, version=mark.revision))


def _require_empty(target: Database) -> None:
    found = revisions.read_revision(target)
    mark = MoveMark.parse(found)
    if mark is not None and mark.kind == MOVED:
        raise StoreError("its mirror was itself moved to another")
    if mark is not None and mark.revision != revisions.head_revision():
        raise StoreError("another version of this program has begun to fill it: finish that move with that version")
    if mark is not None:
        return
    if found is not None and found > revisions.head_revision():
        revisions.require_current(target)

    def filled(connection: sa.Connection) -> str | None:
        tables = copy_rows.list_tables(connection, target.schema)
        return next((one.name for one in tables if copy_rows.has_rows(connection, target.schema, one)), None)

    table = target.transaction(filled)
    if table is not None:
        raise StoreError(f"its table {target.schema}.{table} has rows: name an empty database")


def _require_ownership(connection: sa.Connection) -> None:
    place = connection.get_execution_options()["schema_translate_map"][None]
    table = quote_identifier(place, copy_rows.REVISION_TABLE)
    if not connection.scalar(sa.text(_IS_OWNER), {"table": table}):
        raise StoreError("only the owner of its tables may move a mirror: connect as the user who ran `migrate`")


def _require_filled(source: Database) -> None:
    """Require that no `migrate` was killed here: the target would take all rows for filled."""
    if tables := core_columns.list_unfinished_tables(source):
        raise SchemaOutdated(f"rows of {', '.join(tables)} are not filled yet: run `hostaway-sync migrate`, then move")


def _wait_until_unused(source: Database) -> None:
    until = time.monotonic() + _GRACE_S
    while True:
        try:
            return source.transaction(partial(_require_unused, own=source.application))
        except LeaseHeld:
            # PostgreSQL notices only after a moment that a process ended.
            if time.monotonic() > until:
                raise
        time.sleep(_POLL_S)


def _require_unused(connection: sa.Connection, own: str) -> None:
    syncing = leases.list_holders(connection)
    if syncing:
        number, host = next(iter(syncing.items()))
        more = f", and {len(syncing) - 1} more are" if len(syncing) > 1 else ""
        raise LeaseHeld(f"account {number} is being synced by {host}{more}: stop all processes, then move")
    if names := list_other_sessions(connection, own):
        raise LeaseHeld(f"other processes work on this database: {names}; stop them and cron, then move")


@contextmanager
def _lock_source(source: Database, wanted: list[TableToCopy]) -> Iterator[sa.Connection]:
    """Open a transaction with a snapshot of all tables, which are locked against writes until it ends."""
    with _session(source) as connection:
        connection.exec_driver_sql(_SET_LOCK_TIMEOUT)
        places = [quote_identifier(source.schema, table.name) for table in wanted]
        try:
            connection.exec_driver_sql(_LOCK.format(", ".join(places)))
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            raise LeaseHeld("another process writes into this database: stop all processes, then move") from None
        yield connection


@contextmanager
def _session(database: Database) -> Iterator[sa.Connection]:
    """Open a connection in one repeatable-read transaction, which may take hours."""
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        try:
            copy_rows.prepare_connection(connection)
            yield connection
        except sa.exc.SQLAlchemyError as error:
            raise_translated(error)
        finally:
            connection.invalidate()


@contextmanager
def _claim_target(target: Database) -> Iterator[None]:
    with ExitStack() as stack:
        with _naming_target():
            is_ours = stack.enter_context(target.claim(_RIGHT))
        if not is_ours:
            raise UsageError("--to names this very database, or one that another move fills")
        yield


@contextmanager
def _naming_target() -> Iterator[None]:
    """Raise errors of the target again with its name in front, so that they are not taken for errors of the source."""
    try:
        yield
    except (StoreError, ConfigurationError) as error:
        sentence = str(error).replace(database_url.SETTING_NAME, "the URL of --to")
        raise type(error)(f"the database to move to: {sentence}") from error
