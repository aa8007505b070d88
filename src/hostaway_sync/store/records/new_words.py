"""Counts the words of the source that the views of `core` do not know.

Triggers note them with the row. An index of these rows alone, which is nearly always empty, finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.kinds.new_words import NewWord
from hostaway_sync.store.tables import reservations

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database


def count_new_words(
    connection: sa.Connection, account_id: int | None = None, *, first_met_since: datetime | None = None
) -> list[NewWord]:
    """Return the words that reservations have, by kind and word.

    Args:
        connection: to the database.
        account_id: None: of all accounts.
        first_met_since: only words that no row had before that moment; None: all words.
    """
    is_noted = (reservations.c.core_new_words.is_not(None), reservations.c.missing_since.is_(None))
    of_account = () if account_id is None else (reservations.c.account_id == account_id,)
    word = sa.func.unnest(reservations.c.core_new_words).label("word")
    rows = sa.select(word, reservations.c.updated_at).where(*is_noted, *of_account).subquery()
    query = sa.select(rows.c.word, sa.func.count().label("rows")).group_by(rows.c.word).order_by(rows.c.word)
    if first_met_since is not None:
        query = query.having(sa.func.min(rows.c.updated_at) >= first_met_since)
    found = connection.execute(query).all()
    split = ((*row.word.partition(" "), row.rows) for row in found)
    return [NewWord(kind, word, rows) for kind, _, word, rows in split]


def find_new_words(database: Database) -> tuple[NewWord, ...]:
    """Return the words that reservations of all accounts have, by kind and word."""
    return tuple(database.transaction(count_new_words))


def list_first_met(database: Database, account_id: int, since: datetime) -> list[NewWord]:
    """Return the words that no reservation of an account had before a moment."""
    return database.transaction(lambda connection: count_new_words(connection, account_id, first_met_since=since))
