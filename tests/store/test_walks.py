from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from tests.store.samples import add_account, one

from hostaway_sync.records import Change, Counts, Oddities, Resource
from hostaway_sync.store import walks

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


def test_what_a_run_noted_is_forgotten(database: Database) -> None:
    """At the end of a run its own notes go, and nobody else's: another run may be at work since."""
    note(database, (1, Change.INSERTED))
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=2))
    database.transaction(lambda connection: walks.forget(connection, RUN))
    assert one(database, "SELECT run_id FROM walk_pages") == (uuid.UUID(int=2),)


def test_what_dead_runs_noted_is_forgotten(database: Database) -> None:
    """When a run begins, the notes of the account's other runs go; its own earlier attempt and other accounts stay."""
    add_account(database, 2)
    note(database, (1, Change.INSERTED))
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=2))
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=3), account_id=2)
    database.transaction(lambda connection: walks.forget_others(connection, 1, RUN))
    assert one(database, "SELECT count(*), count(*) FILTER (WHERE run_id = :run) FROM walk_pages", run=RUN) == (2, 1)


def test_an_attempt_counts_what_it_met_itself(database: Database) -> None:
    """Rows of an earlier attempt of the same run prove nothing about this one; twice met is once counted."""
    note(database, (1, Change.INSERTED), (2, Change.INSERTED))
    before = database.transaction(lambda connection: walks.last_page(connection, RUN))
    note(database, (2, Change.UNCHANGED), (3, Change.INSERTED))
    note(database, (3, Change.UNCHANGED))

    def met(after_page: int) -> int:
        return database.transaction(
            lambda connection: walks.met(connection, RUN, Resource.LISTINGS, after_page=after_page)
        )

    assert (met(0), met(before)) == (3, 2)
    assert database.transaction(lambda connection: walks.last_page(connection, uuid.UUID(int=9))) == 0
