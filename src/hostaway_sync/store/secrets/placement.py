"""Which store secrets are put into, as the database itself says: all programs that work on it agree on that.

    database ──begin──► outside, leaving database ──end──► outside
        ▲                      │ ▲                            │
        └──end── database, leaving outside ◄─────begin────────┘

What is put goes to `store` from the moment when a move begins; what was put before lies where its row says. Only who
holds the keys alone changes this, and whoever puts a secret holds them until it is committed.
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
    """Where secrets lie.

    Attributes:
        store: where they are put now.
        leaving: where some may still lie; None: nowhere else.
        mirror: what the names of this database's secrets outside begin with; None: there were never any.
    """

    store: str = DATABASE
    leaving: str | None = None
    mirror: str | None = None


def read_placement(connection: sa.Connection) -> Placement:
    """Give where secrets lie."""
    row = connection.execute(sa.select(table.c.store, table.c.leaving, table.c.mirror)).one_or_none()
    return Placement(*row) if row else Placement()


def require_placement(database: Database, wanted: str) -> Placement:
    """Give where secrets lie, if that is where the settings want them; where there are none yet, they decide.

    Raises:
        ConfigurationError: the settings say something else than the database.
    """
    found = database.transaction(read_placement)
    if wanted not in (found.store, found.leaving):
        found = database.transaction(lambda connection: _adopted(connection, wanted))
    if wanted in (found.store, found.leaving):
        return found
    raise ConfigurationError(
        f"secrets lie in {found.store}, but {SETTING} is {wanted}: set it to {found.store}, "
        f"or bring them to {wanted} with `hostaway-sync keys move --to {wanted}`"
    )


def ensure_mirror_name(connection: sa.Connection) -> None:
    """Have a beginning of the names that secrets of this database have outside."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    if found.mirror is None:
        _write(connection, found, found.store, leaving=None)


def begin_move(connection: sa.Connection, target: str) -> Placement:
    """Have secrets put into `target` from now on; those elsewhere are to follow."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    return found if target == found.store else _write(connection, found, target, leaving=found.store)


def end_move(connection: sa.Connection) -> bool:
    """Note that nothing lies elsewhere any more; False: something does."""
    sealing.lock_keys_exclusively(connection)
    found = read_placement(connection)
    if sealing.values_by_store(connection).keys() - {found.store}:
        return False
    if found.leaving is not None:
        _write(connection, found, found.store, leaving=None)
    return True


def _adopted(connection: sa.Connection, wanted: str) -> Placement:
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
