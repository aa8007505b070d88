from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql

from hostaway_sync.errors import AccountError, LeaseHeld
from hostaway_sync.model.records import OBJECTS, Resource
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases
from hostaway_sync.sync.verify.certificate import Equality

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sync.verify.certificate import Certificate, Findings

    Build = Callable[..., SyncEnv]

MESSAGES = "GET /conversations/{id}/messages"
DAMAGES = {
    "payload": "UPDATE {table} SET raw_payload = raw_payload || '{{\"damaged\": 1}}' WHERE id = {id} RETURNING 1",
    "no object": "UPDATE {table} SET raw_payload = 'null' WHERE id = {id} RETURNING 1",
    "stamp": "UPDATE {table} SET source_updated_at = '2001-01-01' WHERE id = {id} RETURNING 1",
    "deleted": "DELETE FROM {table} WHERE id = {id} RETURNING 1",
    "missing": "UPDATE {table} SET missing_since = now() WHERE id = {id} RETURNING 1",
}


def mirrored_env(sync_env: Build, **options: Any) -> SyncEnv:
    """Return an environment that was mirrored in full, without scheduled messages."""
    env = sync_env(**options)
    for message_id, message in env.truth("messages").items():
        if message["status"] in {"awaiting", "paused"}:
            env.sandbox.world.send_scheduled(message["conversationId"], message_id)
    env.mirrored(arranged="no scheduled messages")
    return env


def verify(env: SyncEnv, *, deep: bool = False, repair: bool = False) -> Certificate:
    """Verify the account."""
    return env.mirror().sync.verify(env.account_id, deep=deep, repair=repair)


def first_of(env: SyncEnv, resource: str) -> int:
    """Return the id of one row that the source has."""
    return int(next(iter(env.truth(resource))))


def numbers(part: Findings) -> tuple[int, int, int, int]:
    """Return how many are missing, extra, different, undecided."""
    return part.missing, part.extra, part.different, part.undecided


def test_equal_mirror_is_certified_in_the_fewest_calls(sync_env: Build) -> None:
    """The three lists are walked whole, threads with unchanged stamps are not read, and nothing is written."""
    env = mirrored_env(sync_env, reservations=60)
    before = sql.rows(env.database, "SELECT id, xmin::text FROM reservations")
    certificate = verify(env)
    assert (certificate.state, certificate.error, certificate.repaired) == (Equality.EQUAL, None, None)
    assert certificate.api_calls == env.sandbox.calls.total() == 3
    for resource in (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS):
        part = certificate.resources[resource]
        assert part.source == part.mirror == len(env.truth(resource))
        assert numbers(part) == (0, 0, 0, 0)
    threads = certificate.resources[Resource.MESSAGES]
    assert (threads.threads_read, threads.threads_trusted) == (0, len(env.truth("conversations")))
    assert sql.rows(env.database, "SELECT id, xmin::text FROM reservations") == before
    assert sql.rows(env.database, "SELECT count(*) FROM verification_notes") == [(0,)]


def test_deep_verification_reads_every_thread(sync_env: Build) -> None:
    """One call a conversation more, and every message is compared."""
    env = mirrored_env(sync_env)
    certificate = verify(env, deep=True)
    assert certificate.state is Equality.EQUAL
    threads = len(env.truth("conversations"))
    assert certificate.api_calls == 3 + threads
    part = certificate.resources[Resource.MESSAGES]
    assert part.source == part.mirror == len(env.truth("messages"))
    assert (part.threads_read, part.threads_trusted) == (threads, 0)


