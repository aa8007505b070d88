"""Deliveries that name a forgotten guest without an object of that guest, before and after the erasure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK
from tests.support.store.database_dump import dump_columns, find_texts
from tests.support.store.guest_data import accept_delivery

from hostaway_sync.store.tables import MIRRORED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

FIRST, LAST, SHORT = "Ydalinn", "Bergströmsen", "Øy"
UNKNOWN, UNMIRRORED = 990_000_009, 990_000_010
# Texts with a part of the guest's name only, under unknown keys.
NAMED: tuple[dict[str, Any], ...] = (
    {"guestLastName": LAST},
    {"Nachname": LAST.upper()},
    {"body": f"Best wishes,\n{LAST}"},
    {"a": [{"b": {"c": [f"Mrs. {LAST.lower()}!"]}}]},
    {LAST: 1},
    {"note": f"{LAST}-Hansen"},
    {"body": f"{SHORT}, {FIRST}"},
)


def left(env: SyncEnv, *texts: str) -> set[str]:
    """Return the columns that hold one of these texts, but for those of mirrored rows."""
    mirrored = tuple(f".{table.name}." for table in MIRRORED.values())
    columns = {
        place: text for place, text in dump_columns(env.database).items() if not any(m in place for m in mirrored)
    }
    return {place for place, _ in find_texts(columns, texts)}


def work(env: SyncEnv, **options: Any) -> None:
    """Let a worker do all waiting jobs; each gets two attempts."""
    with env.mirror(retry_attempts=1, **options).jobs.start_worker(
        drain=True, policy=ONE_RETRY, timings=QUICK
    ) as working:
        working.wait()


def guests(env: SyncEnv) -> tuple[int, int]:
    """Mirror a guest with these names, and another one; return their reservations."""
    number, other, *_ = sorted(env.truth("reservations"))
    world = env.sandbox.account(env.account_id)
    names: dict[str, Any] = {
        "guestName": f"{FIRST} {SHORT} {LAST}",
        "guestFirstName": FIRST,
        "guestLastName": f"{SHORT} {LAST}",
    }
    world.update_reservation(number, **names)
    world.update_reservation(other, guestName="Bo Lind", guestFirstName="Bo", guestLastName="Lind")
    env.mirror().sync.run(env.account_id)
    return number, other


@pytest.mark.parametrize("is_dead", [False, True])
def test_earlier_deliveries_lose_the_guest(sync_env: Build, *, is_dead: bool) -> None:
    """About any object, with the guest under any key, and as dead letters too."""
    env = sync_env(reservations=6)
    number, other = guests(env)
    listing = min(env.truth("listings"))
    for named in NAMED:
        accept_delivery(env, "message.received", {"conversationId": UNKNOWN, "id": 1, **named})
        accept_delivery(env, "reservation.updated", {"id": UNMIRRORED, **named})
        accept_delivery(env, "listing.updated", {"id": listing, **named})
        accept_delivery(env, f"of {LAST}", {"id": other, **named})
        if named != NAMED[-1]:
            accept_delivery(env, "reservation.updated", {"id": other, **named})
    accept_delivery(env, "message.received", {"conversationId": UNKNOWN, "body": "see you at five"})
    accept_delivery(env, "reservation.updated", {"id": other, "guestName": "Bo Lind", "city": "Bergen, Øygarden"})
    if is_dead:
        # Each delivery has a dead letter, as if it had been the newest one when its job failed for good.
        sql.execute(
            env.database,
            "INSERT INTO dead_letters (attempt_id, kind, account_id, target_resource, target_id, job, deliveries,"
            " payload, headers, error, history) SELECT id, 'delivery', account_id, target_resource, object_id, 'job',"
            " 1, payload, headers, 'it failed', '[]' FROM webhook_log WHERE target_resource IS NOT NULL",
        )
        assert left(env, LAST) >= {"hostaway.dead_letters.payload", "hostaway.webhook_log.payload"}
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    assert left(env, LAST, LAST.upper(), LAST.lower(), FIRST, "see you at five") == set()
    assert left(env, "Bo Lind")


def test_later_deliveries_store_no_forgotten_guest(sync_env: Build) -> None:
    """The owner of an unknown conversation cannot be told; the words of another guest's delivery stay."""
    env = sync_env(reservations=6)
    number, other = guests(env)
    thread = min(env.sandbox.account(env.account_id).conversations_of(other))
    listing = min(env.truth("listings"))
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    for named in NAMED:
        accept_delivery(env, "message.received", {"conversationId": UNKNOWN, "id": 1, **named})
        accept_delivery(env, "reservation.updated", {"id": number, **named})
        accept_delivery(env, "reservation.updated", {"id": UNMIRRORED, "of": str(number), **named})
        accept_delivery(env, "listing.updated", {"id": listing, **named})
        accept_delivery(env, f"of {LAST}", named)
        accept_delivery(env, f"{FIRST}.{FIRST}", named)
    accept_delivery(env, "message.received", {"conversationId": thread, "body": "from Bo Lind"})
    accept_delivery(env, "reservation.updated", {"id": UNMIRRORED, "guestName": "Eva Holm"})
    assert left(env, LAST, LAST.upper(), LAST.lower(), FIRST) == set()
    work(env, api_url="http://127.0.0.1:9/v1")
    assert left(env, LAST, LAST.upper(), LAST.lower(), FIRST) == set()
    for text in ("from Bo Lind", "Eva Holm"):
        assert left(env, text) >= {"hostaway.dead_letters.payload", "hostaway.webhook_log.payload"}


def test_dead_letter_written_during_an_erasure_has_no_guest(sync_env: Build) -> None:
    """Its transaction read the delivery before the erasure, and writes the dead letter after it."""
    env = sync_env(reservations=6)
    number, _ = guests(env)
    accept_delivery(env, "reservation.updated", {"id": number, "guestLastName": LAST})
    payload = json.dumps({"data": {"id": number, "guestLastName": LAST}})
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    sql.execute(env.database, f"UPDATE webhook_log SET payload = '{payload}', status = 'pending'")
    work(env, api_url="http://127.0.0.1:9/v1")
    assert sql.rows(env.database, "SELECT payload FROM dead_letters") == [(None,)]


def test_conversation_found_later_erases_its_dead_letters(sync_env: Build) -> None:
    """Its reservation was forgotten before it was mirrored; inbox and dead letters lose the guest."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    world = env.sandbox.account(env.account_id)
    (thread, *_) = world.conversations_of(number)
    env.mirror().privacy.forget_guests(env.account_id, [number], [])
    accept_delivery(env, "message.received", {"conversationId": thread, "body": "hello"})
    work(env, api_url="http://127.0.0.1:9/v1")
    payload = json.dumps({"data": {"body": f"hello from {LAST}"}})
    sql.execute(env.database, f"UPDATE dead_letters SET payload = '{payload}', headers = '{payload}'")
    sql.execute(env.database, f"UPDATE webhook_log SET payload = '{payload}'")
    env.mirror().sync.run(env.account_id)
    assert left(env, LAST) == set()
