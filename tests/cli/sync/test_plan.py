from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.calendars import ahead, calendar_requests
from tests.support.kinds import asked_paths
from tests.support.terminal import read_on_terminal

from hostaway_sync.model.capacity import ASSUMED_RUN_CALLS
from hostaway_sync.model.records import Mode, Resource
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

REFERENCE_PATHS = {spec.path for spec in KINDS.values() if spec.scope == "installation"}


@pytest.mark.parametrize(("reservations", "conversations"), [(12, True), (620, False)])
def test_plan_predicts_the_requests_of_a_first_sync(sync_env: Build, reservations: int, *, conversations: bool) -> None:
    """Within one in a hundred, as pages overlap; for an idle run it takes the recorded number."""
    env = sync_env(reservations=reservations, conversations=conversations)
    mirror = env.mirror()
    first, second = mirror.sync.run(70001), mirror.sync.run(70001)
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert need.first_sync_calls == pytest.approx(first.api_calls, rel=0.01)
    assert (need.run_calls, need.is_assumed) == (second.api_calls, False)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_plan_ignores_resumed_runs(sync_env: Build, after: int) -> None:
    """A first sync that was cut among its threads ends in a run without a sweep, which costs as much."""
    env = sync_env(reservations=12)
    rule = env.sandbox.faults.add(
        faults.bad_gateway(), route="GET /conversations/{id}/messages", skip=after, times=None
    )
    assert env.mirror(retry_attempts=1).sync.run(70001).error
    env.sandbox.faults.remove(rule)
    resumed = env.mirror().sync.run(70001)
    assert (resumed.mode, resumed.error) == (Mode.INCREMENTAL, None)
    ((_, need),) = env.mirror().status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert (need.run_calls, need.is_assumed) == (ASSUMED_RUN_CALLS, True)
    usual = env.mirror().sync.run(70001)
    ((_, need),) = env.mirror().status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert (need.run_calls, need.is_assumed) == (usual.api_calls, False)


def test_plan_ignores_first_syncs_made_in_parts(sync_env: Build) -> None:
    """Where lists were read one by one, the first run of all reads the threads."""
    env = sync_env(reservations=12)
    for resource in (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS):
        assert env.mirror().sync.run(70001, resources=(resource,)).error is None
    assert env.mirror().sync.run(70001).mode is Mode.INCREMENTAL
    ((_, need),) = env.mirror().status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert need.is_assumed


def test_plan_prints_a_table_and_sentences(sync_env: Build, program: Program) -> None:
    """An account that was never synced is shown as unknown, and not in the sums."""
    env = sync_env(
        accounts=[AccountSpec(70001, reservations=5, listings=1), AccountSpec(70002, reservations=5, listings=1)]
    )
    env.mirrored()
    done = program(env, "plan")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    known, unknown = lines[1].split(), lines[2].split()
    assert known[:3] == ["70001", "1", "5"]
    assert known[-2] == "3.0*"
    assert unknown[:9] == ["70002", "0", "0", "0", "?", "?", "?", "?", "?"]
    assert "unknown until its first sync is whole" in lines[2]
    assert "Every 60 min: 22.8 incremental runs and 1.2 sweeps" in done.stdout
    assert "accounts like these fit one address" in done.stdout
    assert "Not in the sums: 1 account never synced whole." in done.stdout


def test_plan_json_has_needs_and_load_of_the_address(sync_env: Build, program: Program) -> None:
    """Requests by account, null where unknown, and the load of the address."""
    env = sync_env(
        accounts=[AccountSpec(70001, reservations=5, listings=1), AccountSpec(70002, reservations=5, listings=1)]
    )
    env.mirrored()
    document = json.loads(program(env, "plan", "--every", "1440", "--json", RATE_LIMIT_IP="200/10").stdout)
    assert document.keys() == {"every_minutes", "accounts", "address"}
    known, unknown = document["accounts"]
    assert known.keys() == {"account_id", "name", "rows", "need"}
    assert known["need"].keys() == {
        *("first_sync", "first_sync_minutes", "sweep", "run", "is_assumed", "runs_a_day", "sweeps_a_day", "a_day"),
        *("calendar", "other_resources"),
    }
    assert (known["need"]["runs_a_day"], known["need"]["sweeps_a_day"]) == (0, 1)
    assert unknown["need"] is None
    assert document["address"].keys() == {
        *("accounts", "a_day", "a_day_at_most", "fitting", "sweeps_minutes", "share"),
        *("calendar_a_day", "other_resources_a_day"),
    }
    assert document["address"]["accounts"] == 1
    assert document["address"]["a_day_at_most"] == pytest.approx(20 * 0.975 * 86_400)


def test_plan_without_a_synced_account_predicts_nothing(sync_env: Build, program: Program) -> None:
    """The mirror has no account, or none that was synced."""
    done = program(sync_env(store=False), "plan")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hostaway-sync account add ID" in done.stdout
    done = program(sync_env(), "plan")
    assert "unknown until its first sync is whole" in done.stdout
    assert "fit one address" not in done.stdout


@pytest.mark.parametrize("minutes", ["0", "1441", "often"])
def test_impossible_interval_is_a_usage_error(program: Program, minutes: str) -> None:
    """Exit 2, before anything is opened."""
    assert program(None, "plan", "--every", minutes).returncode == 2


