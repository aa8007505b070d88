from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.calendar_writes import HORIZON, calendar_case
from tests.support.calendars import ahead
from tests.support.deliveries import ONE_RETRY, QUICK
from tests.support.kinds import make_due
from tests.support.messages import message_case
from tests.support.record_changes import history, replay
from tests.support.store.guest_data import accept_delivery

from hostaway_sync.model.records import RunState
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def told(env: SyncEnv, *resources: str) -> list[tuple[str, str, str, str | None]]:
    """Return what happened to records of these resources, with cause and its id."""
    found = [one for one in history(env.database) if one.resource in resources]
    return [(one.record_id, one.change, one.cause, one.cause_id) for one in found]


def newest(env: SyncEnv, column: str, table: str, moment: str) -> str:
    """Return the id of the newest row of a table."""
    return str(sql.rows(env.database, f"SELECT {column}::text FROM {table} ORDER BY {moment} DESC LIMIT 1")[0][0])


def test_each_change_names_its_run_delivery_and_repair(sync_env: Build) -> None:
    """The first sync writes nothing; then a run, a worker and a repair are told apart, and the chain holds."""
    env = sync_env(reservations=6, listings=2)
    mirror, world = env.mirror(retry_attempts=1), env.sandbox.account(env.account_id)
    mirror.sync.run(env.account_id)
    assert told(env, "listings", "reservations", "messages") == []
    number = min(env.truth("reservations"))
    first = env.rows("reservations")[number]
    world.update_reservation(number, hostNote="by a run")
    mirror.sync.run(env.account_id)
    run = newest(env, "run_id", "sync_runs", "triggered_at")
    world.update_reservation(number, hostNote="by a delivery")
    accept_delivery(env, "reservation.updated", {"id": number})
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()
    sql.execute(
        env.database,
        "UPDATE reservations SET raw_payload = raw_payload || '{\"hostNote\": \"wrong\"}', payload_hash = ''"
        " WHERE id = :id",
        id=number,
    )
    assert mirror.sync.verify(env.account_id, repair=True).state == "equal"
    assert told(env, "reservations") == [
        (str(number), "updated", "sync", run),
        (str(number), "updated", "webhook", newest(env, "id", "webhook_log", "created_at")),
        (str(number), "updated", None, None),
        (str(number), "updated", "verify", None),
    ]
    mine = [one for one in history(env.database) if one.resource == "reservations"]
    assert replay(mine, first) == env.rows("reservations")[number]
    assert [(one.after or {}).get("hostNote") for one in mine] == [
        "by a run",
        "by a delivery",
        "wrong",
        "by a delivery",
    ]
    reservation = world.create_reservation(listingMapId=min(env.truth("listings")))
    mirror.sync.run(env.account_id)
    new = [one for one in history(env.database) if one.record_id == str(reservation)]
    assert [(one.change, one.cause) for one in new] == [("inserted", "sync")]
    assert replay(new) == env.rows("reservations")[reservation]


def test_sent_message_names_its_intent(sync_env: Build) -> None:
    """The states of the message, and the row that it became in its thread."""
    case = message_case(sync_env)
    case.send("Welcome")
    ((intent, message),) = case.ledger("intent_id::text, message_id::text")
    assert told(case.env, "send", "messages") == [
        (intent, "inserted", "send", intent),
        (intent, "updated", "send", intent),
        (intent, "updated", "send", intent),
        (message, "inserted", "send", intent),
    ]
    states = [one.after["state"] for one in history(case.env.database) if one.resource == "send"]
    assert states == ["pending", "sending", "sent"]
    assert "Welcome" not in str([one.after for one in history(case.env.database) if one.resource == "send"])


def test_days_have_restrictions_and_prices_if_asked_for(sync_env: Build) -> None:
    """New days are no change; a price alone makes none, unless a setting asks for it; a write names itself."""
    case = calendar_case(sync_env)
    assert told(case.env, "calendar") == []
    case.edit(4, 4, price=130)
    case.edit(5, 5, isAvailable=0, status="blocked", minimumStay=3, price=140, note="for Ida")
    case.sync_all_days()
    run = newest(case.env, "run_id", "sync_runs", "triggered_at")
    (day,) = [one for one in history(case.env.database) if one.resource == "calendar"]
    assert (day.record_id, day.cause, day.cause_id) == (f"{case.listing_id}/{ahead(5)}", "sync", run)
    assert (day.before, day.after) == (
        {"is_available": True, "status": "available", "minimum_stay": 2},
        {"is_available": False, "status": "blocked", "minimum_stay": 3},
    )
    case.write(8, 8, price=150)
    assert len(told(case.env, "calendar")) == 1
    case.write(9, 9, minimum_stay=4)
    (write,) = case.ledger("write_id::text")[1:]
    assert told(case.env, "calendar")[1:] == [(f"{case.listing_id}/{ahead(9)}", "updated", "write", write)]
    case.edit(10, 10, price=160)
    mirror = case.env.mirror(calendar_days=HORIZON, keep_price_changes=True)
    mirror.sync.run(case.env.account_id, full=True)
    last = history(case.env.database)[-1]
    assert (last.record_id, last.before, last.after) == (
        f"{case.listing_id}/{ahead(10)}",
        {"price": 120},
        {"price": 160},
    )


def test_run_that_ends_otherwise_is_a_change_of_its_account(sync_env: Build) -> None:
    """Failed, failed again, well again, well again: three changes, the first of which is the first end."""
    env = sync_env(reservations=2)
    mirror = env.mirror(retry_attempts=1)
    states = []
    for is_broken in (False, True, True, False, False):
        if is_broken:
            env.sandbox.faults.add(faults.status(400, b"{}"), method="GET", times=None)
        states.append(mirror.sync.run(env.account_id, full=True).state)
        env.sandbox.faults.clear()
    assert states == [RunState.SUCCESS, *[RunState.FAILED] * 2, *[RunState.SUCCESS] * 2]
    ends = [
        (one.record_id, one.change, one.before, one.after) for one in history(env.database) if one.resource == "sync"
    ]
    account = str(env.account_id)
    assert ends == [
        (account, "inserted", None, {"state": "success"}),
        (account, "updated", {"state": "success"}, {"state": "failed"}),
        (account, "updated", {"state": "failed"}, {"state": "success"}),
    ]


def test_other_kinds_have_history_after_their_first_reading(sync_env: Build) -> None:
    """Own tables and `resources` alike: what comes, what differs, and what is gone."""
    env = sync_env(reservations=3, listings=2, conversations=False)
    mirror, world = env.mirror(resources=("default",)), env.sandbox.world
    mirror.sync.run(env.account_id)
    kinds = ("tasks", "custom_fields")
    assert told(env, *kinds) == []
    changed = {}
    for kind in kinds:
        number, row = next(iter(world.objects(kind).items()))
        changed[kind] = str(number), dict(row)
        world.put_object(kind, {**row, "title": "another", "name": "another"})
        world.put_object(kind, {key: value for key, value in row.items() if key != "id"})
        make_due(env, kind)
    mirror.sync.run(env.account_id)
    for kind in kinds:
        number, row = changed[kind]
        updated, inserted = sorted(
            (one for one in history(env.database) if one.resource == kind),
            key=lambda one: str(one.change),
            reverse=True,
        )
        assert (updated.record_id, updated.change, updated.cause) == (number, "updated", "sync")
        assert "another" in updated.after.values()
        assert (inserted.change, inserted.before) == ("inserted", None)