@pytest.mark.parametrize("resource", [Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_despite_an_equal_hash_and_repaired(sync_env: Build, resource: Resource, damage: str) -> None:
    """A row that was changed, deleted or marked by hand is found and named; --repair restores it."""
    env = mirrored_env(sync_env)
    row_id = first_of(env, resource)
    statement = DAMAGES[damage].format(table=resource.value, id=row_id)
    assert sql.rows(env.database, statement) == [(1,)]
    certificate = verify(env)
    kind = "missing" if damage in {"deleted", "missing"} else "different"
    part = certificate.resources[resource]
    assert certificate.state is Equality.DIFFERENT
    assert (part.missing + part.different, part.extra, part.ids[kind]) == (1, 0, [row_id])
    assert not part.newer_at_source
    repaired = verify(env, repair=True)
    assert (repaired.state, repaired.repaired) == (Equality.EQUAL, {**dict.fromkeys(OBJECTS, 0), resource: 1})
    assert env.differences() == {}
    assert verify(env).state is Equality.EQUAL


def test_repair_marks_an_extra_row_as_missing(sync_env: Build) -> None:
    """A row that the source does not list is requested once, gets 404, and keeps its payload."""
    env = mirrored_env(sync_env)
    sql.execute(
        env.database,
        "INSERT INTO reservations (account_id, id, observed_at, payload_hash, raw_payload)"
        " VALUES (70001, 77, now(), '', '{\"id\": 77}')",
    )
    certificate = verify(env)
    part = certificate.resources[Resource.RESERVATIONS]
    assert (numbers(part), part.ids["extra"]) == ((0, 1, 0, 0), [77])
    assert env.sandbox.calls["GET /reservations/{id}"] == 1
    repaired = verify(env, repair=True)
    assert repaired.state is Equality.EQUAL
    assert repaired.repaired == {**dict.fromkeys(OBJECTS, 0), Resource.RESERVATIONS: 1}
    assert sql.rows(env.database, "SELECT raw_payload FROM reservations WHERE missing_since IS NOT NULL") == [
        ({"id": 77},)
    ]


def test_extra_message_is_found_within_and_outside_threads(sync_env: Build) -> None:
    """Deep: also messages of a missing conversation, or of none."""
    env = mirrored_env(sync_env)
    thread = first_of(env, "conversations")
    for row_id, parent in ((71, thread), (72, 73), (74, "NULL")):
        sql.execute(
            env.database,
            "INSERT INTO conversation_messages"
            " (account_id, id, conversation_id, observed_at, payload_hash, raw_payload)"
            f" VALUES (70001, {row_id}, {parent}, now(), '', '{{}}')",
        )
    assert verify(env).state is Equality.EQUAL
    certificate = verify(env, deep=True)
    part = certificate.resources[Resource.MESSAGES]
    assert (numbers(part), part.ids["extra"]) == ((0, 3, 0, 0), [71, 72, 74])
    assert part.source - part.missing + part.extra == part.mirror
    assert verify(env, deep=True, repair=True).state is Equality.EQUAL
    assert env.differences() == {}


def test_late_changes_are_counted_apart_from_damage(sync_env: Build) -> None:
    """A change at the source after the last sync is newer; a damaged row is different."""
    env = mirrored_env(sync_env)
    paid, damaged = list(env.truth("reservations"))[:2]
    env.sandbox.world.pay(paid)
    booked = env.sandbox.world.create_reservation(conversation=False)
    sql.execute(env.database, f"UPDATE reservations SET raw_payload = '{{}}' WHERE id = {damaged}")
    part = verify(env).resources[Resource.RESERVATIONS]
    assert (numbers(part), part.newer_at_source) == ((1, 0, 2, 0), 2)
    assert part.ids["missing"] == [booked]
    assert set(part.ids["different"]) == {paid, damaged}


def test_mirror_of_a_restored_source_is_repaired(sync_env: Build) -> None:
    """Only a repair puts older over newer; the next syncs find no difference."""
    env = mirrored_env(sync_env)
    row_id = first_of(env, "reservations")
    before = env.truth("reservations")[row_id]
    env.sandbox.world.update_reservation(row_id, guestName="Newer")
    mirror = env.mirror()
    mirror.sync.run(env.account_id)
    env.sandbox.world.corrupt("reservations", row_id, json.dumps(before).encode())
    assert mirror.sync.run(env.account_id, full=True).resources[Resource.RESERVATIONS].counts.stale == 1
    assert mirror.sync.verify(env.account_id, repair=True).state is Equality.EQUAL
    assert env.rows("reservations")[row_id] == before
    assert mirror.sync.run(env.account_id, full=True).resources[Resource.RESERVATIONS].counts.stale == 0


def test_only_a_deep_verification_finds_a_silent_message_edit(sync_env: Build) -> None:
    """A shallow certificate says which threads it did not read; a deep one finds the edit, and repairs it."""
    env = mirrored_env(sync_env, switches=Switches(edits_bump=False))
    message_id, message = next(iter(env.truth("messages").items()))
    env.sandbox.world.edit_message(message["conversationId"], message_id, "edited in silence")
    shallow = verify(env)
    assert shallow.state is Equality.EQUAL
    assert shallow.resources[Resource.MESSAGES].threads_trusted == len(env.truth("conversations"))
    part = verify(env, deep=True).resources[Resource.MESSAGES]
    assert (numbers(part), part.ids["different"]) == ((0, 0, 1, 0), [message_id])
    certificate = verify(env, deep=True, repair=True)
    assert certificate.state is Equality.EQUAL
    assert env.differences() == {}


def test_silent_edits_everywhere_are_repaired(sync_env: Build) -> None:
    """Listings, messages and deletions without a stamp: one deep repair makes all equal."""
    env = mirrored_env(sync_env)
    world = env.sandbox.world
    world.edit_listing(first_of(env, "listings"), stamp=False, name="Renamed in silence")
    (kept, message), (gone, other), *_ = env.truth("messages").items()
    world.edit_message(message["conversationId"], kept, "edited in silence")
    world.delete_message(other["conversationId"], gone)
    world.delete_reservation(list(env.truth("reservations"))[-1])
    certificate = verify(env, deep=True, repair=True)
    assert certificate.state is Equality.EQUAL
    assert env.differences() == {}


def test_only_threads_in_doubt_are_read(sync_env: Build) -> None:
    """Due threads, new or moved conversations, and passed scheduled messages: one call each."""
    env = mirrored_env(sync_env)
    due, moved, waiting = list(env.truth("conversations"))[:3]
    sql.execute(env.database, f"UPDATE conversations SET thread_due_at = now() WHERE id = {due}")
    env.sandbox.world.guest_message(moved)
    new = env.sandbox.world.create_conversation()
    said = env.sandbox.world.guest_message(new)
    sql.execute(
        env.database,
        "UPDATE conversation_messages SET is_final = false, sent_at = now() - interval '1 h' WHERE id ="
        f" (SELECT min(id) FROM conversation_messages WHERE conversation_id = {waiting})",
    )
    certificate = verify(env)
    read = {request.path.split("/")[-2] for request in env.sandbox.requests if request.route == MESSAGES}
    assert read == {str(thread) for thread in (due, moved, waiting, new)}
    part = certificate.resources[Resource.MESSAGES]
    assert part.threads_read == 4
    assert (part.missing, said in part.ids["missing"]) == (2, True)
    assert certificate.resources[Resource.CONVERSATIONS].missing == 1
    assert verify(env, repair=True).state is Equality.EQUAL
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]


def test_repaired_thread_is_read_again_for_the_certificate(sync_env: Build) -> None:
    """The written rows are compared once more, from the database."""
    env = mirrored_env(sync_env)
    moved = first_of(env, "conversations")
    env.sandbox.world.guest_message(moved)
    assert verify(env, repair=True).resources[Resource.MESSAGES].threads_read == 1
    assert env.sandbox.calls[MESSAGES] == 2


@pytest.mark.parametrize("deep", [False, True])
def test_sudden_loss_of_many_rows_is_doubted(sync_env: Build, *, deep: bool) -> None:
    """All unlisted rows count as extra, none is requested alone, and a repair marks none."""
    env = mirrored_env(sync_env, reservations=40)
    for row_id in list(env.truth("reservations"))[:15]:
        env.sandbox.world.delete_reservation(row_id)
    certificate = verify(env, repair=True, deep=deep)
    assert certificate.state is Equality.DIFFERENT
    part = certificate.resources[Resource.RESERVATIONS]
    assert (part.extra, len(part.ids["extra"])) == (15, 15)
    assert "15 of 40 rows are no longer listed" in (part.note or "")
    assert env.sandbox.calls["GET /reservations/{id}"] == 0
    assert sql.rows(env.database, "SELECT count(*) FROM reservations WHERE missing_since IS NOT NULL") == [(0,)]


def test_403_is_undecided_until_two_distant_sweeps_agree(sync_env: Build) -> None:
    """The mirror is not equal until a whole walk twenty hours later does not list the row, either."""
    env = mirrored_env(sync_env, switches=Switches(deleted_object=403))
    gone = list(env.truth("reservations"))[-1]
    for thread in env.sandbox.world.conversations_of(gone):
        sql.execute(env.database, f"DELETE FROM conversations WHERE id = {thread}")
    env.sandbox.world.delete_reservation(gone)
    certificate = verify(env, repair=True)
    assert (certificate.state, numbers(certificate.resources[Resource.RESERVATIONS])) == (
        Equality.INCOMPLETE,
        (0, 0, 0, 1),
    )
    assert "403" in (certificate.error or "")
    sql.execute(env.database, "UPDATE reservations SET unlisted_since = unlisted_since - interval '20 hours'")
    assert numbers(verify(env).resources[Resource.RESERVATIONS]) == (0, 1, 0, 0)
    assert verify(env, repair=True).state is Equality.EQUAL


@pytest.mark.parametrize("is_equal", [True, False])
def test_unlisted_row_that_still_exists_is_compared(sync_env: Build, *, is_equal: bool) -> None:
    """GET says 200: with equal content it is no difference."""
    env = mirrored_env(sync_env, conversations=False, switches=Switches(reservations_count="absent"))
    hidden = first_of(env, "reservations")
    env.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] != hidden]),
        route="GET /reservations",
        times=None,
    )
    if not is_equal:
        env.sandbox.world.pay(hidden)
    part = verify(env).resources[Resource.RESERVATIONS]
    assert (part.source, numbers(part)) == (11, (0, 0, 0 if is_equal else 1, 0))
    assert verify(env, repair=True).state is Equality.EQUAL
    assert env.differences() == {}