def test_plan_with_calendars_prints_both_parts_and_their_sum(sync_env: Build, program: Program) -> None:
    """Calendar calls are not in the calls of a run; the first sync has one a listing."""
    env = sync_env(listings=6, reservations=12)
    mirror = env.mirror(calendar_days=60)
    first = mirror.sync.run(70001)
    env.sandbox.world.archive_listing(min(env.truth("listings")))
    mirror.sync.run(70001, full=True)
    usual = env.mirror(calendar_days=60, calendar_after_hours=0).sync.run(70001)
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert need.calendar is not None
    assert need.first_sync_calls == pytest.approx(first.api_calls, rel=0.01)
    assert (need.run_calls, need.is_assumed) == (usual.api_calls - 5, False)
    assert need.calendar.in_turn_per_day == pytest.approx(5 * 24 / 20 + 1 / 7)
    assert need.calendar.marks_per_day is None
    said = program(env, "plan", CALENDAR_DAYS="60").stdout
    assert "calendars" in said.splitlines()[0].split()
    assert said.splitlines()[1].split()[-2] == "6+"
    assert "for calendars: 6 in turn, 0 for changed stays. + without the days of changed stays" in said
    sql.execute(env.database, "UPDATE sync_runs SET triggered_at = triggered_at - interval '4 days'")
    sql.execute(
        env.database,
        "UPDATE sync_run_resources SET updated = 6, seen = seen - updated + 6 WHERE resource = 'reservations'",
    )
    document = json.loads(program(env, "plan", "--json", CALENDAR_DAYS="60").stdout)
    calendar = document["accounts"][0]["need"]["calendar"]
    assert calendar["marks_a_day"] == pytest.approx(2 * 6 / 4, rel=0.01)  # of two runs; to the first one all are new
    assert calendar["a_day"] == pytest.approx(calendar["in_turn_a_day"] + calendar["marks_a_day"])
    need_document = document["accounts"][0]["need"]
    lists = need_document["run"] * need_document["runs_a_day"] + need_document["sweep"] * need_document["sweeps_a_day"]
    assert need_document["a_day"] == pytest.approx(lists + calendar["a_day"])
    assert document["address"]["calendar_a_day"] == calendar["a_day"]


def test_plan_counts_partly_read_calendars(sync_env: Build) -> None:
    """A run that read some days of one listing has read one calendar, not none."""
    env = sync_env(listings=3, reservations=6)
    mirror = env.mirrored(calendar_days=60)
    env.sandbox.world.create_reservation(
        listingMapId=min(env.truth("listings")), arrivalDate=ahead(5).isoformat(), departureDate=ahead(9).isoformat()
    )
    env.sandbox.forget()
    run = mirror.sync.run(70001)
    assert len(calendar_requests(env)) == 1
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert need.run_calls == run.api_calls - 1


@pytest.mark.parametrize("refused", [(), ("/reviews", "/listingFeeSettings/{id}")])
def test_plan_predicts_the_requests_for_other_resources(sync_env: Build, refused: tuple[str, ...]) -> None:
    """Nearly: a list without a count may be asked for its end, and a refusal twice; the usual run reads none."""
    env = sync_env(listings=5, reservations=60, switches=Switches(gate_403=refused))
    mirror = env.mirror(resources=("default",))
    first = mirror.sync.run(70001)
    paths = asked_paths(env)
    asked = [path for path in paths if path not in REFERENCE_PATHS]
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert need.kinds is not None
    assert need.kinds.first_sync_calls == pytest.approx(len(asked), rel=0.1, abs=1 + len(refused))
    assert need.first_sync_calls == pytest.approx(
        first.api_calls - (len(paths) - len(asked)), rel=0.1, abs=1 + 3 * len(refused)
    )
    sql.execute(env.database, "UPDATE resource_readings SET due_at = now() WHERE kind = 'listing_tax_settings'")
    costly, idle = mirror.sync.run(70001), mirror.sync.run(70001)
    assert costly.api_calls - idle.api_calls == 5
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert (need.run_calls, need.is_assumed) == (idle.api_calls, False)


def test_requests_for_other_resources_are_no_part_of_a_run(sync_env: Build) -> None:
    """Where each run reads some, those that its objects need are left out."""
    env = sync_env(listings=2, reservations=20)
    mirror = env.mirrored(resources=("seasonal_rules",))
    for _ in range(3):
        sql.execute(env.database, "UPDATE resource_readings SET due_at = now()")
        run = mirror.sync.run(70001)
        assert "seasonal_rules" in run.resources
    ((_, need),) = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert need is not None
    assert (need.run_calls, need.is_assumed) == (run.api_calls - 1, False)


def test_plan_prints_the_part_of_other_resources(sync_env: Build, program: Program) -> None:
    """A column and a part of the sum, in 80 columns; each resource by name in the document."""
    env = sync_env(accounts=[AccountSpec(number, reservations=10, listings=4) for number in (70001, 70002)])
    names = ("tasks", "listing_fee_settings", "calendar")
    on = {"RESOURCES": ",".join(names), "CALENDAR_DAYS": "30"}
    mirror = env.mirror(resources=names, calendar_days=30)
    mirror.accounts.update(70002, {"resource_sets": ["none"], "name": "Harbour Stays of the North Sea"})
    mirror.sync.run_all()
    document = json.loads(program(env, "plan", "--json", **on).stdout)
    one, two = (account["need"] for account in document["accounts"])
    assert one["other_resources"] == {
        "first_sync": 5,
        "a_day": pytest.approx(1.2 + 4 / 7),
        "resources": {"tasks": pytest.approx(1.2), "listing_fee_settings": pytest.approx(4 / 7)},
    }
    assert (two["other_resources"], two["calendar"]) == (None, None)
    assert document["address"]["other_resources_a_day"] == one["other_resources"]["a_day"]
    lines = read_on_terminal(env, "plan", columns=80, **on)
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[-4:] == ["calendars", "others", "a", "day"]
    assert lines[1].split()[-2] == "2"
    assert "2 at most for other resources," in " ".join(line.strip() for line in lines)
    lines = program(env, "plan", RESOURCES="none").stdout.splitlines()
    assert "others" not in lines[0]
