"""The store that new secrets go to, as the database itself records it, so that all processes use the same one.

    database ──begin──► outside, leaving database ──end──► outside
        ▲                      │ ▲                            │
        └──end── database, leaving outside ◄─────begin────────┘

From the moment when a move begins, new secrets go to `store`. Each older secret lies where its row says. A transaction
that changes the placement holds the lock of the keys exclusively; one that stores a secret holds it shared.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.secrets import DATABASE
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.tables import secrets_store as table

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

_MIRROR_BYTES: Final = 6
SETTING: Final = "HOSTAWAY_SYNC_SECRETS_STORE"


@dataclass(frozen=True, slots=True)
class Placement:
    """The store of new secrets, and the store that older ones may lie in.

    Attributes:
        store: the kind of store that new secrets go to.
        leaving: the kind of store that some secrets may still lie in; None: no move is unfinished.
        mirror: the prefix of this database's names in a store outside; None: it never had a secret outside.
    """

    store: str = DATABASE
    leaving: str | None = None
    mirror: str | None = None


def read_placement(connection: sa.Connection) -> Placement:
    """Return the recorded placement."""
    row = connection.execute(sa.select(table.c.store, table.c.leaving, table.c.mirror)).one_or_none()
    return Placement(*row) if row else Placement()


def require_placement(database: Database, wanted: str) -> Placement:
    """Return the placement if it agrees with the setting; a database without secrets adopts the setting.

    Raises:
        ConfigurationError: the setting names another store than the database.
    """
    found = database.transaction(read_placement)
    if wanted not in (found.store, found.leaving):
        found = database.transaction(lambda connection: _adopt(connection, wanted))
    if wanted in (found.store, found.leaving):
        return found
    raise ConfigurationError(
        f"secrets lie in {found.store}, but {SETTING} is {wanted}: set it to {found.store}, "
        f"or bring them to {wanted} with `hostaway-sync keys move --to {wanted}`"
    )


def ensure_mirror_name(connection: sa.Connection) -> None:
    """Make the prefix of this database's names in stores outside, unless it has one."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    if found.mirror is None:
        _write(connection, found, found.store, leaving=None)


def begin_move(connection: sa.Connection, target: str) -> Placement:
    """Record `target` as the store of new secrets; older ones are to follow. Return the placement."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    return found if target == found.store else _write(connection, found, target, leaving=found.store)


def end_move(connection: sa.Connection) -> bool:
    """Record that all secrets lie in the new store; return False, and record nothing, while some lie elsewhere."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    if sealing.values_by_store(connection).keys() - {found.store}:
        return False
    if found.leaving is not None:
        _write(connection, found, found.store, leaving=None)
    return True


def _adopt(connection: sa.Connection, wanted: str) -> Placement:
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    if sealing.values_by_store(connection) or found.leaving is not None:
        return found
    return _write(connection, found, wanted, leaving=None)


def _write(connection: sa.Connection, found: Placement, store: str, *, leaving: str | None) -> Placement:
    placement = Placement(store, leaving, found.mirror or secrets.token_hex(_MIRROR_BYTES))
    values = {
        "store": store,
        "leaving": leaving,
        "mirror": placement.mirror,
        "changed_at": sa.func.now(),
    }
    statement = insert(table).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=[table.c.is_only], set_=values))
    return placement
