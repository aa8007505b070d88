"""What stays of the key of a message once its guest is forgotten: enough to know the key again, not to read it.

A key may name a guest. Without it, handing the same batch in again would write to a guest who is forgotten.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.tables import sent_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.privacy.forgotten import ForgottenObjects

_ERASED: Final = "erased:"
# Some 50 ms a key: whoever has the database can only try keys one by one.
_COST: Final = 2**14
_BLOCK: Final = 8
_DIGITS: Final = 64


def list_stored_forms(connection: sa.Connection, account_id: int, key: str) -> Sequence[str]:
    """Return what may stand in the ledger for a key: itself, and where keys were erased what is kept of it."""
    erased = sa.exists().where(
        sent_messages.c.account_id == account_id, sent_messages.c.idempotency_key.startswith(_ERASED)
    )
    return [key, _kept(account_id, key)] if connection.scalar(sa.select(erased)) else [key]


def erase_keys(connection: sa.Connection, account_id: int, objects: ForgottenObjects) -> None:
    """Erase the keys of the messages to forgotten guests."""
    table, array = sent_messages, sa.ARRAY(sa.BigInteger)
    theirs = sa.or_(
        table.c.reservation_id == sa.func.any(sa.literal(sorted(objects.reservations), array)),
        table.c.conversation_id == sa.func.any(sa.literal(sorted(objects.conversations), array)),
    )
    readable = table.c.idempotency_key.is_not(None) & ~table.c.idempotency_key.startswith(_ERASED)
    query = sa.select(table.c.intent_id, table.c.idempotency_key).where(
        table.c.account_id == account_id, theirs, readable
    )
    for row in connection.execute(query.with_for_update()).all():
        mine = table.c.intent_id == row.intent_id
        values = {"idempotency_key": _kept(account_id, row.idempotency_key)}
        connection.execute(sa.update(table).where(mine).values(values))


def _kept(account_id: int, key: str) -> str:
    salt = f"message keys of account {account_id}".encode()
    digest = hashlib.scrypt(key.encode(errors="surrogatepass"), salt=salt, n=_COST, r=_BLOCK, p=1)
    return _ERASED + digest.hex()[:_DIGITS]
