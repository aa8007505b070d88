"""What damaged and refused answers do to rows of the other kinds: nothing is lost, and nothing that lives is gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.kinds import filled, make_due, stored, wrong_kinds

from hostaway_sync.model.records import RunState
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_objects_of_a_refused_part_are_not_missing(sync_env: Build) -> None:
    """Of the other parts of the list they are."""
    env, mirror = filled(sync_env)
    kind = "channel_cancellation_policies"
    before = stored(env, kind)
    assert {name.partition(":")[0] for name in before} >= {"airbnb", "vrbo"}
    env.sandbox.faults.add(faults.denied(), path="/cancellationPolicies/airbnb", times=None)
    env.sandbox.faults.add(faults.change_rows(lambda rows: rows[1:]), path="/cancellationPolicies/vrbo", times=None)
    for _ in range(2):
        make_due(env, kind, age="8 days")
        assert mirror.sync.run(env.account_id).resources[kind].state is RunState.SUCCESS
    gone = before.keys() - stored(env, kind).keys()
    assert [name.partition(":")[0] for name in gone] == ["vrbo"]


def test_object_without_a_usable_id_may_be_any_that_seems_gone(sync_env: Build) -> None:
    """So none is marked, however often its list is read."""
    env, mirror = filled(sync_env)
    before = stored(env, "custom_fields")

    def damage(rows: list[Any]) -> list[Any]:
        return [rows[0] | {"id": None}, *rows[1:]]

    env.sandbox.faults.add(faults.change_rows(damage), path="/customFields", times=None)
    for _ in range(3):
        make_due(env, "custom_fields")
        report = mirror.sync.run(env.account_id).resources["custom_fields"]
        assert report.counts.quarantined > 0
    assert stored(env, "custom_fields") == before
    env.sandbox.faults.clear()
    make_due(env, "custom_fields")
    mirror.sync.run(env.account_id)
    assert wrong_kinds(env, ["custom_fields"], listed=True) == {}


@pytest.mark.parametrize("half", ["\\ud83d", "\x01"])
def test_object_that_a_strict_reader_refuses_gets_a_clean_row(sync_env: Build, half: str) -> None:
    """As those of the first four resources do; keys that open something stay out of its row and of quarantine."""
    env, mirror = filled(sync_env)
    row = f'{{"id": 77, "title": "moon {half}", "of": {{"icalKey": "SEKRET"}}}}'
    env.sandbox.faults.add(
        faults.rewrite(lambda _: f'{{"status": "success", "result": [{row}]}}'.encode()), path="/seasonalRules"
    )
    make_due(env, "seasonal_rules")
    mirror.sync.run(env.account_id)
    title = "moon \ufffd" if half == "\\ud83d" else "moon \x01"
    assert stored(env, "seasonal_rules")["77"] == {"id": 77, "title": title, "of": {}}
    kept = sql.rows(env.database, "SELECT convert_from(exact, 'UTF8') FROM quarantined_records")
    assert [json.loads(exact) for (exact,) in kept] == [{"id": 77, "title": title, "of": {}}]


def test_object_with_the_id_of_another_listing_is_kept_apart(sync_env: Build) -> None:
    """It takes no row from the other listing, until that one's list has it no longer."""
    env, mirror = filled(sync_env, listings=2)
    kind, (first, second) = "listing_fee_settings", env.sandbox.world.listing_ids
    answers: dict[int, list[dict[str, int]]] = {one: [{"id": 7, "listingMapId": one}] for one in (first, second)}

    def rows_of(listing: int) -> faults.Effect:
        return faults.change_rows(lambda _: list(answers[listing]))

    for listing in answers:
        env.sandbox.faults.add(rows_of(listing), path=f"/listingFeeSettings/{listing}", times=None)
    mirror.sync.run(env.account_id, resources=[kind])
    kept = stored(env, kind)["7"]["listingMapId"]
    other = second if kept == first else first
    report = mirror.sync.run(env.account_id, resources=[kind]).resources[kind]
    assert (report.counts.updated, report.counts.quarantined) == (0, 1)
    assert stored(env, kind)["7"]["listingMapId"] == kept
    quarantined = sql.rows(env.database, "SELECT convert_from(exact, 'UTF8')::jsonb, reason FROM quarantined_records")
    assert quarantined == [({"id": 7, "listingMapId": other}, "another listing has an object with its id")]
    answers[kept].clear()
    for _ in range(2):
        make_due(env, kind, age="8 days")
        mirror.sync.run(env.account_id)
    assert stored(env, kind)["7"]["listingMapId"] == other


def test_lists_that_are_not_found_say_nothing_of_others(sync_env: Build) -> None:
    """The oldest listings of an account are archived, and come first."""
    env = sync_env(listings=5, reservations=40, conversations=False)
    *archived, fourth, fifth = env.sandbox.world.listing_ids
    for listing in archived:
        env.sandbox.faults.add(faults.status(404), path=f"/listingFeeSettings/{listing}", times=None)
    env.mirror(resources=("default",)).sync.run(env.account_id)
    read = "SELECT parent_id FROM resource_readings WHERE kind = 'listing_fee_settings' AND refused_at IS NULL"
    assert {listing for (listing,) in sql.rows(env.database, read)} == {str(fourth), str(fifth)}


def test_resource_that_is_mirrored_no_more_has_no_alarm(sync_env: Build) -> None:
    """Nothing would ever end it; a run of other resources ends none."""
    env, mirror = filled(sync_env)
    env.sandbox.faults.add(faults.status(400), path="/seasonalRules", times=None)
    for _ in range(2):
        mirror.sync.run(env.account_id, resources=["seasonal_rules"])
    assert mirror.sync.run(env.account_id, resources=["tasks"]).alarms.alarms
    assert mirror.sync.run(env.account_id).alarms.alarms
    assert env.mirror(resources=("reviews",)).sync.run(env.account_id).alarms.alarms == ()


def test_object_that_a_partial_reading_lists_was_not_left_out(sync_env: Build) -> None:
    """One whole reading without it marks it no more than before."""
    env, mirror = filled(sync_env)
    key = max(env.sandbox.world.objects("tasks"))
    with_it = f"SELECT unlisted_since IS NOT NULL, missing_since IS NOT NULL FROM tasks WHERE id = {key}"
    env.sandbox.world.put_object("tasks", {"id": key, "canStartFrom": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"})
    mirror.sync.run(env.account_id, resources=["tasks"])
    leave_out = faults.change_rows(lambda rows: [row for row in rows if row["id"] != key])
    rule = env.sandbox.faults.add(leave_out, path="/tasks", times=None)
    mirror.sync.run(env.account_id, resources=["tasks"], full=True)
    assert sql.rows(env.database, with_it) == [(True, False)]
    env.sandbox.faults.remove(rule)
    mirror.sync.run(env.account_id, resources=["tasks"])
    assert sql.rows(env.database, with_it) == [(False, False)]
