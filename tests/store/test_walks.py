from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.store.samples import add_account, one, page, record, write

from hostaway_sync.records import Change, Counts, Oddities, Resource, Shape
from hostaway_sync.store import walks
from hostaway_sync.store.records import Owner

if TYPE_CHECKING:
    from hostaway_sync.store.engine import Database

RUN = uuid.UUID(int=1)
NOTHING_ODD = Oddities()


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that is walked."""
    add_account(database)


def note(
    database: Database,
    *changes: tuple[int, Change],
    run_id: uuid.UUID = RUN,
    account_id: int = 1,
    resource: Resource = Resource.LISTINGS,
    oddities: Oddities = NOTHING_ODD,
) -> None:
    """Note a page of a run."""
    database.transaction(lambda c: walks.add_page(c, run_id, account_id, resource, changes, oddities))


def tally(
    database: Database, run_id: uuid.UUID = RUN, resource: Resource = Resource.LISTINGS
) -> tuple[Counts, Oddities]:
    """Count what a run has met."""
    return database.transaction(lambda c: walks.tally(c, run_id, resource))


def test_a_run_that_met_nothing_counts_nothing(database: Database) -> None:
    """No page and an empty page are both zero."""
    assert tally(database) == (Counts(), Oddities())
    note(database)
    assert tally(database) == (Counts(), Oddities())


def test_a_record_counts_once_with_its_strongest_change(database: Database) -> None:
    """Pages overlap; whichever order they come in, inserted beats updated beats unchanged beats stale."""
    note(database, (1, Change.INSERTED), (2, Change.UNCHANGED), (3, Change.STALE), (-4, Change.QUARANTINED))
    note(database, (1, Change.UNCHANGED), (2, Change.UPDATED), (3, Change.UNCHANGED), (-4, Change.QUARANTINED))
    note(database, (3, Change.STALE), (5, Change.STALE))
    counts, _ = tally(database)
    assert counts == Counts(seen=5, inserted=1, updated=1, unchanged=1, stale=1, quarantined=1)


def test_runs_and_resources_are_counted_apart(database: Database) -> None:
    """A tally sees the pages of one resource of one run."""
    note(database, (1, Change.INSERTED), oddities=Oddities(cleaned=1))
    note(database, (1, Change.UPDATED), run_id=uuid.UUID(int=2))
    note(database, (1, Change.STALE), resource=Resource.RESERVATIONS)
    assert tally(database) == (Counts(seen=1, inserted=1), Oddities(cleaned=1))


def test_oddities_of_all_pages_add_up(database: Database) -> None:
    """What was cleaned or did not fit is the sum over the pages."""
    note(database, (1, Change.INSERTED), oddities=Oddities(cleaned=1, misfits=2))
    note(database, (2, Change.INSERTED), oddities=Oddities(cleaned=3, misfits=4))
    assert tally(database)[1] == Oddities(cleaned=4, misfits=6)


def test_what_an_account_noted_is_forgotten(database: Database) -> None:
    """At the end of a run its account's notes go, those of dead runs included; other accounts keep theirs."""
    add_account(database, 2)
    note(database, (1, Change.INSERTED))
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=2))
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=3), account_id=2)
    database.transaction(lambda connection: walks.forget(connection, 1))
    assert one(database, "SELECT count(*), min(account_id) FROM walk_pages") == (1, 2)


def test_stored_conversations_that_are_still_listed(database: Database) -> None:
    """Without a run: every conversation of the account but the missing ones, and none of another account."""
    assert walks.conversation_ids(database, 1, None) == []
    add_account(database, 2)
    shape = Shape(Resource.CONVERSATIONS)
    write(database, page(*(record(number, {}) for number in (3, 1, 4)), shape=shape))
    write(database, page(record(5, {}), shape=shape), Owner(2))
    one(database, "UPDATE conversations SET missing_since = now() WHERE id = 4")
    assert sorted(walks.conversation_ids(database, 1, None)) == [1, 3]


def test_conversations_that_a_run_has_listed(database: Database) -> None:
    """Of a run: each once, however often it was met; no record without a row, no other resource, no other run."""
    resource = Resource.CONVERSATIONS
    note(database, (3, Change.INSERTED), (1, Change.STALE), (-4, Change.QUARANTINED), resource=resource)
    note(database, (3, Change.UNCHANGED), (2, Change.UNCHANGED), resource=resource)
    note(database, (5, Change.INSERTED))
    note(database, (6, Change.INSERTED), run_id=uuid.UUID(int=2), resource=resource)
    assert sorted(walks.conversation_ids(database, 1, RUN)) == [1, 2, 3]
