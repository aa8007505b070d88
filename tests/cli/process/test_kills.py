from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.chaos.random_changes import SWITCHES, WORLDS
from tests.support.chaos.sync_chaos import SyncChaos
from tests.support.examples import examples
from tests.support.processes import start_program, start_refresh
from tests.support.record_changes import broken_chains
from tests.support.store.table_locks import TableGate
from tests.support.sync_env import SMALL_PAGE

from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.store.runs import states as run_states

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MESSAGES = "GET /conversations/{id}/messages"

# Where a full run is killed: after its n-th request to this route, and before its write into that table.
POINTS = {
    "before its first page is stored": ("GET /listings", 1, "listings"),
    "before its first watermark": ("GET /listings", 1, "watermarks"),
    "before a page of many": ("GET /reservations", 2, "reservations"),
    "before the watermark of many pages": ("GET /reservations", 4, "watermarks"),
    "before a page of conversations": ("GET /conversations", 1, "conversations"),
    "before a thread is stored": (MESSAGES, 3, "conversation_messages"),
    "before a thread's mark is taken away": (MESSAGES, 3, "conversations"),
    "before the messages are done": (MESSAGES, 3, "sync_run_resources"),
    "before it is closed": (MESSAGES, 3, "sync_runs"),
}
STEPS = st.lists(st.sampled_from(("change", "sync", "refresh", "kill")), min_size=1, max_size=4)


@pytest.mark.parametrize("point", POINTS)
def test_full_run_after_a_kill_makes_the_mirror_equal(sync_env: Build, point: str) -> None:
    """SIGKILL before the first write, or after all writes but the last."""
    env = sync_env(reservations=18, switches=Switches(max_limit=SMALL_PAGE))
    gate = TableGate(env, *POINTS[point])
    process = start_program(env.environment(), "sync", str(env.account_id))
    gate.wait(process)
    process.kill()
    process.join(PATIENCE)
    gate.open()
    assert process.exitcode == -9
    assert sql.rows(env.database, "SELECT state FROM sync_runs") == [("running",)]
    assert env.mirror().sync.run(env.account_id, full=True).state is RunState.SUCCESS
    assert sql.rows(env.database, "SELECT state, error FROM sync_runs ORDER BY triggered_at") == [
        ("abandoned", run_states.ABANDONED),
        ("success", None),
    ]
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT owner FROM leases") == [(None,)]
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]
    # What the killed run and the next one read first is no news.
    assert sql.rows(env.database, "SELECT resource FROM changes WHERE resource <> 'sync'") == []


@pytest.mark.parametrize("table", ["changes", "watermarks"])
def test_killed_run_leaves_each_change_once_in_the_history(sync_env: Build, table: str) -> None:
    """SIGKILL between the rows of a page and their history, and between both and the commit."""
    env = sync_env()
    mirror = env.mirrored()
    numbers = sorted(env.truth("reservations"))[:3]
    for number in numbers:
        env.sandbox.world.update_reservation(number, hostNote="late")
    gate = TableGate(env, "GET /reservations", 1, table)
    process = start_program(env.environment(), "sync", str(env.account_id))
    gate.wait(process)
    process.kill()
    process.join(PATIENCE)
    gate.open()
    assert process.exitcode == -9
    env.sandbox.world.update_reservation(numbers[0], hostNote="later")
    for _ in range(2):
        assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    query = """SELECT array_agg(after->>'hostNote' ORDER BY change_id) FROM changes
        WHERE resource = 'reservations' AND 'hostNote' = ANY(keys) GROUP BY record_id ORDER BY record_id"""
    ((first,), *others) = sql.rows(env.database, query)
    assert others == [(["late"],), (["late"],)]
    assert first in (["later"], ["late", "later"])  # the second where the killed run had committed
    assert env.differences() == {}
    assert broken_chains(env.database) == []


