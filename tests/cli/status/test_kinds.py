from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.prometheus_text import parse_samples
from tests.support.terminal import read_on_terminal

from hostaway_sync.model.health import assess_health
from hostaway_sync.observability.prometheus import TEXTFILE_NAME
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.kinds.facts import KindFacts

    Build = Callable[..., SyncEnv]

ON = {"RESOURCES": "default"}
OF_ACCOUNTS = [name for name, spec in KINDS.items() if spec.resource_set == "default" and spec.scope != "installation"]


def known(mirror: Mirror, account_id: int = 70001) -> dict[str, KindFacts]:
    """Return what `status` knows of each kind of an account, which is the same for one account and for all."""
    (facts,) = mirror.status.overview(account_id).accounts
    assert facts.kinds in [one.kinds for one in mirror.status.overview().accounts]
    return {one.kind.name: one for one in facts.kinds}


def problems(mirror: Mirror) -> list[str]:
    """Return what `status` finds wrong with the account."""
    overview = mirror.status.overview(70001)
    return list(assess_health(overview.accounts[0], overview.now).problems)


def count_rows(env: SyncEnv, kind: str) -> int:
    """Return how many rows of a kind there are that are not missing."""
    ((number,),) = sql.rows(env.database, f"SELECT count(*) FROM {kind} WHERE missing_since IS NULL")
    return int(number)


def set_read(env: SyncEnv, ago: str, *kinds: str) -> None:
    """Have the lists of these kinds be read so long ago, and have been due a period later."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    sql.execute(
        env.database,
        f"UPDATE resource_readings SET due_at = due_at - interval '{ago}', read_at = read_at - interval '{ago}' "
        f"WHERE kind IN ({listed})",
    )


def test_history_names_every_kind_that_was_read(sync_env: Build, program: Program) -> None:
    """After the first four resources, by name."""
    env = sync_env(listings=2, reservations=20)
    env.mirror(resources=("default",)).sync.run(70001)
    done = program(env, "status", "70001", "--json", **ON)
    (run,) = json.loads(done.stdout)["accounts"][0]["runs"]
    names = list(run["resources"])
    assert names[:4] == ["listings", "reservations", "conversations", "messages"]
    assert "reviews" in names
    assert names[4:] == sorted(names[4:])
    assert program(env, "status", "70001", **ON).returncode == 0


def test_status_says_how_each_kind_stands(sync_env: Build, program: Program) -> None:
    """Rows, lists, the last reading and the next; the key is there with ID alone."""
    env = sync_env(listings=3, reservations=60, conversations=False)
    mirror = env.mirror(resources=("default",))
    assert {name: facts.read for name, facts in known(mirror).items()} == dict.fromkeys(OF_ACCOUNTS, 0)
    mirror.sync.run(70001)
    sql.execute(env.database, "UPDATE tasks SET missing_since = now() WHERE id = (SELECT min(id) FROM tasks)")
    (account,) = json.loads(program(env, "status", "70001", "--json", **ON).stdout)["accounts"]
    others = account["other_resources"]
    assert list(others) == OF_ACCOUNTS
    assert {name: one["live"] for name, one in others.items()} == {name: count_rows(env, name) for name in OF_ACCOUNTS}
    assert {name: one["missing"] for name, one in others.items() if one["missing"]} == {"tasks": 1}
    assert {name for name, one in others.items() if (one["lists"], one["read"]) == (3, 3)} == {
        "listing_fee_settings",
        "listing_tax_settings",
    }
    assert all(one["oldest_read_at"] < one["due_at"] < one["overdue_at"] for one in others.values())
    assert "other_resources" not in json.loads(program(env, "status", "--json", **ON).stdout)["accounts"][0]


def test_status_says_what_is_unavailable_and_what_failed(sync_env: Build, program: Program) -> None:
    """Since when, with the sentence, of the account or of some of its listings."""
    env = sync_env(listings=4, reservations=20, switches=Switches(gate_403=("/reviews", "/listingTaxSettings/{id}")))
    (first, *_) = env.sandbox.world.listing_ids
    env.sandbox.faults.add(faults.status(403), path=f"/listingFeeSettings/{first}", times=None)
    env.sandbox.faults.add(faults.status(500), path="/seasonalRules", times=None)
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(70001)
    facts = known(mirror)
    assert {name for name, one in facts.items() if one.is_unavailable} == {"reviews", "listing_tax_settings"}
    assert (facts["listing_fee_settings"].refused, facts["listing_fee_settings"].read) == (1, 3)
    assert (facts["seasonal_rules"].failed, facts["seasonal_rules"].read) == (1, 0)
    lines = program(env, "status", "70001", **ON).stdout.splitlines()
    told = {words[0].rstrip(":"): line for line in lines if (words := line.split())}
    assert ": unavailable since 2" in told["reviews"]
    assert "its token works elsewhere" in told["reviews"]
    assert ": unavailable since 2" in told["listing_tax_settings"]
    assert ": 1 of 4 listings unavailable since 2" in told["listing_fee_settings"]
    assert ": failed: " in told["seasonal_rules"]


def test_kind_that_became_available_is_shown_as_read(sync_env: Build) -> None:
    """The refusal of the account's lists is past once a list of a listing was read."""
    env = sync_env(listings=4, reservations=4, switches=Switches(gate_403=("/listingTaxSettings/{id}",)))
    mirror = env.mirrored(resources=("listing_tax_settings",))
    assert known(mirror)["listing_tax_settings"].is_unavailable
    env.sandbox.account(70001).switches = Switches()
    sql.execute(env.database, "UPDATE resource_readings SET due_at = now(), refused_at = now() - interval '8 days'")
    mirror.sync.run(70001)
    facts = known(mirror)["listing_tax_settings"]
    assert (facts.read, facts.refused, facts.is_unavailable) == (4, 0, False)