def test_row_newer_than_the_list_is_requested_alone(sync_env: Build) -> None:
    """A webhook had stored a later version: no false difference, and no older over newer."""
    env = mirrored_env(sync_env, conversations=False)
    row_id = first_of(env, "reservations")
    sql.execute(env.database, f"UPDATE reservations SET observed_at = now() + interval '4 minutes' WHERE id = {row_id}")
    env.sandbox.faults.add(
        faults.change_rows(lambda rows: [row | {"guestName": "Older"} if row["id"] == row_id else row for row in rows]),
        route="GET /reservations",
        times=None,
    )
    certificate = verify(env, repair=True)
    assert (certificate.state, certificate.repaired) == (Equality.EQUAL, dict.fromkeys(OBJECTS, 0))
    assert env.sandbox.calls["GET /reservations/{id}"] == 2
    assert env.differences() == {}


def test_newer_row_that_differs_from_its_object_is_different(sync_env: Build) -> None:
    """A stamp from the future hides no damage; a repair restores it."""
    env = mirrored_env(sync_env, conversations=False)
    row_id = first_of(env, "reservations")
    sql.execute(
        env.database,
        f"UPDATE reservations SET observed_at = now() + interval '4 minutes', raw_payload = '{{}}' WHERE id = {row_id}",
    )
    assert numbers(verify(env).resources[Resource.RESERVATIONS]) == (0, 0, 1, 0)
    assert verify(env, repair=True).state is Equality.EQUAL
    assert env.differences() == {}


