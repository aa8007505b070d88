from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK
from tests.support.store.guest_data import accept_delivery, dump_rows, refresh_and_sync, store_guest

from hostaway_sync.model.records import OBJECTS
from hostaway_sync.store.privacy.guest_tables import ERASED, GUEST_TABLES, TABLES_WITHOUT_GUESTS
from hostaway_sync.store.tables import MIRRORED, metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# Characters that JSON escapes, and some that need more than one byte.
CHARACTERS = 'aeoßøЖ漢"\\/\n🙂z'
NAMES = st.text(st.sampled_from(CHARACTERS), min_size=6, max_size=20)


def forms(text: str) -> set[str]:
    """Return the forms in which JSON or Python may write a text."""
    written = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return {text, repr(text)[1:-1], repr(text.encode())[2:-1], *written, *(repr(one)[1:-1] for one in written)}


def test_no_trace_of_a_forgotten_guest_returns(sync_env: Build) -> None:
    """After a whole sync, deliveries and a repair no row has the guest; nights and amounts stay."""
    env = sync_env(reservations=5, listings=2)
    env.mirrored()
    hold(env, min(env.truth("reservations")), CHARACTERS)


@pytest.mark.soak
def test_no_trace_of_any_name_returns(sync_env: Build) -> None:
    """The same for names of chance."""
    env = sync_env(reservations=5, listings=2)
    ids = iter(sorted(env.truth("reservations")))
    env.mirrored()

    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(name=NAMES)
    def hold_any(name: str) -> None:
        reservation = next(ids, None)
        if reservation is not None:
            hold(env, reservation, name)

    hold_any()


def hold(env: SyncEnv, reservation: int, characters: str) -> None:
    """Forget a guest with such a name, who is then written everywhere again; check that no trace is left."""
    name = f"Ida{characters}Berg"
    store_guest(env, reservation, name)
    refresh_and_sync(env)
    said = dump_rows(env)
    assert any(form in said for form in forms(name))
    before = env.rows("reservations")[reservation]
    done = env.mirror().privacy.forget_guests(env.account_id, [reservation], [])
    assert done.rows["reservations"] == 1
    said = dump_rows(env)
    assert not [form for form in forms(name) if form in said]
    env.sandbox.account(env.account_id).heal("reservations", reservation)
    store_guest(env, reservation, name)
    refresh_and_sync(env)
    after = env.rows("reservations")[reservation]
    assert {key: after[key] for key in ("arrivalDate", "nights", "totalPrice", "status", "channelId")} == {
        key: before[key] for key in ("arrivalDate", "nights", "totalPrice", "status", "channelId")
    }
    certificate = env.mirror().sync.verify(env.account_id, deep=True, repair=True)
    assert (certificate.state, sum((certificate.repaired or {}).values())) == ("equal", 0)
    said = dump_rows(env)
    assert not [form for form in forms(name) if form in said]
    assert env.mirror().privacy.forget_guests(env.account_id, [reservation], []).rows == {}


def test_scrubbed_rows_are_unchanged(sync_env: Build) -> None:
    """The next two syncs find a forgotten guest's rows unchanged, by their hash alone."""
    env = sync_env(reservations=6)
    env.mirrored()
    number = min(env.truth("reservations"))
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    before = sql.rows(env.database, "SELECT id, updated_at FROM reservations")
    report = env.mirror().sync.run(env.account_id, full=True)
    assert {part.counts.updated for part in report.resources.values()} == {0}
    versions = sql.rows(env.database, "SELECT id, xmin::text FROM reservations")
    env.mirror().sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT id, xmin::text FROM reservations") == versions
    assert sql.rows(env.database, "SELECT id, updated_at FROM reservations") == before


def test_address_finds_every_reservation_of_a_guest(sync_env: Build) -> None:
    """Letter case does not matter; a dry run reports the same; the audit log names no guest."""
    env = sync_env(reservations=6)
    world = env.sandbox.account(env.account_id)
    theirs = sorted(env.truth("reservations"))[:2]
    for number in theirs:
        world.update_reservation(number, guestEmail="Ida.Berg@example.org", guestName="Ida Berg-Hansen")
    mirror = env.mirror()
    mirror.sync.run(env.account_id)
    before = dump_rows(env)
    rehearsed = mirror.privacy.forget_guests(env.account_id, [], ["ida.berg@EXAMPLE.org"], dry_run=True)
    assert dump_rows(env) == before
    done = mirror.privacy.forget_guests(env.account_id, [], [" ida.berg@EXAMPLE.org"])
    assert (list(done.reservations), done.rows) == (theirs, rehearsed.rows)
    assert "Hansen" not in dump_rows(env)
    ((changes,),) = sql.rows(env.database, "SELECT changes FROM audit_log WHERE action = 'forgotten'")
    assert changes["reservations"] == theirs


