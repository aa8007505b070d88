from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import AccountSpec, Sandbox, Switches, World
from hostaway_sync.sandbox.rows.resources.kinds import KINDS

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

    from hostaway_sync.sandbox.rows.resources.kind import Kind

every_kind = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in KINDS.items()])


def owner_of(world: World, kind: Kind) -> int:
    """Return a listing or reservation that has objects of a kind; 0 where they belong to the account."""
    if kind.owner == "account":
        return 0
    owners = world.listing_ids if kind.owner == "listing" else [number for _, number in world.reservation_order]
    return next(number for number in owners if world.objects(kind.name, number))


def path_of(kind: Kind, owner_id: int) -> str:
    """Return the path of the objects of one owner."""
    return kind.path.replace("{id}", str(owner_id))


def by_key(kind: Kind, result: Any) -> dict[int | str, Any]:
    """Return the objects of an answer, each of which came once."""
    if kind.shape == "map":
        return dict(result)
    rows = [result] if kind.shape == "object" else result
    objects = {kind.key_of(row): row for row in rows}
    assert len(objects) == len(rows)
    return objects


@every_kind
def test_each_kind_answers_what_the_world_holds(open_sandbox: OpenSandbox, kind: Kind) -> None:
    """Whole lists, maps and walks by page alike, and twice the same."""
    sandbox, caller = open_sandbox()
    owner = owner_of(sandbox.world, kind)
    truth = sandbox.world.objects(kind.name, owner)
    path = path_of(kind, owner)
    full = {flag: 1 for flag in kind.on_request[:1] if flag}
    result = caller.walk(path, limit=40, **full) if kind.shape == "paged" else caller.page(path, **full)["result"]
    assert by_key(kind, result) == truth == World(reservations=120, listings=4).objects(kind.name, owner)
    assert truth


@every_kind
def test_each_kind_shows_what_was_put_and_deleted(open_sandbox: OpenSandbox, kind: Kind) -> None:
    """Added, changed in one key, deleted: at once, and nothing else changes."""
    sandbox, caller = open_sandbox()
    world, owner = sandbox.world, owner_of(sandbox.world, kind)
    before = world.objects(kind.name, owner)
    full = {flag: 1 for flag in kind.on_request[:1] if flag}

    def answer() -> dict[int | str, Any]:
        return by_key(kind, caller.page(path_of(kind, owner), limit=500, **full)["result"])

    if kind.shape == "map":
        assert world.put_object(kind.name, {"XX": "Atlantis"}) == "XX"
        assert answer() == before | {"XX": "Atlantis"}
        world.delete_object(kind.name, "XX")
        assert answer() == before
        return
    key = next(iter(before))
    fields = {name: before[key][name] for name in kind.identity}
    assert world.put_object(kind.name, fields | {"odd": "new\u0000\ud800"}, owner) == key
    changed = answer()
    assert changed[key]["odd"] == "new\u0000\ud800"
    assert changed.keys() == before.keys()
    assert all(changed[other] == before[other] for other in before if other != key)
    if kind.shape != "object":
        added = world.put_object(kind.name, {"odd": 1}, owner)
        assert added not in before
        assert type(added) is type(key)
        assert answer() == changed | {added: world.objects(kind.name, owner)[added]}
        world.delete_object(kind.name, added, owner)
        assert (added in answer()) == kind.soft_delete


def test_an_id_names_objects_of_several_kinds() -> None:
    """Listing and field, review and task, policies of two channels: who mixes kinds loses rows."""
    world = World(reservations=120, listings=4)
    for first, second in (
        ("reviews", "tasks"),
        ("custom_fields", "seasonal_rules"),
        ("listings", "custom_fields"),
        ("airbnb_cancellation_policies", "vrbo_cancellation_policies"),
    ):
        found = world.listing_ids if first == "listings" else world.objects(first)
        assert set(found) & set(world.objects(second)), (first, second)


def test_envelopes_count_only_where_that_is_known(open_sandbox: OpenSandbox) -> None:
    """Beside a count, `offset` is null."""
    _, caller = open_sandbox()
    page = caller.page("/reviews", limit=3, offset=2)
    assert (list(page), page["offset"]) == (["status", "result", "count", "offset"], None)
    assert page["count"] == len(caller.walk("/reviews"))
    for path in ("/tasks", "/customFields", "/seasonalRules", "/amenities", "/countries", "/cancellationPolicies"):
        assert list(caller.page(path, limit=2)) == ["status", "result"]


def test_whole_lists_ignore_limit_and_offset(open_sandbox: OpenSandbox) -> None:
    """Asked for pages, they come whole each time; paged lists obey."""
    _, caller = open_sandbox()
    whole = caller.rows("/amenities")
    assert [row["id"] for row in whole] == list(range(1, 121))
    assert caller.rows("/amenities", limit=5, offset=500) == whole
    assert len(whole) > 100
    fields = caller.rows("/customFields")
    assert caller.rows("/customFields", limit=2, offset=1) == fields[1:3]
    assert caller.rows("/customFields", limit=2, offset=len(fields)) == []