def test_refusal_of_a_kind_is_shown_without_guest_data(sync_env: Build, program: Program) -> None:
    """The sentence passes the same filter as every other error."""
    env = sync_env(listings=2, reservations=2)
    words = {"status": "fail", "message": "Zebedee Quux <zeb@quux.example> may not \x1b[31mread reviews"}
    env.sandbox.faults.add(faults.status(403, body=json.dumps(words).encode()), path="/reviews", times=None)
    env.mirror(resources=("reviews",)).sync.run(70001)
    for options in ([], ["--json"]):
        said = program(env, "status", "70001", *options, RESOURCES="reviews").stdout
        assert "though its token works elsewhere" in said
        assert not any(word in said for word in ("Zebedee", "Quux", "quux", "\x1b", "\\u001b"))


@pytest.mark.parametrize(("waited", "is_wrong"), [("58 hours", False), ("61 hours", True)])
def test_kind_is_a_problem_two_periods_after_its_turn(sync_env: Build, waited: str, is_wrong: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """Only where a run began after that time and did not read it."""
    env = sync_env(listings=2, reservations=2)
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(70001)
    sql.execute(env.database, "UPDATE resource_readings SET due_at = read_at + interval '20 hours'")
    set_read(env, waited, "custom_fields", "seasonal_rules", "listing_fee_settings")
    mirror.sync.run(70001, resources=("reservations",))
    said = "custom_fields, seasonal_rules not read again in time, the first has been waiting for 41 h"
    assert problems(mirror) == ([said] if is_wrong else [])
    mirror.sync.run(70001)
    assert problems(mirror) == []


def test_lists_of_gone_listings_are_not_waited_for(sync_env: Build) -> None:
    """No run reads them any more."""
    env = sync_env(listings=2, reservations=2)
    mirror = env.mirrored(resources=("listing_fee_settings",))
    set_read(env, "60 days", "listing_fee_settings")
    sql.execute(env.database, "UPDATE listings SET missing_since = now()")
    assert known(mirror)["listing_fee_settings"].overdue_at is None
    assert problems(mirror) == []


def test_kinds_fit_a_terminal_of_80_columns(sync_env: Build) -> None:
    """A line each; sentences stand beneath, whole, and kinds without rows share a line."""
    env = sync_env(listings=3, reservations=60, conversations=False, switches=Switches(gate_403=("/reviews",)))
    for kind in ("seasonal_rules", "custom_fields"):
        for key in list(env.sandbox.world.objects(kind)):
            env.sandbox.world.delete_object(kind, key)
    env.mirror(resources=("default",)).sync.run(70001)
    lines = read_on_terminal(env, "status", "70001", columns=80, **ON)
    assert max(map(len, lines)) <= 80
    (head,) = [number for number, line in enumerate(lines) if line.startswith("other resource ")]
    assert lines[head].split() == ["other", "resource", "live", "missing", "read", "(UTC)", "due", "(UTC)"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[head + 1 : head + 8]}
    assert rows["listing_fee_settings"][:2] == [str(count_rows(env, "listing_fee_settings")), "0"]
    assert rows["reviews"] == ["0", "0"]
    assert "read, and empty: custom_fields, seasonal_rules" in lines
    assert any(line.startswith("reviews: unavailable since 2") for line in lines)


def test_kinds_take_the_same_statements_for_all_accounts(sync_env: Build) -> None:
    """The number of accounts does not matter, and each follows its own resources."""
    env = sync_env(accounts=[AccountSpec(number, reservations=1, listings=2) for number in (70001, 70002)])
    mirror = env.mirror(resources=("tasks",))
    mirror.accounts.update(70001, {"resource_sets": ["seasonal_rules"]})
    mirror.sync.run_all()
    assert set(known(mirror, 70001)) == {"seasonal_rules"}
    assert set(known(mirror, 70002)) == {"tasks"}
    mirror.accounts.update(70001, {"resource_sets": ["none"]})
    (facts,) = known(mirror, 70001).values()
    assert (facts.kind.name, facts.is_on, facts.overdue_at) == ("seasonal_rules", False, None)


def test_metrics_say_what_is_old_unavailable_or_failed(sync_env: Build, tmp_path: Path) -> None:
    """By account and resource, of those that the account mirrors, in periods of each."""
    env = sync_env(
        accounts=[
            AccountSpec(70001, reservations=2, listings=4, switches=Switches(gate_403=("/reviews",))),
            AccountSpec(70002, reservations=2, listings=2),
        ]
    )
    env.sandbox.faults.add(faults.status(500), path="/seasonalRules", times=None)
    mirror = env.mirror(resources=("default",))
    mirror.accounts.update(70002, {"resource_sets": ["tasks"]})
    mirror.sync.run_all()
    set_read(env, "70 hours", "custom_fields", "listing_fee_settings")
    mirror.status.write_metrics(tmp_path)
    found = parse_samples((tmp_path / TEXTFILE_NAME).read_text())

    def numbers(name: str, **labels: str) -> dict[str, float]:
        series = {frozenset(key): value for (metric, key), value in found.items() if metric == f"hostaway_sync_{name}"}
        return {dict(key)["resource"]: value for key, value in series.items() if labels.items() <= dict(key).items()}

    ages = numbers("other_resource_reading_periods", account="70001")
    assert set(ages) == set(OF_ACCOUNTS)
    assert {name: round(age, 1) for name, age in ages.items() if age > 0.1} == {
        "custom_fields": 3.5,
        "listing_fee_settings": 0.4,
    }
    assert (ages["reviews"], ages["seasonal_rules"], ages["tasks"] > 0) == (0, 0, True)
    for state, wanted in (("unavailable", {"reviews": 1}), ("failed", {"seasonal_rules": 1})):
        lists = numbers("other_resource_unread_lists", account="70001", state=state)
        assert {name: number for name, number in lists.items() if number} == wanted
    assert set(numbers("other_resource_reading_periods", account="70002")) == {"tasks"}
    assert numbers("rows_last_day", change="inserted")["tasks"] == count_rows(env, "tasks")


def test_metrics_count_no_rows_of_other_kinds(sync_env: Build) -> None:
    """A scraper asks every few seconds; the number of accounts does not matter."""
    env = sync_env(accounts=[AccountSpec(number, reservations=1, listings=1) for number in (70001, 70002)])
    mirror = env.mirror(resources=("default",))
    mirror.sync.run_all()
    seen: list[str] = []
    container = mirror._container  # noqa: SLF001  (what a scraper gets, and its connections)
    sa.event.listen(container.database.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    container.readings()
    assert sum("resource_readings" in statement for statement in seen) == 1
    assert not [statement for statement in seen if "hostaway.resources" in statement or "hostaway.reviews" in statement]
