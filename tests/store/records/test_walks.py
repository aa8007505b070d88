from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.records import add_account, at

from hostaway_sync.model.records import Change, ChangeCounts, QualityCounts, Resource
from hostaway_sync.store.records import walks
from hostaway_sync.store.tables import walk_pages

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

RUN, LATER_RUN = uuid.UUID(int=1), uuid.UUID(int=2)
WALK, OTHER_WALK = uuid.UUID(int=101), uuid.UUID(int=102)
DAY = timedelta(hours=24)
NOTHING_ODD = QualityCounts()


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account that is walked."""
    add_account(database)


def note(
    database: Database,
    *changes: tuple[int, Change],
    run_id: uuid.UUID = RUN,
    walk_id: uuid.UUID = WALK,
    account_id: int = 1,
    resource: Resource = Resource.LISTINGS,
    oddities: QualityCounts = NOTHING_ODD,
) -> None:
    """Record a page of a run and a walk."""
    database.transaction(lambda c: walks.add_page(c, run_id, walk_id, account_id, resource, changes, oddities))


def stand(
    database: Database, walk_id: uuid.UUID = WALK, position: str | None = "here", began_at: datetime | None = None
) -> walks.Walk:
    """Store the position of the walk of the reservations."""
    walk = walks.Walk(walk_id, began_at or datetime.now(UTC), at(0), position)
    database.transaction(lambda c: walks.store_position(c, 1, Resource.RESERVATIONS, walk))
    return walk


def cut(database: Database, account_id: int = 1, resource: Resource = Resource.RESERVATIONS) -> walks.Walk | None:
    """Return the walk that can be resumed."""
    return database.transaction(lambda c: walks.find_interrupted(c, account_id, resource))


def runs_with_pages(database: Database) -> list[uuid.UUID]:
    """Return the runs that have recorded pages."""
    with database.engine.connect() as connection:
        return list(connection.scalars(sa.select(walk_pages.c.run_id).order_by(walk_pages.c.page_id)))


def count_run(
    database: Database, run_id: uuid.UUID = RUN, resource: Resource = Resource.LISTINGS
) -> tuple[ChangeCounts, QualityCounts]:
    """Count the changes of a run's records."""
    return database.transaction(lambda c: walks.count_changes(c, run_id, resource))


def test_run_without_records_counts_zero(database: Database) -> None:
    """Without a page, and with an empty page."""
    assert count_run(database) == (ChangeCounts(), QualityCounts())
    note(database)
    assert count_run(database) == (ChangeCounts(), QualityCounts())


def test_record_counts_once_with_its_strongest_change(database: Database) -> None:
    """In any order of overlapping pages, inserted beats updated beats unchanged beats stale."""
    note(database, (1, Change.INSERTED), (2, Change.UNCHANGED), (3, Change.STALE), (-4, Change.QUARANTINED))
    note(database, (1, Change.UNCHANGED), (2, Change.UPDATED), (3, Change.UNCHANGED), (-4, Change.QUARANTINED))
    note(database, (3, Change.STALE), (5, Change.STALE))
    counts, _ = count_run(database)
    assert counts == ChangeCounts(seen=5, inserted=1, updated=1, unchanged=1, stale=1, quarantined=1)


def test_runs_and_resources_are_counted_apart(database: Database) -> None:
    """A count has the pages of one resource of one run."""
    note(database, (1, Change.INSERTED), oddities=QualityCounts(cleaned=1))
    note(database, (1, Change.UPDATED), run_id=uuid.UUID(int=2))
    note(database, (1, Change.STALE), resource=Resource.RESERVATIONS)
    assert count_run(database) == (ChangeCounts(seen=1, inserted=1), QualityCounts(cleaned=1))


def test_cleaned_and_misfitting_values_of_all_pages_add_up(database: Database) -> None:
    """The count of a run is the sum over its pages."""
    note(database, (1, Change.INSERTED), oddities=QualityCounts(cleaned=1, misfits=2))
    note(database, (2, Change.INSERTED), oddities=QualityCounts(cleaned=3, misfits=4))
    assert count_run(database)[1] == QualityCounts(cleaned=4, misfits=6)