@pytest.mark.parametrize("table", ["reservations", "conversation_messages", "conversations"])
def test_killed_refresh_leaves_its_thread_due(sync_env: Build, table: str) -> None:
    """The next run, although incremental, reads the thread."""
    env = sync_env()
    env.mirrored()
    conversation_id, said, reservation_id = a_message(env)
    gate = TableGate(env, "GET /reservations/{id}" if table == "reservations" else MESSAGES, 1, table)
    process = start_refresh(env.environment(), env.account_id, Resource.RESERVATIONS, reservation_id)
    gate.wait(process)
    process.kill()
    process.join(PATIENCE)
    gate.open()
    due = sql.rows(env.database, "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL")
    assert due == ([] if table == "reservations" else [(conversation_id,)])
    assert env.mirror().sync.run(env.account_id).state is RunState.SUCCESS
    assert said in env.rows("messages")
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def test_thread_stays_due_until_its_missing_message_is_judged(sync_env: Build) -> None:
    """The run dies after it read the thread, and before it asked for the missing message itself."""
    env = sync_env()
    mirror = env.mirrored()
    conversation_id, said, _ = a_message(env)
    lost = next(i for i, row in env.truth("messages").items() if row["conversationId"] == conversation_id and i != said)
    env.sandbox.world.delete_message(conversation_id, lost)
    with Barrier(env.sandbox, MESSAGES + "/{id}") as asking:
        process = start_program(env.environment(), "sync", str(env.account_id), "--full")
        asking.wait()
        process.kill()
        process.join(PATIENCE)
    assert mirror.sync.run(env.account_id, full=True).resources[Resource.MESSAGES].counts.missing == 1
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def a_message(env: SyncEnv) -> tuple[int, int, int]:
    """Let the guest of a reservation with one conversation write; return conversation, message and reservation."""
    world = env.sandbox.world
    for conversation_id, payload in world.truth("conversations"):
        if len(world.conversations_of(payload["reservationId"])) == 1:
            return conversation_id, world.guest_message(conversation_id), payload["reservationId"]
    raise AssertionError


@pytest.mark.no_cover
@given(switches=SWITCHES, steps=STEPS, seed=st.integers(0, 10_000))
@settings(WORLDS, max_examples=examples(6))
def test_quiet_run_is_exact_after_any_kill(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int
) -> None:
    """Runs and single readings are killed at any request, in any order, while the data change."""
    weather(sync_env, switches, ["kill", *steps], seed)


@pytest.mark.soak
@given(switches=SWITCHES, seed=st.integers(0, 1_000_000), silent=st.booleans())
@settings(WORLDS, max_examples=40)
def test_many_kills_lose_no_row(sync_env: Build, switches: Switches, seed: int, *, silent: bool) -> None:
    """Five kills in each of many worlds, with runs and readings between them."""
    weather(
        sync_env,
        switches,
        ["kill", "change", "kill", "sync", "kill", "refresh", "kill", "kill"],
        seed,
        silent=silent,
        size=60,
    )


@pytest.mark.soak
def test_fifty_kills_of_one_mirror_lose_no_row(sync_env: Build) -> None:
    """Killed again and again and never read in quiet, the mirror is exact after one quiet full run."""
    env = sync_env(reservations=250, switches=Switches(max_limit=100))
    storm = SyncChaos(env, random.Random(50))  # noqa: S311  (a test that can be repeated)
    for _ in range(50):
        storm.step("change")
        storm.step("kill")
    assert storm.kills > 25
    storm.end()


def weather(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int, *, silent: bool = False, size: int = 25
) -> None:
    """Run these steps in a storm of changes, and compare afterwards."""
    env = sync_env(reservations=size, listings=5, switches=switches, seed=seed, store=False)
    env.empty_database()
    env.store_account()
    storm = SyncChaos(env, random.Random(seed), silent=silent)  # noqa: S311  (a test that can be repeated)
    for step in steps:
        storm.step(step)
    storm.end()
    env.sandbox.stop()