@pytest.mark.parametrize("status", [404, 403])
def test_forbidden_newer_row_is_compared_with_the_list(sync_env: Build, status: int) -> None:
    """With 403 it counts as different; with 404 since it was listed, it is an extra row."""
    env = mirrored_env(sync_env, conversations=False, switches=Switches(reservations_count="absent"))
    row_id = first_of(env, "reservations")
    sql.execute(
        env.database,
        f"UPDATE reservations SET observed_at = now() + interval '4 minutes', raw_payload = '{{}}' WHERE id = {row_id}",
    )
    answer = faults.denied(status) if status == 403 else faults.status(404, b'{"status": "fail"}')
    env.sandbox.faults.add(answer, route="GET /reservations/{id}", times=None)
    part = verify(env).resources[Resource.RESERVATIONS]
    assert numbers(part) == ((0, 0, 1, 0) if status == 403 else (0, 1, 0, 0))


def test_changes_between_the_two_comparisons_are_no_failure(sync_env: Build) -> None:
    """A guest books during a repair: the booking is stored and compared, and the mirror is equal."""
    env = mirrored_env(sync_env, conversations=False)
    asked: list[str] = []

    def book(request: Any) -> None:
        if request.route == "GET /listings":
            asked.append(request.route)
            if len(asked) == 2:
                env.sandbox.world.create_reservation(conversation=False)

    env.sandbox.on_request(book)
    certificate = verify(env, repair=True)
    assert (certificate.state, len(asked)) == (Equality.EQUAL, 2)
    assert certificate.repaired == {**dict.fromkeys(OBJECTS, 0), Resource.RESERVATIONS: 1}
    assert env.differences() == {}


