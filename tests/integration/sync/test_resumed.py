"""Full runs that were cut continue where they stopped."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.chaos.random_changes import WORLDS, RandomChanges

from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.records import RunReport

    Build = Callable[..., SyncEnv]

ROUTE = "GET /reservations"
# 90 reservations come in five pages; then the list's end is requested, and its top once more.
SIZE, PAGE, PAGES, END_AND_TOP = 90, 20, 5, 2


def env_of_pages(sync_env: Build, **switches: object) -> SyncEnv:
    """Return an environment whose reservations come in several pages."""
    return sync_env(reservations=SIZE, conversations=False, switches=Switches(max_limit=PAGE, **switches))  # type: ignore[arg-type]  # each test names its own


def cut(env: SyncEnv, *, after: int, route: str = ROUTE, full: bool = True) -> RunReport:
    """Run until the source fails after this many answers of a route; reset the counted requests."""
    rule = env.sandbox.faults.add(faults.bad_gateway(), route=route, skip=after, times=None)
    report = env.mirror(retry_attempts=1).sync.run(env.account_id, full=full)
    assert report.state is not RunState.SUCCESS
    env.sandbox.faults.remove(rule)
    env.sandbox.forget()
    return report


def go_on(env: SyncEnv, *, full: bool = True) -> RunReport:
    """Run again without faults; no stored walk may be left."""
    report = env.mirror().sync.run(env.account_id, full=full)
    assert report.state is RunState.SUCCESS
    assert (
        sql.rows(env.database, "SELECT count(*) FROM walk_pages")
        == sql.rows(env.database, "SELECT count(*) FROM walks")
        == [(0,)]
    )
    return report


def nth(env: SyncEnv, number: int) -> int:
    """Return the id of the n-th reservation, newest first."""
    return [row_id for row_id, _ in env.sandbox.world.truth("reservations")][number]


@pytest.mark.parametrize("after", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("full", [True, False])
def test_cut_run_resumes_after_its_last_page(
    sync_env: Build, caplog: pytest.LogCaptureFixture, *, after: int, full: bool
) -> None:
    """The next run sends the missing requests, logs one line, and the mirror equals the source."""
    env = env_of_pages(sync_env)
    cut(env, after=after)
    with caplog.at_level(logging.INFO, "hostaway_sync.sync.lists"):
        report = go_on(env, full=full)
    assert env.sandbox.calls[ROUTE] == max(0, PAGES - after) + END_AND_TOP
    met = min(after * PAGE, SIZE)
    assert caplog.messages == [f"account 70001: reservations: resumed after {met:,} records"]
    assert env.differences() == {}
    assert report.mode is Mode.FULL
    assert report.resources[Resource.RESERVATIONS].counts.inserted == SIZE - met


def test_walk_may_be_cut_repeatedly(sync_env: Build) -> None:
    """Each run reads a page; the counts of the runs add up to the list."""
    env = env_of_pages(sync_env)
    for _ in range(4):
        cut(env, after=1)
    go_on(env)
    assert env.sandbox.calls[ROUTE] == 1 + END_AND_TOP
    assert sql.rows(env.database, "SELECT sum(inserted) FROM sync_run_resources WHERE resource = 'reservations'") == [
        (SIZE,)
    ]


def test_rows_added_or_moved_between_are_found_at_the_top(sync_env: Build) -> None:
    """Rows that were read, rows that were not, the cursor's row, and new ones."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    world = env.sandbox.world
    for number in (3, 30, 39, 60, 89):
        world.cancel_reservation(nth(env, number))
    world.create_reservation(conversation=False)
    go_on(env)
    # One step back where the cursor is gone, and one at the end, which has fewer rows than before.
    assert env.sandbox.calls[ROUTE] == PAGES - 2 + END_AND_TOP + 2
    assert env.differences() == {}


@pytest.mark.parametrize("moved", ["restart", "empty", "bad_request", "not_found"])
def test_moved_cursor_costs_a_step_back(sync_env: Build, moved: str) -> None:
    """Whatever the source answers for it."""
    env = env_of_pages(sync_env, moved_cursor=moved)
    cut(env, after=2)
    env.sandbox.world.cancel_reservation(nth(env, 39))
    go_on(env)
    assert env.sandbox.calls[ROUTE] == PAGES - 2 + 1 + END_AND_TOP
    assert env.differences() == {}


