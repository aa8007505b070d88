from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.calendar_writes import HORIZON, calendar_case
from tests.support.record_changes import history, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NAME = "Ida Bergström"
RULE = "reservations.guestName=hash,reservations.hostNote=drop,messages.body=drop"


def test_rule_of_fields_reaches_into_history(sync_env: Build) -> None:
    """Its rewriting is no change of any record; the versions before follow it as the rows do, and the chain holds."""
    env = sync_env(reservations=4, listings=1)
    mirror, world = env.mirror(), env.sandbox.account(env.account_id)
    mirror.sync.run(env.account_id)
    number = min(env.truth("reservations"))
    first = env.rows("reservations")[number]
    for note in (NAME, f"{NAME} again"):
        world.update_reservation(number, guestName=NAME, hostNote=note)
        world.guest_message(min(env.truth("conversations")), note)
        mirror.sync.run(env.account_id)
    before = history(env.database)
    assert NAME in str([(one.before, one.after) for one in before])
    hidden = env.mirror(payload_fields=RULE)
    hidden.sync.run(env.account_id)
    after = history(env.database)
    assert [(one.change_id, one.change) for one in after] == [(one.change_id, one.change) for one in before]
    assert NAME not in str([(one.before, one.after) for one in after])
    mine = [one for one in after if one.record_id == str(number)]
    assert [one.after["guestName"][:12] for one in mine if "guestName" in one.after] == ["hmac-sha256:"]
    began = {key: value for key, value in first.items() if key != "hostNote"} | (mine[0].before or {})
    assert replay(mine, began) == env.rows("reservations")[number]


def test_hidden_columns_of_days_leave_history(sync_env: Build) -> None:
    """The minimum stay of days is hidden: what the history has of it goes, and the rest of the change stays."""
    case = calendar_case(sync_env)
    case.edit(5, 5, isAvailable=0, status="blocked", minimumStay=3)
    case.sync_all_days()
    case.env.mirror(calendar_days=HORIZON, payload_fields="calendar.minimumStay=drop").sync.run(case.env.account_id)
    (day,) = [one for one in history(case.env.database) if one.resource == "calendar"]
    assert (set(day.keys), day.before, day.after) == (
        {"is_available", "status"},
        {"is_available": True, "status": "available"},
        {"is_available": False, "status": "blocked"},
    )


def test_forgotten_guest_leaves_nights_and_money_in_history(sync_env: Build) -> None:
    """The erasure is a change without any value; names and words go from those before, dates and prices stay."""
    env = sync_env(reservations=4, listings=1)
    mirror, world = env.mirror(), env.sandbox.account(env.account_id)
    mirror.sync.run(env.account_id)
    number = min(env.truth("reservations"))
    price = env.rows("reservations")[number]["totalPrice"]
    world.update_reservation(number, totalPrice=price + 10)
    mirror.sync.run(env.account_id)
    world.update_reservation(number, guestName=NAME)
    mirror.sync.run(env.account_id)
    mirror.privacy.forget_guests(env.account_id, [number], [])
    world.update_reservation(number, totalPrice=price + 20, guestName=f"{NAME} II")
    mirror.sync.run(env.account_id)
    found = [one for one in history(env.database) if one.record_id == str(number)]
    assert [(one.change, (one.after or {}).get("totalPrice")) for one in found] == [
        ("updated", price + 10),
        ("updated", None),
        ("erased", None),
        ("updated", price + 20),
    ]
    assert (found[1].keys, found[1].before, found[1].after) == (None, None, None)
    assert (found[2].keys, found[2].before, found[2].after, found[2].cause) == (None, None, None, None)
    assert sql.rows(env.database, "SELECT 1 FROM changes WHERE changes::text LIKE '%Ida%'") == []