def test_unknown_reservation_can_be_forgotten_in_advance(sync_env: Build) -> None:
    """It is not mirrored yet: later neither it nor its thread stores the guest."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    world = env.sandbox.account(env.account_id)
    world.update_reservation(number, guestName="Ida Berg-Hansen")
    for thread in world.conversations_of(number):
        world.guest_message(thread, "Best wishes, Ida Berg-Hansen")
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    env.mirror().sync.run(env.account_id)
    assert "Berg-Hansen" not in dump_rows(env)
    assert number in env.rows("reservations")


def test_records_without_an_owner_are_kept_as_a_size(sync_env: Build) -> None:
    """Once a guest is forgotten, only the size of records without an id, and of unclear deliveries, is stored."""
    env = sync_env(reservations=6)
    number, other, *_ = sorted(env.truth("reservations"))
    nameless = json.dumps({"guestName": "Ida Berg-Hansen", "id": None}).encode()
    env.sandbox.account(env.account_id).append_raw("reservations", nameless)
    accept_delivery(env, "reservation.updated", {"id": other, "guestName": "Bo Lind"})
    accept_delivery(env, "reservation.updated", {"guestName": "Ida Berg-Hansen"})
    env.mirror().sync.run(env.account_id)
    assert "Berg-Hansen" in dump_rows(env)
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    accept_delivery(env, "reservation.updated", {"guestName": "Ida Berg-Hansen"})
    accept_delivery(
        env, "message.received", {"reservationId": number, "conversationId": 4711, "body": "Ida Berg-Hansen"}
    )
    accept_delivery(env, "reservation.updated", {"id": other, "guestName": "Bo Lind"})
    env.mirror().sync.run(env.account_id, full=True)
    assert env.mirror().sync.verify(env.account_id).state == "equal"
    said = dump_rows(env)
    assert "Berg-Hansen" not in said
    assert said.count("Bo Lind") == 4


def test_dead_letters_and_attempts_lose_the_guest(sync_env: Build) -> None:
    """Those about the guest's objects, and those with words of the guest in an error."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    env.sandbox.account(env.account_id).update_reservation(number, guestName="Ida Berg-Hansen")
    env.mirror().sync.run(env.account_id)
    accept_delivery(env, "reservation.updated", {"id": number, "guestName": "Ida Berg-Hansen"})
    deaf = env.mirror(retry_attempts=1, api_url="http://127.0.0.1:9/v1")
    with deaf.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()
    words = "'cannot store Ida Berg-Hansen'"
    for table in ("dead_letters", "job_attempts", "sync_runs", "sync_run_resources"):
        assert sql.rows(env.database, f"UPDATE {table} SET error = {words} RETURNING 1")
    done = env.mirror().privacy.forget_guests(env.account_id, [number], [])
    assert {"dead_letters", "job_attempts", "sync_runs", "sync_run_resources", "webhook_log"} <= set(done.rows)
    assert "Berg-Hansen" not in dump_rows(env)


def test_pending_message_to_a_forgotten_guest_is_given_up(sync_env: Build) -> None:
    """It loses its text; a message that may have been sent keeps only that fact."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    sql.execute(
        env.database,
        "INSERT INTO sent_messages (account_id, reservation_id, conversation_id, channel_type, body, body_hash,"
        f" os_user, host, state, sending_at) SELECT {env.account_id}, {number}, 5, 'email', 'Dear Ida', 'x', 'me',"
        " 'here', state, now() FROM unnest(ARRAY['pending', 'outcome_unknown']) AS state",
    )
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    left = sql.rows(env.database, "SELECT state, body FROM sent_messages ORDER BY intent_id")
    assert [tuple(row) for row in left] == [("failed", ERASED), ("outcome_unknown", ERASED)]


def test_every_table_is_listed_with_or_without_guest_data() -> None:
    """A new table must be in one of the two lists, or be a mirrored one."""
    known = {words.table.name for words in GUEST_TABLES} | {MIRRORED[resource].name for resource in OBJECTS}
    assert known | TABLES_WITHOUT_GUESTS | {"quarantined_records"} == set(metadata.tables)
