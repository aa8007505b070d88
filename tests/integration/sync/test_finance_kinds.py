from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.kinds import asked_paths, stored, wrong_kinds

from hostaway_sync.model.records import RunState
from hostaway_sync.platforms.hostaway.kinds.table import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

FINANCE = [name for name, spec in KINDS.items() if spec.resource_set == "finance"]
PATHS = ["/expenses", "/guestPayments/charges", "/guestPayments/autoPayment", "/financeCustomFormula"]


def mirrored(sync_env: Build) -> tuple[SyncEnv, Mirror]:
    """Return an environment whose money was mirrored once, and its mirror."""
    env = sync_env(listings=4, reservations=200, conversations=False)
    mirror = env.mirror(resources=("finance",))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    return env, mirror


def make_due(env: SyncEnv, age: str) -> None:
    """Have charges be read so long ago, and be due."""
    past = f"due_at = now(), read_at = read_at - interval '{age}', whole_at = whole_at - interval '{age}'"
    sql.execute(env.database, f"UPDATE resource_readings SET {past} WHERE kind = 'charges'")
    sql.execute(env.database, f"UPDATE reservations SET updated_at = updated_at - interval '{age}' - interval '1 hour'")
    env.sandbox.forget()


def test_money_is_mirrored_where_it_is_chosen(sync_env: Build) -> None:
    """Expenses, charges, their rules and formulas; each list once, and nothing that opens something."""
    env, _ = mirrored(sync_env)
    assert all(stored(env, name) for name in FINANCE)
    assert set(asked_paths(env)) == set(PATHS)
    for name in FINANCE:
        assert wrong_kinds(env, [name]) == {}
    text = str(sql.rows(env.database, "SELECT raw_payload::text FROM resources"))
    for secret in ("files.example", "@host.example", "pi_", "cus_", "cardLast4", "Familie"):
        assert secret not in text


def test_charges_of_some_weeks_are_read_once_a_day(sync_env: Build) -> None:
    """By the day on which they were charged, and that on which they will be; each range is answered."""
    env, mirror = mirrored(sync_env)
    make_due(env, "2 days")
    today = datetime.now(UTC).date()
    soon = f"{today + timedelta(days=9)} 08:00:00"
    known = next(iter(env.sandbox.world.objects("charges")))
    new = env.sandbox.world.put_object("charges", {"chargeDate": None, "scheduledDate": soon, "status": "scheduled"})
    env.sandbox.world.put_object("charges", {"id": known, "chargeDate": f"{today} 08:00:00", "status": "refunded"})
    report = mirror.sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    charges = stored(env, "charges")
    assert charges[str(new)]["scheduledDate"] == soon
    assert charges[str(known)]["status"] == "refunded"
    assert report.resources["charges"].counts.missing == 0
    asked = [one.query for one in env.sandbox.requests if one.path == "/guestPayments/charges"]
    assert len(asked) == 2
    assert {query["sortBy"] for query in asked} == {"id"}


def test_charges_of_changed_reservations_are_read(sync_env: Build) -> None:
    """Also where they lie outside of the window: a payment moves the reservation's stamp alone."""
    env, mirror = mirrored(sync_env)
    make_due(env, "2 days")
    old = {"chargeDate": "2024-01-01 08:00:00", "scheduledDate": "2024-01-01 08:00:00"}
    world = env.sandbox.world
    first, second = list(world.objects("charges").values())[:2]
    for charge in (first, second):
        world.put_object("charges", {"id": charge["id"], "status": "disputed", **old})
    world.pay(first["reservationId"])
    mirror.sync.run(env.account_id)
    charges = stored(env, "charges")
    assert charges[str(first["id"])]["status"] == "disputed"
    assert charges[str(second["id"])]["status"] != "disputed"
    make_due(env, "31 days")
    mirror.sync.run(env.account_id)
    assert wrong_kinds(env, ["charges"]) == {}
