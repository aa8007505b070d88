from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.kinds import OWN_TABLES, asked_paths, filled, is_shared, make_due, stored, true, wrong_kinds

from hostaway_sync.model.records import RunState
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

DEFAULT = [name for name, spec in KINDS.items() if spec.resource_set == "default"]


def test_first_sync_mirrors_every_kind(sync_env: Build) -> None:
    """All objects equal the source's; an idle run after it requests none of them."""
    env = sync_env(listings=4, reservations=120, conversations=False)
    mirror = env.mirror(resources=("default",))
    report = mirror.sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert wrong_kinds(env, DEFAULT) == {}
    assert {name: report.resources[name].counts.inserted for name in DEFAULT} == {
        name: len(true(env, name)) for name in DEFAULT
    }
    env.sandbox.forget()
    idle = mirror.sync.run(env.account_id)
    assert idle.api_calls <= 3
    assert asked_paths(env) == []
    assert set(idle.resources) & set(DEFAULT) == set()


def test_reviews_and_tasks_have_columns(sync_env: Build) -> None:
    """Operators filter by them."""
    env, _ = filled(sync_env)
    for kind, keys in (
        ("reviews", {"listing_id": "listingMapId", "reservation_id": "reservationId", "status": "status"}),
        ("tasks", {"listing_id": "listingMapId", "assignee_id": "assigneeUserId", "title": "title"}),
    ):
        for column, key in keys.items():
            found = sql.rows(env.database, f"SELECT id::text, {column} FROM {kind}")
            assert found
            payloads = stored(env, kind)
            assert dict(found) == {one: payloads[one].get(key) for one in payloads}


def test_each_kind_without_a_table_has_a_view(sync_env: Build) -> None:
    """With the objects of that kind alone."""
    env, _ = filled(sync_env)
    for kind in DEFAULT:
        if kind not in OWN_TABLES and not is_shared(kind):
            rows = sql.rows(env.database, f"SELECT id, raw_payload FROM {kind} WHERE account_id = {env.account_id}")
            assert dict(rows) == stored(env, kind)


def test_changed_objects_are_written_in_their_turn(sync_env: Build) -> None:
    """Added and changed ones; unchanged rows are not written again."""
    env, mirror = filled(sync_env)
    key = next(iter(env.sandbox.world.objects("seasonal_rules")))
    before = dict(sql.rows(env.database, "SELECT source_id, updated_at FROM resources WHERE kind = 'seasonal_rules'"))
    env.sandbox.world.put_object("seasonal_rules", {"id": key, "title": "Winter"})
    env.sandbox.world.put_object("seasonal_rules", {"title": "Summer"})
    make_due(env, "seasonal_rules")
    counts = mirror.sync.run(env.account_id).resources["seasonal_rules"].counts
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 1, len(before) - 1)
    assert wrong_kinds(env, ["seasonal_rules"]) == {}
    after = dict(sql.rows(env.database, "SELECT source_id, updated_at FROM resources WHERE kind = 'seasonal_rules'"))
    assert [name for name in before if before[name] != after[name]] == [str(key)]


def test_object_is_missing_after_two_whole_readings(sync_env: Build) -> None:
    """One proves nothing; an object that is listed again is live again."""
    env, mirror = filled(sync_env)
    world, key = env.sandbox.world, next(iter(env.sandbox.world.objects("custom_fields")))
    row = world.objects("custom_fields")[key]
    world.delete_object("custom_fields", key)
    make_due(env, "custom_fields")
    assert mirror.sync.run(env.account_id).resources["custom_fields"].counts.missing == 0
    assert str(key) in stored(env, "custom_fields")
    make_due(env, "custom_fields")
    assert mirror.sync.run(env.account_id).resources["custom_fields"].counts.missing == 1
    assert wrong_kinds(env, ["custom_fields"]) == {}
    world.put_object("custom_fields", row)
    make_due(env, "custom_fields")
    mirror.sync.run(env.account_id)
    assert wrong_kinds(env, ["custom_fields"]) == {}


def test_reading_of_a_window_marks_no_object_outside(sync_env: Build) -> None:
    """Old reviews stay, though a reading of the last weeks does not list them."""
    env = sync_env(listings=4, reservations=120, conversations=False)
    env.sandbox.world.put_object("reviews", {"departureDate": "2025-01-01 11:00:00"})
    mirror = env.mirror(resources=("default",))
    mirror.sync.run(env.account_id)
    known = stored(env, "reviews")
    for _ in range(3):
        make_due(env, "reviews")
        report = mirror.sync.run(env.account_id).resources["reviews"]
        assert report.counts.missing == 0
        assert report.counts.seen < len(known)
    assert stored(env, "reviews") == known


def test_suspiciously_many_missing_objects_are_not_marked(sync_env: Build) -> None:
    """The sentence names the option that accepts them."""
    env, mirror = filled(sync_env)
    for key in list(env.sandbox.world.objects("owner_statements")):
        env.sandbox.world.delete_object("owner_statements", key)
    known = stored(env, "owner_statements")
    for is_excused in (True, False):
        make_due(env, "owner_statements")
        report = mirror.sync.run(env.account_id)
        assert "--accept-missing" in str(report.resources["owner_statements"].error)
        assert report.resources["owner_statements"].is_excused is is_excused
        assert stored(env, "owner_statements") == known
    report = mirror.sync.run(env.account_id, resources=["owner_statements"], accept_missing=True)
    assert report.state is RunState.SUCCESS
    assert stored(env, "owner_statements") == {}


