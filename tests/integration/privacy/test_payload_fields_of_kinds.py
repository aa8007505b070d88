from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.kinds import stored

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.privacy import payload_rewrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NAME = "Ida Bergström"
KINDS = ("reviews", "tasks", "expenses", "users", "amenities")
VERSIONS = (
    "SELECT id::text AS name, payload_hash, updated_at FROM reviews UNION ALL"
    " SELECT kind || source_id, payload_hash, updated_at FROM resources ORDER BY 1"
)


def named(sync_env: Build) -> SyncEnv:
    """Return an environment in which a review, a task and an expense name a guest, and one review has no id."""
    env = sync_env(listings=2, reservations=60, conversations=False)
    world = env.sandbox.world
    world.put_object("reviews", {"id": next(iter(world.objects("reviews"))), "guestName": NAME, "rating": 9})
    world.put_object("tasks", {"id": next(iter(world.objects("tasks"))), "title": f"Call {NAME}"})
    world.put_object("expenses", {"id": next(iter(world.objects("expenses"))), "guestName": NAME})
    nameless = {"id": None, "guestName": NAME, "text": "hello"}
    effect = faults.change_rows(lambda rows: [*rows, nameless])
    env.sandbox.faults.add(effect, route="GET /reviews", times=None)
    return env


def run(env: SyncEnv, setting: str = "", **options: Any) -> Any:
    """Mirror the kinds by a rule of redaction."""
    mirror = env.mirror(resources=KINDS, payload_fields=setting)
    return mirror.sync.run(env.account_id, **{"resources": KINDS, "full": True, **options})


def dump(env: SyncEnv) -> str:
    """Return everything that is stored of the kinds."""
    texts = [
        str(sql.rows(env.database, f"SELECT * FROM {table}"))
        for table in ("reviews", "tasks", "resources", "reference_data")
    ]
    exact = sql.rows(env.database, "SELECT exact FROM quarantined_records")
    return "".join([*texts, *(bytes(one).decode() for (one,) in exact)])


def test_hidden_fields_of_kinds_are_in_no_row(sync_env: Build) -> None:
    """Neither in payload, column nor quarantine; another name is no change; reference data has nobody's fields."""
    env = named(sync_env)
    setting = "*.guestName=drop,tasks.title=hash,reviews.rating=hash,*.name=drop"
    assert run(env, setting).resources["reviews"].quality.misfits == 0
    assert NAME not in dump(env)
    assert sql.rows(env.database, "SELECT count(*) FROM tasks WHERE title NOT LIKE 'hmac-sha256:%'") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM reviews WHERE rating IS NOT NULL") == [(0,)]
    assert all("name" in one for one in stored(env, "amenities").values())
    assert not any("name" in one for one in stored(env, "users").values())
    versions = sql.rows(env.database, VERSIONS)
    world = env.sandbox.world
    world.put_object("reviews", {"id": next(iter(world.objects("reviews"))), "guestName": "Somebody else"})
    report = run(env, setting)
    assert report.resources["reviews"].counts.updated == 0
    assert sql.rows(env.database, VERSIONS) == versions


def test_stored_objects_of_kinds_are_rewritten_by_a_new_rule(sync_env: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the next reading, in batches, with columns and quarantine; what had no such field keeps its time."""
    env = named(sync_env)
    run(env)
    assert NAME in dump(env)
    before = dict(sql.rows(env.database, "SELECT id, updated_at FROM reviews"))
    monkeypatch.setattr(payload_rewrite, "BATCH", 3)
    setting = "reviews.guestName=drop,reviews.rating=drop,tasks.title=hash,expenses.guestName=hash"
    run(env, setting, resources=["listings"])
    assert NAME not in dump(env)
    assert sql.rows(env.database, "SELECT count(*) FROM reviews WHERE rating IS NOT NULL") == [(0,)]
    titles = sql.rows(env.database, "SELECT title, raw_payload ->> 'title' FROM tasks WHERE title IS NOT NULL")
    assert titles
    assert all(column == payload and column.startswith("hmac-sha256:") for column, payload in titles)
    rewritten = dict(sql.rows(env.database, "SELECT id, updated_at FROM reviews"))
    assert rewritten != before
    run(env, setting)
    assert dict(sql.rows(env.database, "SELECT id, updated_at FROM reviews")) == rewritten
    assert json.dumps(stored(env, "users"))


def test_rule_for_one_kind_rewrites_no_other_of_the_same_id(sync_env: Build) -> None:
    """Ids are unique within a kind alone."""
    env = sync_env(listings=2, reservations=20)
    kinds = ("custom_fields", "seasonal_rules")
    for kind in kinds:
        env.sandbox.world.put_object(kind, {"id": 4711, "odd": NAME})
    env.mirror(resources=kinds).sync.run(env.account_id)
    hidden = env.mirror(resources=kinds, payload_fields="custom_fields.odd=drop")
    hidden.sync.run(env.account_id)
    assert "odd" not in stored(env, "custom_fields")["4711"]
    assert stored(env, "seasonal_rules")["4711"]["odd"] == NAME


@pytest.mark.parametrize("row", [{}, {"id": None}])
def test_process_with_another_rule_writes_no_object(sync_env: Build, row: dict[str, Any]) -> None:
    """It began before the rule: it stops where it would write an object, or quarantine one."""
    env = sync_env(listings=1, reservations=30)
    other = env.mirror()

    def change(rows: list[Any]) -> list[Any]:
        other.payload_fields.set_rule("reviews.guestName=drop")
        return [rows[0] | row]

    env.sandbox.faults.add(faults.change_rows(change), route="GET /reviews")
    with pytest.raises(ConfigurationError):
        run(env, resources=["reviews"])
    for table in ("reviews", "quarantined_records"):
        assert sql.rows(env.database, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("reviews.id=drop", r"hides reviews\.id"),
        ("expenses.reservationId=hash", r"hides expenses\.reservationId"),
        ("amenities.name=drop", "names amenities"),
        ("guests.phone=drop", "names guests"),
    ],
)
def test_rules_that_kinds_cannot_have_are_refused(sync_env: Build, setting: str, said: str) -> None:
    """Ids are needed, also those by which a forgotten guest is known; and reference data is nobody's."""
    env = sync_env(listings=1, reservations=1)
    with pytest.raises(ConfigurationError, match=said):
        env.mirror(payload_fields=setting)
