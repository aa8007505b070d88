from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.store.guest_data import dump_rows

from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NAME = "Ottilie Brandtvig"


def reviewed(env: SyncEnv) -> int:
    """Have a guest of this name write a review and cause a task; return the reservation."""
    world = env.sandbox.world
    reservation = next(number for number, row in env.truth("reservations").items() if row["status"] == "new")
    world.update_reservation(reservation, guestName=NAME, guestFirstName="Ottilie", guestLastName="Brandtvig")
    world.put_object("reviews", {"reservationId": reservation, "guestName": NAME, "publicReview": "Lovely! Ottilie"})
    world.put_object("tasks", {"reservationId": reservation, "title": f"Clean after {NAME}"})
    world.put_object("seasonal_rules", {"title": f"Discount for {NAME}"})
    return reservation


def test_no_trace_of_a_forgotten_guest_stays_in_other_kinds(sync_env: Build) -> None:
    """Reviews and tasks of the guest are emptied, as is any object that names the guest; their numbers stay."""
    env = sync_env(listings=2, reservations=20)
    reservation = reviewed(env)
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(env.account_id)
    assert "Brandtvig" in dump_rows(env)
    done = mirror.privacy.forget_guests(env.account_id, [reservation], [])
    assert done.rows.keys() >= {"reviews", "tasks", "resources"}
    assert "Brandtvig" not in dump_rows(env)
    assert sql.rows(env.database, f"SELECT count(*) FROM reviews WHERE reservation_id = {reservation}") == [(1,)]


def test_no_trace_of_a_forgotten_guest_stays_in_quarantine(sync_env: Build) -> None:
    """A review that had to be cleaned was kept beside its row, too."""
    env = sync_env(listings=2, reservations=20)
    reservation = reviewed(env)
    half = faults.rewrite(lambda body: body.replace(b"Lovely!", b"Lovely \\ud83d"))
    env.sandbox.faults.add(half, path="/reviews", times=None)
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(env.account_id)
    assert sql.rows(env.database, "SELECT resource FROM quarantined_records") == [("reviews",)]
    mirror.privacy.forget_guests(env.account_id, [reservation], [])
    assert "Brandtvig" not in dump_rows(env)


def test_what_is_written_later_of_a_forgotten_guest_is_not_stored(sync_env: Build) -> None:
    """The host answers the review weeks later, and the whole text would come back with it."""
    env = sync_env(listings=2, reservations=20)
    reservation = reviewed(env)
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(env.account_id)
    mirror.privacy.forget_guests(env.account_id, [reservation], [])
    world = env.sandbox.world
    for kind in ("reviews", "tasks"):
        for key, row in world.objects(kind).items():
            if row["reservationId"] == reservation:
                world.put_object(kind, {"id": key, "status": "published", "odd": NAME})
    report = mirror.sync.run(env.account_id, full=True)
    assert report.resources["reviews"].counts.updated == 1
    assert "Brandtvig" not in dump_rows(env)
    assert sql.rows(env.database, f"SELECT status FROM reviews WHERE reservation_id = {reservation}") == [(None,)]


@pytest.mark.parametrize("is_nested", [False, True])
def test_keys_that_open_something_are_in_no_dump(sync_env: Build, *, is_nested: bool) -> None:
    """Whatever the kind; the values stand in what the sandbox serves, so the test would see them."""
    env = sync_env(listings=2, reservations=20)
    world = env.sandbox.world
    opens = {"verificationCode": "4711-opens-0", "icalKey": "4711-opens-1", "password": "4711-opens-2"}
    for kind in ("users", "coupons", "reviews", "tasks", "custom_fields"):
        fields = {"nested": [{"deeper": opens}]} if is_nested else opens
        world.put_object(kind, fields)
    mirror = env.mirror(resources=("default", "texts", "people"))
    mirror.sync.run(env.account_id)
    said = dump_rows(env)
    assert "4711-opens" not in said
    users = [str(row.get("icalKey")) for row in world.objects("users").values()]
    assert not [one for one in users if one != "None" and one in said]
