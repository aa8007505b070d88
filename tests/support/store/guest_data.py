"""Everything that a mirror holds of a guest, and the ways in which it arrives there."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK

from hostaway_sync.model.deliveries import Delivery
from hostaway_sync.platforms.hostaway.webhooks.events import read_event
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv


def dump_rows(env: SyncEnv) -> str:
    """Return every row of every table as text; bytes are decoded as far as possible."""
    tables = [row[0] for row in sql.rows(env.database, "SELECT tablename FROM pg_tables WHERE schemaname = 'hostaway'")]
    return "\n".join(
        str(value) for table in tables for row in sql.rows(env.database, f"SELECT * FROM {table}") for value in row
    )


def accept_delivery(env: SyncEnv, event: str, data: dict[str, Any]) -> None:
    """Put a delivery into the inbox, as the receiver does."""
    document = {"object": "reservation", "event": event, "accountId": env.account_id, "data": data}
    body = json.dumps(document, ensure_ascii=False).encode()
    claims, payload = read_event(body, account_id=env.account_id)
    delivery = Delivery(uuid4(), env.account_id, claims, body, payload, {}, "here")
    env.database.transaction(partial(inbox.accept_delivery, delivery=delivery, platform="hostaway"))


def refresh_and_sync(env: SyncEnv) -> None:
    """Do the jobs of deliveries, and mirror everything again."""
    mirror = env.mirror()
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()
    mirror.sync.run(env.account_id, full=True)


def store_guest(env: SyncEnv, reservation: int, name: str, *, told: bool = True) -> None:
    """Store a guest of this name everywhere: in the booking, its thread, the inbox, and quarantine."""
    world = env.sandbox.account(env.account_id)
    fields: dict[str, Any] = {
        "guestName": name,
        "guestEmail": f"{reservation}@guests.example",
        "hostNote": f"for {name}",
    }
    world.update_reservation(reservation, **fields, customFieldValues=[{"id": 1, "value": name}])
    if told:
        accept_delivery(env, "reservation.updated", dict(env.truth("reservations")[reservation]))
    for thread in world.conversations_of(reservation):
        world.guest_message(thread, f"I am {name}")
        if not told:
            continue
        newest = max(env.truth("messages").values(), key=lambda message: int(message["id"]))
        accept_delivery(env, "message.received", dict(newest))
    raw = json.dumps({**env.truth("reservations")[reservation], "comment": f"\0{name}"})
    world.corrupt("reservations", reservation, raw.encode())
