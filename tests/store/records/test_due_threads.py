"""Which threads are due: marks are set, kept and cleared as the rows say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.records import add_account, at, page, record, write

from hostaway_sync.model.records import Resource, Shape
from hostaway_sync.store.records import due_threads
from hostaway_sync.store.tables import MIRRORED, conversation_messages, conversations, reservations

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Record
    from hostaway_sync.store.postgres.database import Database

MONTH = timedelta(days=30)
# More than a day ahead of any clock of a test: such a mark is from a clock that was ahead.
AHEAD = at(60 * 24 * 365 * 200)


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that owns every row of this module."""
    add_account(database)


def add(database: Database, table: sa.Table, *rows: dict[str, Any]) -> None:
    """Insert rows, each with its number in order unless it names one."""
    usual = {"account_id": 1, "observed_at": at(0), "payload_hash": b"", "raw_payload": {}}
    numbered = ({**usual, "id": number, **row} for number, row in enumerate(rows, start=1))
    statements = [sa.insert(table).values(row) for row in numbered]

    def work(connection: sa.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    database.transaction(work)


def marked(database: Database, table: sa.Table = conversations) -> dict[int, datetime]:
    """Return the marks that are set, by row."""
    query = sa.select(table.c.id, table.c.thread_due_at).where(table.c.thread_due_at.is_not(None))
    return database.transaction(lambda connection: {row.id: row.thread_due_at for row in connection.execute(query)})


def test_conversation_keeps_the_later_of_two_marks(database: Database) -> None:
    """A reading that began between the two would clear the earlier."""
    pairs = dict(enumerate(product((None, at(1), at(2), at(3)), (at(1), at(2), at(3))), start=1))
    add(database, reservations, *({"thread_due_at": handed} for _, handed in pairs.values()), {"thread_due_at": at(9)})
    add(database, conversations, *({"reservation_id": n, "thread_due_at": own} for n, (own, _) in pairs.items()))
    lonely = len(pairs) + 1
    database.transaction(lambda connection: due_threads.move_marks_to_conversations(connection, 1, [*pairs, lonely]))
    assert marked(database) == {number: max(own or handed, handed) for number, (own, handed) in pairs.items()}
    assert marked(database, reservations) == {lonely: at(9)}, "one without a conversation stays due itself"


def test_future_mark_moves_to_the_conversation_as_now(database: Database) -> None:
    """Otherwise no reading would be late enough to clear it."""
    pairs = [(AHEAD, at(1)), (at(1), AHEAD), (AHEAD, AHEAD)]
    add(database, reservations, *({"thread_due_at": handed} for _, handed in pairs))
    add(database, conversations, *({"reservation_id": n, "thread_due_at": own} for n, (own, _) in enumerate(pairs, 1)))
    database.transaction(lambda connection: due_threads.move_marks_to_conversations(connection, 1, [1, 2, 3]))
    assert [at(1) < mark < AHEAD for mark in marked(database).values()] == [True] * 3


def test_later_activity_keeps_a_proven_thread_due(
    database: Database,
) -> None:
    """That its missing messages are gone proves nothing about a message after the reading."""
    marks = (at(1), at(2), at(3), AHEAD, at(1))
    add(database, conversations, *({"thread_due_at": mark, "thread_read_at": at(2)} for mark in marks))
    database.transaction(lambda connection: due_threads.clear_proven_marks(connection, 1, [1, 2, 3, 4]))
    assert marked(database) == {3: at(3), 5: at(1)}, "the fifth was not asked about"


def sweep(database: Database, whole_after: timedelta = MONTH) -> set[int]:
    """Mark threads that no stamp can announce; return the conversations that are due then."""
    database.transaction(lambda connection: due_threads.mark_for_sweep(connection, 1, whole_after=whole_after))
    return set(marked(database))


def test_sweep_marks_only_live_conversations(database: Database) -> None:
    """Never read, not for long, or with a scheduled message; the thread of a missing one is not read."""
    never, long_ago, waits, fresh = range(1, 5)
    add(database, conversations, *({"id": n} for n in (never, long_ago, waits, fresh)))
    add(database, conversations, *({"id": 10 + n, "missing_since": at(1)} for n in (never, long_ago, waits, fresh)))
    sql.execute(database, "UPDATE conversations SET thread_read_at = now() - interval '1 day' WHERE id % 10 > 1")
    sql.execute(database, "UPDATE conversations SET thread_read_at = now() - interval '31 days' WHERE id % 10 = 2")
    add(database, conversation_messages, *({"conversation_id": n, "is_final": False} for n in (waits, 10 + waits)))
    assert sweep(database) == {never, long_ago, waits}


def test_sweep_keeps_earlier_marks(database: Database) -> None:
    """A mark says since when its thread waits: a later one would hide that."""
    add(database, conversations, {"thread_due_at": at(1)})
    assert sweep(database) == {1}
    assert marked(database) == {1: at(1)}


WAITING: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("now() - interval '1 s'", {"is_final": False}, True),
    ("NULL", {"is_final": False}, True),
    ("now() + interval '1 h'", {"is_final": False}, False),
    ("now() - interval '1 s'", {"is_final": True}, False),
    ("NULL", {"is_final": True}, False),
    ("NULL", {"is_final": None}, False),
    ("now() - interval '1 s'", {"is_final": False, "missing_since": at(1)}, False),
    ("NULL", {"is_final": False, "missing_since": at(1)}, False),
)