def test_a_limit_that_is_none_may_be_refused(open_sandbox: OpenSandbox) -> None:
    """As in the four large lists: the default, or 400."""
    _, caller = open_sandbox()
    _, strict = open_sandbox(switches=Switches(bad_limit="bad_request"))
    statuses = [client.get("/tasks?limit=0").status_code for client in (caller, strict)]
    assert (statuses, len(caller.rows("/customFields", limit=0))) == ([200, 400], 6)


def test_what_the_world_tells_is_a_copy() -> None:
    """A test that edits it changes nothing."""
    world = World(reservations=120, listings=4)
    number = world.put_object("reviews", {"reviewCategory": []})
    for key in (number, next(iter(world.objects("reviews")))):
        before = len(world.objects("reviews")[key]["reviewCategory"])
        world.objects("reviews")[key]["reviewCategory"].append({"category": "value", "rating": 1})
        assert len(world.objects("reviews")[key]["reviewCategory"]) == before


def test_ids_of_two_accounts_do_not_meet() -> None:
    """Unless a test wants it, as for listings and reservations."""
    with Sandbox(accounts=[AccountSpec(id=number) for number in (70001, 70002)]) as sandbox:
        first, second = (sandbox.account(number) for number in (70001, 70002))
        for kind in ("reviews", "tasks", "charges", "coupons", "airbnb_cancellation_policies"):
            first.put_object(kind, {"odd": 1})
            assert not first.objects(kind).keys() & second.objects(kind).keys()


def test_unknown_owners_and_ids_are_not_found(open_sandbox: OpenSandbox) -> None:
    """A listing that is gone or never was, a task that was deleted."""
    sandbox, caller = open_sandbox()
    listing, task = sandbox.world.listing_ids[0], next(iter(sandbox.world.objects("tasks")))
    assert caller.page(f"/tasks/{task}")["result"] == sandbox.world.objects("tasks")[task]
    sandbox.world.delete_object("tasks", task)
    sandbox.world.delete_listing(listing)
    for path in (f"/listingFeeSettings/{listing}", "/listingTaxSettings/5", f"/tasks/{task}", "/tasks/5"):
        assert caller.get(path).status_code == 404
    with pytest.raises(KeyError):
        sandbox.world.objects("listing_fee_settings", listing)
    with pytest.raises(KeyError):
        sandbox.world.delete_object("tasks", 5)
    with pytest.raises(ValueError, match="'review' is none of amenities, "):
        sandbox.world.objects("review")


def test_six_of_ten_departed_stays_have_a_review() -> None:
    """A review is of a stay that took place, with that stay's listing, channel and dates."""
    world = World(reservations=2_000)
    stays = dict(world.truth("reservations"))
    today = world.now.date().isoformat()
    departed = {
        number
        for number, row in stays.items()
        if row["status"] in ("new", "modified") and row["departureDate"] < today and row["nights"]
    }
    reviews = world.objects("reviews").values()
    assert {row["reservationId"] for row in reviews} <= departed
    assert 0.55 < len(reviews) / len(departed) < 0.65
    for row in reviews:
        stay = stays[row["reservationId"]]
        assert (row["listingMapId"], row["channelId"]) == (stay["listingMapId"], stay["channelId"])
        assert row["departureDate"] == f"{stay['departureDate']} 11:00:00"
        assert row["rating"] is None or 0 <= row["rating"] <= 10
        assert "raiting" not in row
    assert {row["status"] for row in reviews} == {
        "awaiting", "pending", "scheduled", "submitted", "published", "expired",
    }  # fmt: skip
    assert {row["type"] for row in reviews} == {"guest-to-host", "host-to-guest"}
    text = "".join(str(row["publicReview"]) for row in reviews)
    assert all(sign in text for sign in "\x07\x1b\t\r=\u200b")


def test_each_departure_of_half_a_year_has_a_task() -> None:
    """From 90 days ago to 90 days ahead; five tasks have no stay, and one not even a listing."""
    world = World(reservations=787)
    today = world.now.date()
    window = [(today + timedelta(days)).isoformat() for days in (-90, 90)]
    departures = {
        number: row["departureDate"]
        for number, row in world.truth("reservations")
        if row["status"] in ("new", "modified", "ownerStay")
        and row["nights"]
        and window[0] <= row["departureDate"] <= window[1]
    }
    tasks = list(world.objects("tasks").values())
    cleaned = {row["reservationId"]: row["canStartFrom"][:10] for row in tasks if row["reservationId"]}
    assert departures.items() <= cleaned.items()
    assert [row["listingMapId"] is None for row in tasks if not row["reservationId"]].count(True) == 1
    assert len(tasks) == len(cleaned) + 5
    assert {row["status"] for row in tasks} >= {"pending", "confirmed", "completed", "cancelled"}