@pytest.mark.parametrize("number", [3, 39], ids=["a row that was read", "the cursor"])
@pytest.mark.parametrize("deleted", ["restart", "continue", "empty", "bad_request", "not_found"])
def test_row_deleted_between_is_noticed(
    sync_env: Build, caplog: pytest.LogCaptureFixture, number: int, deleted: str
) -> None:
    """More records than the source counts: the list is read from its beginning, and the row is marked."""
    env = env_of_pages(sync_env, deleted_cursor=deleted)
    cut(env, after=2)
    gone = nth(env, number)
    env.sandbox.world.delete_reservation(gone)
    with caplog.at_level(logging.INFO, "hostaway_sync.sync.lists"):
        report = go_on(env)
    assert "the walk begins again: 90 records were read, before and since, where the source counts 89" in caplog.text
    assert report.resources[Resource.RESERVATIONS].counts.missing == 1
    assert env.differences() == {}


def test_row_deleted_between_is_noticed_despite_an_added_one(sync_env: Build) -> None:
    """The source counts as many as before, but the records are one more."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    env.sandbox.world.delete_reservation(nth(env, 3))
    env.sandbox.world.create_reservation(conversation=False)
    assert go_on(env).resources[Resource.RESERVATIONS].counts.missing == 1
    assert env.differences() == {}


def test_moved_rows_without_stamps_hide_no_row_below_them(sync_env: Build, caplog: pytest.LogCaptureFixture) -> None:
    """They fill the page at the top, without an added row; a deleted one makes the numbers equal."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    moved = {nth(env, number) for number in range(SIZE - PAGE, SIZE)}
    env.sandbox.world.delete_reservation(nth(env, 3))
    env.sandbox.world.create_reservation(conversation=False)
    env.sandbox.world.touch(moved)

    def without_stamps(rows: list[Any]) -> list[Any]:
        return [found | {"updatedOn": ""} if found["id"] in moved else found for found in rows]

    env.sandbox.faults.add(faults.change_rows(without_stamps), route=ROUTE, times=None)
    with caplog.at_level(logging.INFO, "hostaway_sync.sync.lists"):
        report = go_on(env)
    assert "the walk begins again: the list changed while it was read, and its order is not known" in caplog.text
    assert report.resources[Resource.RESERVATIONS].counts.missing == 1
    assert env.differences() == {Resource.RESERVATIONS: moved}


def test_source_without_counts_is_read_from_the_beginning(sync_env: Build) -> None:
    """Deletions during the interruption would stay unseen."""
    env = env_of_pages(sync_env, reservations_count="absent")
    cut(env, after=2)
    gone = nth(env, 3)
    env.sandbox.world.delete_reservation(gone)
    assert go_on(env).resources[Resource.RESERVATIONS].counts.missing == 1
    assert env.differences() == {}


def test_day_old_walk_starts_anew(sync_env: Build) -> None:
    """By the database's clock; its pages are dropped."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    sql.execute(env.database, "UPDATE walks SET began_at = began_at - interval '24 hours'")
    go_on(env)
    assert env.sandbox.calls[ROUTE] == PAGES + END_AND_TOP


def test_position_of_another_version_starts_the_walk_anew(sync_env: Build) -> None:
    """It cannot be read, and that is no error."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    sql.execute(env.database, "UPDATE walks SET position = 'of another version'")
    go_on(env)
    assert env.sandbox.calls[ROUTE] == PAGES + END_AND_TOP
    assert env.differences() == {}


def test_marks_are_those_of_the_run_that_began_the_walk(sync_env: Build) -> None:
    """Changes at the source after the walk began must still be read by the next run."""
    env = env_of_pages(sync_env)
    cut(env, after=2)
    begun = sql.rows(env.database, "SELECT began_at, watermark_at FROM walks")
    env.sandbox.world.create_reservation(conversation=False)
    go_on(env)
    assert (
        sql.rows(env.database, "SELECT swept_at, watermark_at FROM watermarks WHERE resource = 'reservations'") == begun
    )
    assert sql.rows(
        env.database, "SELECT last_sync_at = max(started_at) FROM accounts, sync_runs GROUP BY last_sync_at"
    ) == [(True,)]


def test_second_attempt_resumes_where_the_first_was_cut(sync_env: Build) -> None:
    """sync-all tries the account once more at its end, and the report counts every record once."""
    env = sync_env(accounts=[AccountSpec(reservations=SIZE, conversations=False)], switches=Switches(max_limit=20))
    env.sandbox.faults.add(faults.bad_gateway(), route=ROUTE, skip=3, times=1)
    (outcome,) = env.mirror(retry_attempts=1).sync.run_all()
    assert outcome.state is RunState.SUCCESS
    assert outcome.report is not None
    assert outcome.report.resources[Resource.RESERVATIONS].counts.inserted == SIZE
    assert env.sandbox.calls[ROUTE] == PAGES + END_AND_TOP + 1
    assert env.sandbox.calls["GET /listings"] == 2
    assert env.differences() == {}