def test_sweep_marks_threads_with_an_overdue_message(
    database: Database,
) -> None:
    """No stamp moves when a scheduled message is sent; one without a time may be sent at any time."""
    add(database, conversations, *({} for _ in WAITING))
    sql.execute(database, "UPDATE conversations SET thread_read_at = now()")
    messages = [{"conversation_id": n, **message} for n, (_, message, _) in enumerate(WAITING, 1)]
    add(database, conversation_messages, *messages)
    for number, (sent_at, _, _) in enumerate(WAITING, 1):
        sql.execute(database, f"UPDATE conversation_messages SET sent_at = {sent_at} WHERE id = :id", id=number)
    assert sweep(database) == {number for number, (_, _, is_due) in enumerate(WAITING, 1) if is_due}


def test_threads_read_together_become_due_on_many_days(database: Database) -> None:
    """None before three quarters of the time, all at its end, and between them about as many every day."""
    threads = 256
    add(database, conversations, *({} for _ in range(threads)))

    def due_after(days: float) -> int:
        sql.execute(
            database, f"UPDATE conversations SET thread_due_at = NULL, thread_read_at = now() - interval '{days} days'"
        )
        return len(sweep(database))

    found = [due_after(days) for days in (22.4, 24, 25.5, 27, 28.5, 30)]
    assert (found[0], found[-1]) == (0, threads)
    a_fifth = threads / 5
    assert all(0.9 * a_fifth < later - earlier < 1.1 * a_fifth for earlier, later in pairwise(found))


@pytest.mark.parametrize("resource", [Resource.RESERVATIONS, Resource.CONVERSATIONS])
def test_new_activity_or_a_returned_row_marks_the_thread(database: Database, resource: Resource) -> None:
    """The thread of a missing row was not read meanwhile; otherwise a mark stays as it is."""
    cases = dict(enumerate(product((None, at(2)), ("same", "other"), (False, True), ("before", "later", None)), 1))
    table, shape = MIRRORED[resource], Shape(resource)
    write(database, page(*(active(number, "same", "before") for number in cases), asked=1, shape=shape))
    for number, (mark, _, is_missing, _) in cases.items():
        values = {"thread_due_at": mark, "missing_since": at(1) if is_missing else None}
        statement = sa.update(table).where(table.c.id == number).values(values)
        database.transaction(partial(sa.Connection.execute, statement=statement))
    again = (active(number, content, activity) for number, (_, content, _, activity) in cases.items())
    write(database, page(*again, asked=3, shape=shape))
    expected = {
        n: at(3) if is_missing or said != "before" else mark for n, (mark, _, is_missing, said) in cases.items()
    }
    assert marked(database, table) == {number: mark for number, mark in expected.items() if mark is not None}


def active(number: int, content: str, activity: str | None) -> Record:
    """Return a record whose payload has the time of its last message, as the source's stamps do."""
    return replace(record(number, {"v": content, "activity": activity}), activity=activity)
