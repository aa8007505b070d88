from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.records import OWNER, add_account, at, page, record

from hostaway_sync.model.calendar.days import CalendarDay, DayContent
from hostaway_sync.model.kinds.new_words import NewWord, describe_new_words
from hostaway_sync.model.records import Resource, Shape
from hostaway_sync.store.calendar.days import write_days
from hostaway_sync.store.records.new_words import find_new_words, list_first_met
from hostaway_sync.store.records.upsert import write_page
from hostaway_sync.store.tables import MIRRORED, calendar_days
from hostaway_sync.sync.reporting.run_log import log_new_words

if TYPE_CHECKING:
    import pytest

    from hostaway_sync.store.postgres.database import Database

ADDED = """
    INSERT INTO reservations (account_id, id, status, channel_id, observed_at, payload_hash, raw_payload, updated_at)
    VALUES (:account, :id, :status, :channel, now(), '', CAST(:payload AS jsonb), :at)
"""


def add(database: Database, number: int, status: str, channel: int | None, **more: object) -> None:
    """Store a reservation."""
    values = {"account": 1, "id": number, "status": status, "channel": channel, "payload": "{}", "at": at(0), **more}
    sql.execute(database, ADDED, **values)


def test_new_words_are_counted_and_known_ones_are_not(database: Database) -> None:
    """By the rows that have them now; of any length, and nothing of it makes storing fail."""
    for account_id in (1, 2):
        add_account(database, account_id)
    add(database, 1, "new", 2018, payload='{"reservationUnit": [{"listingUnitId": "' + "9" * 9000 + '"}]}')
    add(database, 2, "", None)
    assert find_new_words(database) == ()
    add(database, 3, "brandNew", 9999)
    add(database, 4, "brandNew", 2018, account=2)
    add(database, 5, "w" * 9000, 2018)
    found = find_new_words(database)
    assert found[:2] == (NewWord("channel", "9999", 1), NewWord("status", "brandNew", 2))
    assert describe_new_words(found).endswith("channel 9999 (1), status brandNew (2), status … (1)")
    sql.execute(database, "UPDATE reservations SET status = 'new', raw_payload = '{\"a\"\\: 1}' WHERE id <> 3")
    assert find_new_words(database) == (NewWord("channel", "9999", 1), NewWord("status", "brandNew", 1))
    with database.engine.connect() as connection:
        connection.execute(sa.text("SET enable_seqscan TO off"))
        plan = connection.scalars(
            sa.text("EXPLAIN SELECT 1 FROM hostaway.reservations WHERE core_new_words IS NOT NULL")
        )
        assert "reservations_core_new_words_idx" in "\n".join(plan)


def test_word_is_logged_by_the_run_that_meets_it_first(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Another row with it later is no news."""
    add_account(database)
    add(database, 1, "brandNew", 2018, at=at(5))
    add(database, 2, "other words", 9999, at=at(15))
    add(database, 3, "brandNew", 2018, at=at(15))
    with caplog.at_level(logging.WARNING):
        log_new_words(1, list_first_met(database, 1, at(10)))
    assert [record.message for record in caplog.records] == [
        "account 1: reservations: this release does not know the channel 9999; core has other for it",
        "account 1: reservations: this release does not know the status …; core has unknown for it",
    ]


def test_statements_and_triggers_fill_the_same_keys(database: Database) -> None:
    """A row that a page or a calendar stores has what the trigger would have given it."""
    add_account(database)
    for resource, refs in (
        (Resource.RESERVATIONS, {"listing_id": 5, "status": "brandNew", "channel_id": None}),
        (Resource.CONVERSATIONS, {"listing_id": 5, "reservation_id": None}),
        (Resource.MESSAGES, {"conversation_id": 8, "reservation_id": 7}),
        (Resource.LISTINGS, {}),
    ):
        shape = Shape(resource, tuple(refs))
        rows = [record(number, {"reservationUnit": [{"listingUnitId": 4}]}, columns=refs) for number in (7, 8)]
        database.transaction(partial(write_page, owner=OWNER, page=page(*rows, shape=shape)))
    day = CalendarDay(at(0).date(), b"", lambda: DayContent("{}", {}))
    database.transaction(lambda connection: write_days(connection, OWNER, 5, [day], at(0)))
    for table in (*MIRRORED.values(), calendar_days):
        names = ", ".join(column.name for column in table.c if column.name.startswith("core_"))
        stored = sql.rows(database, f"SELECT {names} FROM {table.name} ORDER BY 1, 2")
        mark = "core_key" if "core_key" in table.c else "core_listing_key"
        assert sql.rows(database, f"SELECT DISTINCT core_account_id FROM {table.name}") == [("1",)], table.name
        sql.execute(database, f"UPDATE {table.name} SET {mark} = NULL")
        assert sql.rows(database, f"SELECT {names} FROM {table.name} ORDER BY 1, 2") == stored, table.name
    found = sql.row(database, "SELECT core_key, core_listing_key, core_unit_key, core_new_words FROM reservations")
    assert tuple(found) == ("hostaway:1:7", "hostaway:1:5", "hostaway:1:4", ["status brandNew"])