@pytest.mark.parametrize(
    "raw", [rb'{"id": 999001, "body": "a\u0000b"}', rb'{"id": 999001, "body": "half \ud83d"}', b'{"body": "no id"}']
)
def test_cleaned_record_needs_its_bytes_in_quarantine(sync_env: Build, raw: bytes) -> None:
    """Cleaned or without an id: equal with the exact bytes, missing without them, repaired."""
    env = sync_env(conversations=False)
    env.sandbox.world.append_raw("reservations", raw)
    env.mirror().sync.run(env.account_id)
    assert verify(env).state is Equality.EQUAL
    for damage in ("DELETE FROM quarantined_records", "UPDATE quarantined_records SET exact = 'other'"):
        sql.execute(env.database, f"{damage}")
        part = verify(env).resources[Resource.RESERVATIONS]
        assert numbers(part) == (1, 0, 0, 0)
        assert verify(env, repair=True).state is Equality.EQUAL
        assert sql.rows(env.database, "SELECT exact FROM quarantined_records") == [(raw,)]


def test_failed_page_leaves_the_certificate_incomplete(sync_env: Build) -> None:
    """It names the resource, and those not compared after it; a repair makes no second comparison."""
    env = mirrored_env(sync_env)
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    certificate = env.mirror(retry_attempts=2).sync.verify(env.account_id, repair=True)
    assert certificate.state is Equality.INCOMPLETE
    assert certificate.resources[Resource.LISTINGS].error is None
    assert all(certificate.resources[part].error for part in OBJECTS[1:])
    assert (certificate.error or "").startswith("reservations: ")
    assert env.sandbox.calls["GET /listings"] == 1


def test_list_that_is_never_whole_is_not_certified(sync_env: Build) -> None:
    """With a doubt no row counts as extra."""
    env = mirrored_env(sync_env, conversations=False)
    env.sandbox.faults.add(faults.change_rows(lambda rows: rows[:-1]), route="GET /listings", times=None)
    certificate = verify(env)
    part = certificate.resources[Resource.LISTINGS]
    assert (certificate.state, part.extra) == (Equality.INCOMPLETE, 0)
    assert "not read whole" in (part.error or "")


def test_forbidden_threads_are_not_certified(sync_env: Build) -> None:
    """403 on every thread: the messages could not be compared, and all else was."""
    env = mirrored_env(sync_env)
    env.sandbox.faults.add(faults.denied(403), route=MESSAGES, times=None)
    certificate = verify(env, deep=True)
    assert certificate.state is Equality.INCOMPLETE
    assert "inbox" in (certificate.resources[Resource.MESSAGES].error or "")
    assert certificate.resources[Resource.CONVERSATIONS].error is None


def test_every_verification_is_stored(sync_env: Build) -> None:
    """The printed certificate, and its options."""
    env = mirrored_env(sync_env)
    certificate = verify(env, deep=True)
    sql.execute(env.database, "DELETE FROM reservations WHERE id = (SELECT min(id) FROM reservations)")
    verify(env)
    rows = sql.rows(
        env.database, "SELECT is_equal, is_deep, api_calls, certificate FROM verifications ORDER BY verified_at"
    )
    assert [row[:2] for row in rows] == [(True, True), (False, False)]
    assert rows[0][2:] == (certificate.api_calls, certificate.document())
    assert certificate.finished_at - certificate.verified_at >= timedelta(0)


def test_verify_does_not_disturb_a_running_run(sync_env: Build) -> None:
    """Another run holds the lease: no request is sent, and no certificate is stored."""
    env = mirrored_env(sync_env)
    leases.acquire_lease(env.database, env.account_id, process_names.name_this_process())
    with pytest.raises(LeaseHeld):
        verify(env)
    assert env.sandbox.calls.total() == 0
    assert sql.rows(env.database, "SELECT count(*) FROM verifications") == [(0,)]


def test_verify_releases_its_lease(sync_env: Build) -> None:
    """A sync may follow at once."""
    env = mirrored_env(sync_env)
    verify(env)
    assert sql.rows(env.database, "SELECT owner FROM leases") == [(None,)]


def test_unknown_account_cannot_be_verified(sync_env: Build) -> None:
    """The sentence says how to add it."""
    with pytest.raises(AccountError, match="account add 70001"):
        verify(sync_env(store=False))


def test_account_that_was_never_synced_is_all_missing(sync_env: Build) -> None:
    """Every row is newer than the last sync, as there was none; a repair mirrors it whole."""
    env = sync_env()
    part = verify(env).resources[Resource.RESERVATIONS]
    assert (part.missing, part.newer_at_source, part.mirror) == (12, 12, 0)
    assert verify(env, repair=True).state is Equality.EQUAL
    assert env.differences() == {}
