"""After an erasure no byte of the guest is in the database, whatever the source sends afterwards."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK
from tests.support.messages import SEND, message_case
from tests.support.store.database_dump import dump_columns, find_texts
from tests.support.store.guest_data import accept_delivery

from hostaway_sync.errors import HostawaySyncError, MessageRefused, UsageError
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

FIRST, LAST, MAIL = "Ydalinn", "Bergströmsen", "yd.berg@x-guests.example"
NAME, PHONE, DOOR, NOTE = f"{FIRST} {LAST}", "+47 22 33 44 77", "D-4817-xq", "Lamplight-7"
CANARIES = (NAME, FIRST, LAST, MAIL, PHONE, PHONE[4:], "4722334477", DOOR, NOTE)
FIELDS: dict[str, Any] = {
    "guestName": NAME,
    "guestFirstName": FIRST,
    "guestLastName": LAST,
    "guestEmail": MAIL,
    "phone": PHONE,
    "doorCode": DOOR,
    "hostNote": f"{NOTE} for {NAME}",
    "customFieldValues": [{"id": 1, "value": f"{NAME} {DOOR}"}],
}
PROSE = f"{NAME} ({MAIL}, {PHONE}) has {DOOR}, {NOTE}"
HEADERS = {"x-from": NAME, "x-request-id": "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11"}


def try_all(env: SyncEnv, *doings: Callable[[], object]) -> None:
    """Run these in order, whatever fails, and then the jobs of their deliveries."""
    for do in doings:
        try:
            do()
        except HostawaySyncError:
            continue
    with env.mirror(retry_attempts=1).jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()


def everywhere(case: MessageCase) -> None:
    """Put a guest into every table that can hold one: by syncs, deliveries, messages and their failures."""
    env, number, thread = case.env, case.reservation_id, case.conversation_id
    world, mirror = env.sandbox.account(env.account_id), env.mirror(retry_attempts=1)
    world.update_reservation(number, **FIELDS)
    world.guest_message(thread, PROSE)
    mirror.sync.run(env.account_id, full=True)
    world.update_reservation(number, doorCode=f"{DOOR} again")
    mirror.sync.run(env.account_id)
    case.send(f"Dear {NAME}, {NOTE}", key=f"welcome {MAIL}")
    case.add_send_fault(faults.status(422, json.dumps({"status": "fail", "message": f"{NAME}: {PHONE}"}).encode()))
    try_all(env, lambda: case.send(f"Your door: {DOOR}", key=f"door of {NAME}"))
    accept_delivery(env, "reservation.updated", {"id": number, **FIELDS})
    accept_delivery(
        env, "message.received", {"id": 1, "reservationId": number, "conversationId": thread, "body": PROSE}
    )
    accept_delivery(env, f"of {NAME}", {"guestName": NAME, "deep": [[[[[[[[{"id": number}]]]]]]]]})
    accept_delivery(env, "reservation.updated", {"guestName": NAME})
    broken = faults.status(400, json.dumps({"status": "fail", "result": FIELDS, "message": PROSE}).encode())
    env.sandbox.faults.add(broken, method="GET", times=None)
    try_all(env, lambda: mirror.sync.run(env.account_id, full=True), lambda: mirror.sync.verify(env.account_id))
    env.sandbox.faults.clear()
    accept_delivery(env, "reservation.updated", {"id": number, **FIELDS})
    world.corrupt("reservations", number, json.dumps({"id": number, **FIELDS, "x": "\0"}).encode())
    world.append_raw("reservations", json.dumps({"id": None, **FIELDS}).encode())
    world.append_raw("conversations", json.dumps([FIELDS]).encode())
    mirror.sync.run(env.account_id, full=True)
    for table in ("sent_messages", "webhook_log", "job_attempts", "dead_letters", "sync_runs", "sync_run_resources"):
        # Written by a release that did not filter sentences.
        sql.execute(
            env.database, f"UPDATE {table} SET error = 'cannot store {NAME.upper()}, {PHONE}' WHERE error <> ''"
        )
    sql.execute(env.database, f"UPDATE webhook_log SET headers = '{json.dumps(HEADERS)}', signature = '{NAME}'")
    sql.execute(
        env.database, f'UPDATE verifications SET certificate = certificate || \'{{"error": "{NAME}"}}\' RETURNING 1'
    )


def places(env: SyncEnv) -> set[str]:
    """Return the columns that hold any data of the guest."""
    return {place.removeprefix("hostaway.") for place, _ in find_texts(dump_columns(env.database), CANARIES)}


def lie(case: MessageCase, kind: str) -> None:
    """Make the source answer about a forgotten guest in a way that hides whose data it is."""
    number, thread = case.reservation_id, case.conversation_id
    kinds: dict[str, dict[str, Any]] = {
        "other owners": {"reservationId": 7, "conversationId": 8},
        "no owners": {"reservationId": None, "conversationId": None},
        "owners that are none": {"reservationId": [PROSE], "conversationId": {"x": NAME}},
        "words for stamps": {
            "updatedOn": PROSE,
            "latestActivityOn": {"of": NAME},
            "messageSentOn": PROSE,
            "date": NAME,
        },
        "words for states": {"status": NAME, "channelName": PROSE, "currency": [NAME], "cancelledBy": DOOR},
        "an id in words": {"id": f"{number} {NAME}"},
    }
    changed = kinds[kind]

    def hidden(rows: list[Any]) -> list[Any]:
        theirs = {number, thread}
        said = changed | {"guestName": NAME, "recipientName": NAME, "body": PROSE}
        return [row | said if not theirs.isdisjoint(_owners(row)) else row for row in rows]

    def copied(rows: list[Any]) -> list[Any]:
        booked, said = {"id": number, **FIELDS}, [{"reservationId": number, "body": PROSE}]
        new = {"id": 990_000_001, "reservationId": None, "body": PROSE, "guestName": NAME}
        return [*hidden(rows), new | {"Reservation": booked, "conversationMessages": said}]

    rules = case.env.sandbox.faults
    rules.add(faults.change_rows(hidden), route="GET /reservations", times=None)
    rules.add(faults.change_rows(copied), route="GET /conversations", times=None)
    rules.add(faults.change_rows(hidden), route="GET /reservations/{id}/conversations", times=None)
    rules.add(faults.change_rows(copied), path=rf"/conversations/{thread}/messages", method="GET", times=None)


def _owners(row: Any) -> set[Any]:
    return {row.get(key) for key in ("id", "reservationId", "conversationId")} if isinstance(row, dict) else set()


LIES = (
    "other owners",
    "no owners",
    "owners that are none",
    "words for stamps",
    "words for states",
    "an id in words",
)


def test_no_byte_of_a_forgotten_guest_is_left_or_returns(sync_env: Build) -> None:
    """Stored in every table by real work, erased, and then sent again in every way that hides the owner."""
    case = message_case(sync_env)
    env, number, thread = case.env, case.reservation_id, case.conversation_id
    everywhere(case)
    assert places(env) >= {
        "reservations.raw_payload",
        "conversations.raw_payload",
        "conversation_messages.raw_payload",
        "quarantined_records.exact",
        *(f"sent_messages.{name}" for name in ("body", "error", "idempotency_key")),
        *(f"webhook_log.{name}" for name in ("body", "payload", "error", "headers", "event", "signature")),
        *(f"dead_letters.{name}" for name in ("payload", "error")),
        *(f"{table}.error" for table in ("job_attempts", "sync_runs", "sync_run_resources")),
        "verifications.certificate",
        "changes.before",
        "changes.after",
    }
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    assert places(env) == set()
    world, mirror = env.sandbox.account(env.account_id), env.mirror(retry_attempts=1)
    for kind in LIES:
        world.guest_message(thread, PROSE)
        world.update_reservation(number, **FIELDS)
        lie(case, kind)
        for data in (
            {"id": number, **FIELDS},
            {"guestName": NAME},
            {"id": 5, "about": f"reservation {number} of {NAME}"},
            {"id": 5, "guestName": NAME, "deep": [[[[[[[[[[{"is": [float(number)]}]]]]]]]]]]},
        ):
            accept_delivery(env, "reservation.updated", data)
        accept_delivery(env, f"of {NAME}", {"id": number, "event": NAME})
        sync = partial(mirror.sync.run, env.account_id)
        try_all(
            env, sync, partial(sync, full=True), partial(mirror.sync.verify, env.account_id, deep=True, repair=True)
        )
        assert (kind, places(env)) == (kind, set())
        env.sandbox.faults.clear()
        try_all(env, partial(sync, full=True))
        assert (kind, places(env)) == (kind, set())


def test_erased_idempotency_key_still_prevents_a_second_message(sync_env: Build) -> None:
    """The same key sends nothing to a forgotten guest, and another key is refused."""
    case = message_case(sync_env)
    assert case.send("hello", key=f"welcome {NAME}").intent
    case.env.mirror().privacy.forget_guests(case.env.account_id, [case.reservation_id], [])
    assert find_texts(dump_columns(case.env.database), [NAME]) == []
    again = case.send("hello", key=f"welcome {NAME}")
    assert again.step.value == "other_text"
    assert case.env.sandbox.calls[SEND] == 1
    case.env.mirror().privacy.forget_guests(case.env.account_id, [case.reservation_id], [])
    assert case.send("hello", key=f"welcome {NAME}").step.value == "other_text"
    with pytest.raises(MessageRefused, match="was forgotten"):
        case.send("hello", key="another")
    assert case.env.sandbox.calls[SEND] == 1


STORED = (
    " ÄNIß@X-ü.de ",
    "äniss@x-ü.de.",
    "<Äniß@XN--X--YKA.DE>",
    "mailto:äniß@xn--x--yka.de",
    "\u00c4N\u0130SS@X-Ü.DE",
    "än\u0131ß@x-ü.de",
    '"äniß"@x-ü.de',
)


@pytest.mark.parametrize("hashed", [False, True])
def test_address_is_found_however_it_is_stored(sync_env: Build, *, hashed: bool) -> None:
    """In bookings, threads and deliveries, also where it is hashed; another guest's is not."""
    env = sync_env(reservations=12)
    mirror = env.mirror(payload_fields="*.guestEmail=hash" if hashed else "")
    world = env.sandbox.account(env.account_id)
    theirs = sorted(env.truth("reservations"))[: len(STORED)]
    for number, stored in zip(theirs, STORED, strict=True):
        world.update_reservation(number, guestEmail=stored)
    other = sorted(env.truth("reservations"))[len(STORED)]
    world.update_reservation(other, guestEmail="x-äniß@x-ü.de")
    mirror.sync.run(env.account_id)
    if not hashed:
        accept_delivery(env, "reservation.created", {"id": 990_000_007, "guestEmail": "ÄNISS@x-ü.de"})
        theirs.append(990_000_007)
    with pytest.raises(UsageError, match="give each as name@host"):
        mirror.privacy.forget_guests(env.account_id, [], ["äniß"])
    done = mirror.privacy.forget_guests(env.account_id, [], [" äNiß@X-Ü.dE. "])
    assert (list(done.reservations), done.unknown_addresses) == (theirs, 0)
    again = mirror.privacy.forget_guests(env.account_id, [3], ["äniß@x-ü.de", "nobody@x.de"])
    assert (again.rows, again.unknown, again.unknown_addresses, again.is_resumed) == ({}, (3,), 2, False)