def test_whole_lists_are_not_read_again_after_a_later_cut(sync_env: Build) -> None:
    """Each list decides for itself; the run is full as long as one of them is read whole."""
    env = sync_env(reservations=80, switches=Switches(max_limit=20))
    cut(env, after=1, route="GET /conversations", full=False)
    report = go_on(env, full=False)
    assert report.mode is Mode.FULL
    assert (env.sandbox.calls["GET /listings"], env.sandbox.calls[ROUTE]) == (1, 1)
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM watermarks WHERE swept_at IS NOT NULL") == [(4,)]
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def test_incremental_runs_leave_a_cut_walk_unchanged(sync_env: Build) -> None:
    """So do dry runs and runs of other resources; the next sweep continues it."""
    env = env_of_pages(sync_env)
    go_on(env)
    cut(env, after=2)
    stands = sql.rows(env.database, "SELECT walk_id, position FROM walks")
    mirror = env.mirror()
    assert mirror.sync.run(env.account_id).mode is Mode.INCREMENTAL
    mirror.sync.run(env.account_id, full=True, dry_run=True)
    mirror.sync.run(env.account_id, full=True, resources=(Resource.LISTINGS,))
    assert sql.rows(env.database, "SELECT walk_id, position FROM walks") == stands
    env.sandbox.forget()
    go_on(env)
    assert env.sandbox.calls[ROUTE] == PAGES - 2 + END_AND_TOP


def test_suspiciously_short_list_is_read_anew(sync_env: Build) -> None:
    """A doubted walk is not continued: the source is asked again for all of it."""
    env = env_of_pages(sync_env)
    go_on(env)
    listed = list(env.truth("reservations"))
    for gone in listed[::4]:
        env.sandbox.world.delete_reservation(gone)
    report = env.mirror().sync.run(env.account_id, full=True)
    assert "23 of 90 rows are no longer listed" in (report.error or "")
    assert sql.rows(env.database, "SELECT count(*) FROM walks") == [(0,)]


def test_run_cut_at_unlisted_rows_continues_there(sync_env: Build) -> None:
    """The list was read to its end: only its end is requested once more."""
    env = env_of_pages(sync_env)
    go_on(env)
    gone = nth(env, 3)
    env.sandbox.world.delete_reservation(gone)
    cut(env, after=0, route="GET /reservations/{id}")
    assert go_on(env).resources[Resource.RESERVATIONS].counts.missing == 1
    assert env.sandbox.calls[ROUTE] == END_AND_TOP
    assert env.differences() == {}


def test_walk_that_ended_in_doubt_starts_anew(sync_env: Build) -> None:
    """It was not cut, so that none of its pages is used."""
    env = env_of_pages(sync_env)
    lost = faults.change_rows(lambda rows: rows[:-1])
    rule = env.sandbox.faults.add(lost, route=ROUTE, times=None)
    assert env.mirror().sync.run(env.account_id, full=True).state is not RunState.SUCCESS
    env.sandbox.faults.remove(rule)
    assert sql.rows(env.database, "SELECT count(*) FROM walks") == [(0,)]
    env.sandbox.forget()
    go_on(env)
    assert env.sandbox.calls[ROUTE] == PAGES + END_AND_TOP


@pytest.mark.no_cover
@given(seed=st.integers(0, 100_000), moved=st.sampled_from(["restart", "empty"]), after=st.integers(0, 5))
@settings(WORLDS, max_examples=6)
def test_quiet_full_run_after_any_cuts_is_exact(sync_env: Build, seed: int, moved: str, after: int) -> None:
    """Cut anywhere, several times, while guests, hosts and nightly jobs change the source."""
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    env = sync_env(store=False, reservations=45, switches=Switches(max_limit=20, moved_cursor=moved))  # type: ignore[arg-type]  # drawn from the switch's values
    env.empty_database()
    env.store_account()
    mirror, life = env.mirror(retry_attempts=1), RandomChanges(env.sandbox.world, chance)
    for _ in range(chance.randint(1, 3)):
        rule = env.sandbox.faults.add(faults.bad_gateway(), route=ROUTE, skip=after, times=None)
        mirror.sync.run(env.account_id, full=chance.random() < 0.5)
        env.sandbox.faults.remove(rule)
        for _ in range(chance.randint(0, 4)):
            life.make_change()
    assert mirror.sync.run(env.account_id, full=True).state is RunState.SUCCESS
    assert env.differences() == {}
    assert (
        sql.rows(env.database, "SELECT count(*) FROM walk_pages")
        == sql.rows(env.database, "SELECT count(*) FROM walks")
        == [(0,)]
    )
