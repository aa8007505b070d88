from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.sandbox import AccountSpec, Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ROUTES = {
    "finance": "/financeField/{id}",
    "logs": "/reservations/{id}/logs",
    "agreement": "/reservations/{id}/rentalAgreement",
}


def mirrored(sync_env: Build, **options: object) -> tuple[SyncEnv, int]:
    """Return an environment that was mirrored, and a reservation with a price."""
    env = sync_env(listings=2, reservations=12, **options)
    env.mirrored()
    env.sandbox.forget()
    priced = (key for key, payload in env.truth("reservations").items() if payload.get("totalPrice"))
    return env, next(priced)


@pytest.mark.parametrize("what", ROUTES)
def test_show_asks_hostaway_about_one_reservation(sync_env: Build, program: Program, what: str) -> None:
    """Each object as received with `--json`, one line an object without it; nothing is stored."""
    env, reservation = mirrored(sync_env)
    done = program(env, "show", what, str(reservation), "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["account_id"], document["reservation_id"]) == (0, env.account_id, reservation)
    assert document["requested"] == what
    assert document["objects"]
    lines = program(env, "show", what, str(reservation)).stdout.splitlines()
    assert len(lines) == len(document["objects"]) + 1
    assert {one.path for one in env.sandbox.requests} == {ROUTES[what].format(id=reservation)}


def test_text_of_a_guest_moves_no_cursor(sync_env: Build, program: Program) -> None:
    """What a guest wrote is shown without characters that a terminal obeys."""
    env, reservation = mirrored(sync_env)
    env.sandbox.world.update_reservation(reservation, guestName="Ada \u001b[2J\u202eLovelace")
    shown = program(env, "show", "agreement", str(reservation)).stdout
    assert "Ada" in shown
    assert "\u001b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("what", ROUTES)
def test_plan_without_the_feature_is_one_sentence(sync_env: Build, program: Program, what: str) -> None:
    """And exit code 1."""
    env, reservation = mirrored(sync_env, switches=Switches(gate_403=(ROUTES[what],)))
    done = program(env, "show", what, str(reservation))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"account {env.account_id} may not read" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unknown_reservation_is_an_error(sync_env: Build, program: Program) -> None:
    """Here, or at Hostaway where the account is named; in a second account it is asked there."""
    env, reservation = mirrored(sync_env)
    done = program(env, "show", "finance", "99")
    assert (done.returncode, done.stderr.count("no account has a reservation 99 here")) == (1, 1)
    done = program(env, "show", "finance", "99", "--account", str(env.account_id))
    assert (done.returncode, done.stderr.count(f"account {env.account_id} has no reservation 99")) == (1, 1)
    done = program(env, "show", "finance", str(reservation), "--account", "5")
    assert (done.returncode, done.stderr.count("account 5")) == (1, 1)
    assert program(env, "show", "finance", "x").returncode == 2


def test_reservation_of_two_accounts_needs_the_account(sync_env: Build, program: Program) -> None:
    """Two accounts may have the same id: exit code 2, and the option that tells which."""
    first, second = 70_001, 70_002
    specs = [
        AccountSpec(first, listings=2, reservations=12),
        AccountSpec(second, listings=2, reservations=12, same_ids_as_first=True),
    ]
    env = sync_env(accounts=specs)
    mirror = env.mirror()
    for account_id in (first, second):
        mirror.sync.run(account_id)
    reservation = str(next(iter(env.truth("reservations"))))
    done = program(env, "show", "logs", reservation)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"accounts {first}, {second} have a reservation" in done.stderr
    assert program(env, "show", "logs", reservation, "--account", str(second)).returncode == 0