def test_kind_outside_the_plan_fails_no_run(sync_env: Build) -> None:
    """The refusal is stored, and the next request follows a week later."""
    env = sync_env(
        listings=4,
        reservations=40,
        conversations=False,
        switches=Switches(gate_403=("/reviews", "/listingFeeSettings/{id}")),
    )
    mirror = env.mirror(resources=("default",))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    refused = sql.rows(
        env.database,
        "SELECT kind, parent_id = '', due_at - now() > interval '6 days' FROM resource_readings"
        " WHERE refused_at IS NOT NULL AND parent_id = '' ORDER BY kind",
    )
    assert refused == [("listing_fee_settings", True, True), ("reviews", True, True)]
    assert sum(path.startswith("/listingFeeSettings") for path in asked_paths(env)) <= 3
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert asked_paths(env) == []


def test_first_failure_of_a_kind_fails_no_run(sync_env: Build) -> None:
    """The next one does; meanwhile no run tries again before an hour has passed."""
    env, mirror = filled(sync_env)
    env.sandbox.faults.add(faults.status(500), path="/seasonalRules", times=None)
    make_due(env, "seasonal_rules")
    first = mirror.sync.run(env.account_id)
    assert first.state is RunState.SUCCESS
    assert first.resources["seasonal_rules"].is_excused
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert asked_paths(env) == []
    make_due(env, "seasonal_rules")
    assert mirror.sync.run(env.account_id).state is RunState.PARTIAL


@pytest.mark.parametrize(
    "switches",
    [
        Switches(ignores_offset=True),
        Switches(caps_limit_50=True),
        Switches(moves_default_order=True),
        Switches(object_form=True),
    ],
    ids=["ignores_offset", "caps_limit_50", "moves_default_order", "object_form"],
)
def test_lists_are_read_whole_with_every_kind_of_paging(sync_env: Build, switches: Switches) -> None:
    """No endless loop, and no object lost."""
    env = sync_env(listings=4, reservations=400, conversations=False, switches=switches)
    mirror = env.mirror(resources=("default",))
    report = mirror.sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    assert wrong_kinds(env, DEFAULT) == {}


def test_settings_of_a_missing_listing_are_missing(sync_env: Build) -> None:
    """No run requests them any more."""
    env, mirror = filled(sync_env)
    listing = env.sandbox.world.listing_ids[0]
    theirs = f"kind = 'listing_fee_settings' AND parent_id = '{listing}' AND missing_since IS NULL"
    assert sql.rows(env.database, f"SELECT count(*) > 0 FROM resources WHERE {theirs}") == [(True,)]
    env.sandbox.world.delete_listing(listing)
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, f"SELECT count(*) FROM resources WHERE {theirs}") == [(0,)]
    assert wrong_kinds(env, ["listing_fee_settings", "listing_tax_settings"]) == {}


def test_named_kind_is_read_at_once(sync_env: Build) -> None:
    """Before its turn, and where the settings do not choose it; no other list is read."""
    env, mirror = filled(sync_env)
    report = mirror.sync.run(env.account_id, resources=["seasonal_rules"])
    assert list(report.resources) == ["seasonal_rules"]
    assert set(asked_paths(env)) == {"/seasonalRules"}


def test_dry_run_of_kinds_writes_nothing(sync_env: Build) -> None:
    """It counts what a run would write."""
    env = sync_env(listings=4, reservations=40, conversations=False)
    report = env.mirror(resources=("default",)).sync.run(env.account_id, dry_run=True)
    assert report.resources["reviews"].counts.inserted == len(true(env, "reviews"))
    for table in ("reviews", "tasks", "resources", "resource_readings"):
        assert sql.rows(env.database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_policies_of_all_channels_are_one_kind(sync_env: Build) -> None:
    """Though their ids collide; a channel that the account may not read costs the others nothing."""
    paths = [f"/cancellationPolicies/{channel}" for channel in ("marriott", "vrbo")]
    env = sync_env(listings=2, reservations=10, switches=Switches(gate_403=tuple(paths)))
    mirror = env.mirror(resources=("channel_cancellation_policies",))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    ids = stored(env, "channel_cancellation_policies")
    assert {name.partition(":")[0] for name in ids} == {"airbnb", "booking"}
    assert len({name.partition(":")[2] for name in ids}) < len(ids)
    env.sandbox.world.switches = Switches()
    make_due(env, "channel_cancellation_policies", age="8 days")
    mirror.sync.run(env.account_id)
    assert wrong_kinds(env, ["channel_cancellation_policies"]) == {}


def test_channel_policies_that_none_may_be_read_are_refused(sync_env: Build) -> None:
    """Of all channels: then they are asked for once a week."""
    paths = [f"/cancellationPolicies/{channel}" for channel in ("airbnb", "booking", "marriott", "vrbo")]
    env = sync_env(listings=2, reservations=10, switches=Switches(gate_403=tuple(paths)))
    mirror = env.mirror(resources=("channel_cancellation_policies",))
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    assert sql.rows(env.database, "SELECT kind, refused_at IS NULL FROM resource_readings") == [
        ("channel_cancellation_policies", False)
    ]


def test_lists_of_many_listings_that_come_empty_are_not_believed(sync_env: Build) -> None:
    """Each has one fee or two, whose loss alone would be believed; nothing is marked, and a sentence says so."""
    env, mirror = filled(sync_env)
    world = env.sandbox.world
    for listing in world.listing_ids:
        for key in list(world.objects("listing_fee_settings", listing)):
            world.delete_object("listing_fee_settings", key, listing)
    known = stored(env, "listing_fee_settings")
    assert len(known) > 3
    for _ in range(3):
        make_due(env, "listing_fee_settings", age="8 days")
        report = mirror.sync.run(env.account_id)
    assert "--accept-missing" in str(report.resources["listing_fee_settings"].error)
    assert stored(env, "listing_fee_settings") == known