def test_walk_counts_the_records_of_all_its_runs(database: Database) -> None:
    """A repeated record counts once; other walks of the same run, and other resources, do not count."""
    note(database, (1, Change.INSERTED), (2, Change.INSERTED))
    note(database, (2, Change.UNCHANGED), (3, Change.INSERTED), run_id=LATER_RUN)
    note(database, (4, Change.INSERTED), walk_id=OTHER_WALK)
    note(database, (5, Change.INSERTED), resource=Resource.RESERVATIONS)
    assert database.transaction(lambda c: walks.count_met_records(c, WALK, Resource.LISTINGS)) == 3


def test_last_page_stores_the_position_of_a_walk(database: Database) -> None:
    """One row a list; another account or list has none."""
    add_account(database, 2)
    assert cut(database) is None
    stand(database, OTHER_WALK, "there")
    walk = stand(database, WALK, "here")
    assert cut(database) == walk
    assert cut(database, account_id=2) is None
    assert cut(database, resource=Resource.LISTINGS) is None


def test_walk_without_a_position_cannot_be_resumed(database: Database) -> None:
    """It can only start anew."""
    stand(database)
    stand(database, position=None)
    assert cut(database) is None


def test_finished_walk_deletes_the_pages_of_earlier_runs(database: Database) -> None:
    """The run's own pages are counted until its end."""
    stand(database)
    note(database, (1, Change.INSERTED))
    note(database, (2, Change.INSERTED), run_id=LATER_RUN)
    note(database, (3, Change.INSERTED), run_id=uuid.UUID(int=3), walk_id=OTHER_WALK)
    database.transaction(lambda c: walks.delete_walk(c, 1, Resource.RESERVATIONS, WALK, run_id=LATER_RUN))
    assert cut(database) is None
    assert runs_with_pages(database) == [LATER_RUN, uuid.UUID(int=3)]


def test_finished_run_deletes_its_own_pages_only(database: Database) -> None:
    """Another run may have begun since."""
    note(database, (1, Change.INSERTED))
    note(database, (1, Change.INSERTED), run_id=LATER_RUN)
    database.transaction(lambda connection: walks.delete_pages_of_run(connection, RUN))
    assert runs_with_pages(database) == [LATER_RUN]


def test_interrupted_run_leaves_its_walk(database: Database) -> None:
    """Only pages of no resumable walk are deleted, with the run or when the next one begins."""
    stand(database)
    note(database, (1, Change.INSERTED))
    note(database, (2, Change.INSERTED), walk_id=OTHER_WALK)
    database.transaction(lambda connection: walks.delete_pages_of_run(connection, RUN))
    database.transaction(lambda connection: walks.delete_pages_of_dead_runs(connection, 1, LATER_RUN, older_than=DAY))
    assert sql.row(database, "SELECT record_keys FROM walk_pages") == ([1],)
    assert cut(database) is not None


def test_starting_run_deletes_the_pages_of_dead_runs(database: Database) -> None:
    """Notes of the account's other runs are deleted; its own earlier attempt and other accounts stay."""
    add_account(database, 2)
    note(database, (1, Change.INSERTED))
    note(database, (1, Change.INSERTED), run_id=LATER_RUN)
    note(database, (1, Change.INSERTED), run_id=uuid.UUID(int=3), account_id=2)
    database.transaction(lambda connection: walks.delete_pages_of_dead_runs(connection, 1, RUN, older_than=DAY))
    assert runs_with_pages(database) == [RUN, uuid.UUID(int=3)]


def test_old_walk_is_deleted_with_its_pages(database: Database) -> None:
    """By the database's clock; the list may have changed too much."""
    stand(database, began_at=datetime.now(UTC) - timedelta(hours=25))
    note(database, (1, Change.INSERTED))
    database.transaction(lambda connection: walks.delete_pages_of_dead_runs(connection, 1, LATER_RUN, older_than=DAY))
    assert cut(database) is None
    assert runs_with_pages(database) == []
