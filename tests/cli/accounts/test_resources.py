from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.calendars import ahead
from tests.support.kinds import asked_paths

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import WriteRequest
from hostaway_sync.observability import metric_catalog
from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

ID = "70001"
UPDATE = ("account", "update", ID, "--resources")


def read_kinds(env: SyncEnv, account_id: int) -> set[str]:
    """Return the kinds of which a list of an account was read."""
    query = f"SELECT DISTINCT kind FROM resource_readings WHERE account_id = {account_id}"
    return {kind for (kind,) in sql.rows(env.database, query)}


def test_resources_of_an_account_are_stored_and_audited(sync_env: Build, program: Program) -> None:
    """`setting` takes them back; what is already so is no change."""
    env = sync_env()
    for names, wanted in (("default, finance", ["default", "finance"]), ("none", ["none"]), ("setting", None)):
        done = program(env, *UPDATE, names, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["resource_sets"] == wanted
        assert json.loads(done.stdout)["changed"] == ["resource_sets"]
        assert json.loads(program(env, *UPDATE, names, "--json").stdout)["changed"] == []
        for command in (("list",), ("show", ID)):
            document = json.loads(program(env, "account", *command, "--json").stdout)
            assert (document if command[1:] else document[0])["resource_sets"] == wanted
    changes = sql.rows(env.database, "SELECT changes FROM audit_log WHERE action = 'updated' ORDER BY audit_id")
    assert [change["resource_sets"] for (change,) in changes] == [
        {"old": "setting", "new": "default,finance"},
        {"old": "default,finance", "new": "none"},
        {"old": "none", "new": "setting"},
    ]


def test_account_show_names_its_resources(sync_env: Build, program: Program) -> None:
    """In one line, separated by commas."""
    env = sync_env()
    assert "resource sets" not in program(env, "account", "show", ID).stdout
    program(env, *UPDATE, "default,users")
    said = program(env, "account", "show", ID).stdout
    assert "resource sets     default, users\n" in said
    assert "resource_sets: setting → default,users" in said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("everything", "--resources names 'everything', but there are only the sets default, finance,"),
        ("setting,default", "--resources names 'setting', but there are only"),
        ("none,default", "--resources names 'none', but there are only"),
        ("", "--resources names nothing"),
    ],
)
def test_unknown_names_of_resources_are_refused(sync_env: Build, program: Program, names: str, said: str) -> None:
    """One sentence, exit 2, and nothing is stored."""
    env = sync_env()
    done = program(env, *UPDATE, names)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert sql.rows(env.database, "SELECT resource_sets FROM accounts") == [(None,)]


def choose(mirror: Mirror, *names: str) -> None:
    """Have the account mirror these resources."""
    mirror.accounts.update(70001, {"resource_sets": list(names)})


def test_runs_mirror_what_the_account_chooses(sync_env: Build, program: Program) -> None:
    """`sync`, `sync-all` and a worker; an account that chooses nothing follows the setting."""
    env = sync_env(accounts=[AccountSpec(number, reservations=4, listings=2) for number in (70001, 70002)])
    mirror = env.mirror(resources=("coupons",))
    choose(mirror, "seasonal_rules")
    mirror.sync.run_all()
    assert (read_kinds(env, 70001), read_kinds(env, 70002)) == ({"seasonal_rules"}, {"coupons"})
    choose(mirror, "seasonal_rules", "tasks")
    mirror.sync.run(70001)
    assert read_kinds(env, 70001) == {"seasonal_rules", "tasks"}
    choose(mirror, "users", "tasks", "known_to_a_newer_version")
    assert program(env, "sync-all", "--enqueue").returncode == 0
    assert program(env, "worker", "--drain", RESOURCES="coupons").returncode == 0
    assert (read_kinds(env, 70001), read_kinds(env, 70002)) == ({"seasonal_rules", "tasks", "users"}, {"coupons"})
    choose(mirror, "none")
    env.sandbox.forget()
    mirror.sync.run(70001, full=True)
    assert asked_paths(env) == []


def test_calendars_follow_the_resources_of_the_account(sync_env: Build) -> None:
    """Read or not, shown or not, planned or not; either way round."""
    env = sync_env(accounts=[AccountSpec(number, reservations=4, listings=2) for number in (70001, 70002)])
    read = "SELECT account_id, count(*) FROM calendar_readings GROUP BY account_id ORDER BY account_id"
    mirror = env.mirror(calendar_days=20)
    choose(mirror, "none")
    mirror.sync.run_all()
    assert sql.rows(env.database, read) == [(70002, 2)]
    one, two = (facts.calendar for facts in mirror.status.overview().accounts)
    assert (one, two and two.is_on) == (None, True)
    needs = mirror.status.forecast(every=timedelta(hours=1)).needs
    assert [need and need.calendar is not None for _, need in needs] == [False, True]
    mirror = env.mirror(calendar_days=20, resources=("none",))
    choose(mirror, "calendar")
    mirror.sync.run_all()
    assert sql.rows(env.database, read) == [(70001, 2), (70002, 2)]
    one, two = (facts.calendar for facts in mirror.status.overview().accounts)
    assert (one and one.is_on, two and two.is_on) == (True, False)
    samples = mirror._container.readings()  # noqa: SLF001  (what a scraper gets)
    ages = {one.values[0]: one.value > 0 for one in samples if one.metric is metric_catalog.CALENDAR_OLDEST}
    assert ages == {"70001": True, "70002": False}
    mirror.sync.verify(70001, calendar=True)


def test_unmirrored_calendar_is_neither_compared_nor_written(sync_env: Build) -> None:
    """One sentence says what to do."""
    env = sync_env(listings=2, reservations=4)
    mirror = env.mirror(calendar_days=20)
    choose(mirror, "none")
    mirror.sync.run(70001)
    days = Days(ahead(20), ahead(21))
    request = WriteRequest(min(env.truth("listings")), days, {"is_available": False})
    advice = "use `hostaway-sync account update 70001 --resources default`, and sync once"
    for act in (lambda: mirror.sync.verify(70001, calendar=True), lambda: mirror.calendar_writes.prepare(request)):
        with pytest.raises(ConfigurationError, match=advice):
            act()