def test_countries_are_a_map_of_250_keys(open_sandbox: OpenSandbox) -> None:
    """Code → name; a map without entries is the empty list that PHP makes of it."""
    sandbox, caller = open_sandbox()
    result = caller.page("/countries")["result"]
    assert len(result) == 250
    assert result["NO"] == "Norway"
    for code in list(result):
        sandbox.world.delete_object("countries", code)
    assert caller.page("/countries")["result"] == []


def test_odd_values_stand_where_hostaway_has_them() -> None:
    """JSON and lists of Python inside texts, numbers as texts, ids above 2^53."""
    world = World(reservations=120, listings=4)
    taxes = world.objects("account_tax_settings").values()
    assert all(isinstance(json.loads(row["applyTo"]), dict) for row in taxes)
    rules = world.objects("seasonal_rules").values()
    assert {row["closedForCheckin"] for row in rules} >= {"['Monday']", "['Monday', 'Sunday']", None, ""}
    item = world.objects("cancellation_policies")[300101]["cancellationPolicyItem"][0]
    assert all(isinstance(item[key], str) for key in ("id", "refundAmount", "timeDelta"))
    assert int(next(iter(world.objects("vrbo_cancellation_policies")))) > 1 << 53
    assert list(world.objects("owner_statements")[300101]) == ["id", "statementName"]


def test_an_edit_moves_the_stamp_where_the_kind_has_one() -> None:
    """Taxes have `updatedOn`, reviews have none."""
    world = World(reservations=120, listings=4)
    world.put_object("account_tax_settings", {"id": 300101, "amount": 9})
    tax = world.objects("account_tax_settings")[300101]
    assert (tax["amount"], tax["updatedOn"]) == (9, world.now.strftime("%Y-%m-%d %H:%M:%S"))
    review = world.put_object("reviews", {"rating": 1})
    assert "updatedOn" not in world.objects("reviews")[review]


def test_a_closed_gate_answers_403(open_sandbox: OpenSandbox) -> None:
    """For the paths that are named, whatever is asked of them; a misspelt one is refused at the start."""
    _, caller = open_sandbox(switches=Switches(gate_403=("/reviews", "/listingFeeSettings/{id}")))
    assert [caller.get(path).status_code for path in ("/reviews", "/listingFeeSettings/5")] == [403, 403]
    assert caller.get("/tasks").status_code == 200
    with pytest.raises(ValueError, match=r"no route has the path /review$"):
        Sandbox(switches=Switches(gate_403=("/review",)))


def test_an_ignored_offset_gives_the_first_page_again(open_sandbox: OpenSandbox) -> None:
    """Whatever the offset, and also behind the end."""
    sandbox, caller = open_sandbox(switches=Switches(ignores_offset=True))
    first = caller.rows("/tasks", limit=7)
    assert len(first) == 7 < len(sandbox.world.objects("tasks"))
    assert caller.rows("/tasks", limit=7, offset=7) == caller.rows("/tasks", limit=7, offset=9_000) == first


def test_capped_pages_hold_fifty_rows(open_sandbox: OpenSandbox) -> None:
    """However many were asked for; the walk is whole all the same."""
    sandbox, caller = open_sandbox(reservations=400, switches=Switches(caps_limit_50=True))
    assert [len(caller.rows("/reviews", limit=limit)) for limit in (10, 50, 51, 500)] == [10, 50, 50, 50]
    assert len(caller.walk("/reviews", limit=500)) == len(sandbox.world.objects("reviews")) > 50


def test_whole_lists_may_come_as_objects(open_sandbox: OpenSandbox) -> None:
    """By id; paged lists stay lists, and an empty one is `[]`."""
    sandbox, caller = open_sandbox(switches=Switches(object_form=True))
    beds = caller.page("/bedTypes")["result"]
    assert beds == {str(key): row for key, row in sandbox.world.objects("bed_types").items()}
    assert isinstance(caller.page("/tasks")["result"], list)
    bare = next(
        number for number in sandbox.world.listing_ids if not sandbox.world.objects("listing_tax_settings", number)
    )
    assert caller.page(f"/listingTaxSettings/{bare}")["result"] == []


def test_only_a_named_order_stays(open_sandbox: OpenSandbox) -> None:
    """Without `sortBy` the order is another one at each request; with it rows stay, and so do lists that know none."""
    sandbox, caller = open_sandbox(switches=Switches(moves_default_order=True))
    first, second = caller.ids("/reviews"), caller.ids("/reviews")
    assert first != second
    assert sorted(first) == sorted(second) == sorted(sandbox.world.objects("reviews"))
    assert caller.ids("/reviews", sortBy="nonsense") not in (first, second)
    assert caller.ids("/reviews", sortBy="id", sortOrder="asc") == sorted(first)
    assert caller.ids("/reviews", sortBy="id") == sorted(first, reverse=True)
    assert caller.ids("/tasks") == caller.ids("/tasks")
