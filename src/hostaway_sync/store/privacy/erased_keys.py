"""Erased idempotency keys: the hash that replaces the key of a message once its guest is forgotten.

A key may name a guest. Its hash is kept, so that sending the same batch again does not write to a forgotten guest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.tables import sent_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.privacy.forgotten import ForgottenObjects

_PREFIX: Final = "erased:"
# About 50 ms a key: an attacker who has the database can only guess keys one by one.
_COST: Final = 2**14
_BLOCK: Final = 8
_DIGITS: Final = 64


def list_stored_forms(connection: sa.Connection, account_id: int, key: str) -> Sequence[str]:
    """Return the forms of a key that the ledger may hold: the key, and its hash if the account has erased keys."""
    erased = sa.exists().where(
        sent_messages.c.account_id == account_id, sent_messages.c.idempotency_key.startswith(_PREFIX)
    )
    return [key, _hash_key(account_id, key)] if connection.scalar(sa.select(erased)) else [key]


def erase_keys(connection: sa.Connection, account_id: int, objects: ForgottenObjects) -> None:
    """Replace the keys of messages to forgotten guests by their hashes."""
    table, array = sent_messages, sa.ARRAY(sa.BigInteger)
    theirs = sa.or_(
        table.c.reservation_id == sa.func.any(sa.literal(sorted(objects.reservations), array)),
        table.c.conversation_id == sa.func.any(sa.literal(sorted(objects.conversations), array)),
    )
    readable = table.c.idempotency_key.is_not(None) & ~table.c.idempotency_key.startswith(_PREFIX)
    query = sa.select(table.c.intent_id, table.c.idempotency_key).where(
        table.c.account_id == account_id, theirs, readable
    )
    for row in connection.execute(query.with_for_update()).all():
        mine = table.c.intent_id == row.intent_id
        values = {"idempotency_key": _hash_key(account_id, row.idempotency_key)}
        connection.execute(sa.update(table).where(mine).values(values))


def _hash_key(account_id: int, key: str) -> str:
    salt = f"message keys of account {account_id}".encode()
    digest = hashlib.scrypt(key.encode(errors="surrogatepass"), salt=salt, n=_COST, r=_BLOCK, p=1)
    return _PREFIX + digest.hex()[:_DIGITS]
