from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import RESOURCES, AccountSpec, Switches

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

SHORT = ["status", "result", "count", "limit", "offset"]
LONG = ["status", "result", "limit", "offset", "count", "page", "totalPages"]


@pytest.mark.parametrize(
    ("path", "keys"), [("/listings", SHORT), ("/reservations", SHORT), ("/conversations", LONG), ("messages", LONG)]
)
def test_each_list_has_its_own_envelope(open_sandbox: OpenSandbox, path: str, keys: list[str]) -> None:
    """Listings and reservations know no pages; a page past the end is empty and still knows the count."""
    _, caller = open_sandbox()
    if path == "messages":
        thread = caller.ids("/conversations", limit=1)[0]
        path = f"/conversations/{thread}/messages"
    whole = caller.page(path, limit=2, offset=2)
    past = caller.page(path, limit=100, offset=90_000)
    assert list(whole) == list(past) == keys
    assert (whole["status"], whole["limit"], whole["offset"]) == ("success", 2, 2)
    assert past["result"] == []
    assert past["count"] == whole["count"] > 0
    if keys is LONG:
        assert (whole["page"], whole["totalPages"]) == (2, -(-whole["count"] // 2))


def test_a_whole_walk_lists_the_truth(open_sandbox: OpenSandbox) -> None:
    """Walking everything with every flag set gives the world's own account of itself."""
    sandbox, caller = open_sandbox()
    flags = {"includeResources": 1, "includeScheduledMessages": 1, "limit": 17}
    walked = {path[1:]: caller.walk(path, **flags) for path in ("/listings", "/reservations", "/conversations")}
    threads = [row["id"] for row in walked["conversations"]]
    walked["messages"] = [
        row for number in threads for row in caller.walk(f"/conversations/{number}/messages", **flags)
    ]
    for resource in RESOURCES:
        assert {row["id"]: row for row in walked[resource]} == dict(sandbox.world.truth(resource)), resource
        assert len(walked[resource]) == sandbox.world.counts()[resource]


def test_lists_stand_in_their_documented_order(open_sandbox: OpenSandbox) -> None:
    """Listings by id, reservations by falling (updatedOn, id), conversations by messageSentOn with nulls last."""
    _, caller = open_sandbox(reservations=240)
    listings = caller.ids("/listings")
    reservations = [(row["updatedOn"], row["id"]) for row in caller.walk("/reservations", limit=500)]
    sent = [row["messageSentOn"] or "" for row in caller.walk("/conversations", limit=500)]
    assert listings == sorted(listings)
    assert reservations == sorted(reservations, reverse=True)
    assert sent == sorted(sent, reverse=True)
    assert sent[-1] == ""


@pytest.mark.parametrize("order", ["id", "date"])
def test_threads_come_newest_first(open_sandbox: OpenSandbox, order: str) -> None:
    """By id or by date, as the switch says; scheduled messages only for who asks for them."""
    sandbox, caller = open_sandbox(switches=Switches(thread_order=order))  # type: ignore[arg-type]  # a plain value where a literal is declared
    thread = caller.ids("/conversations", limit=1)[0]
    sandbox.world.schedule_message(thread, sandbox.world.now.replace(year=2030))
    sandbox.world.guest_message(thread, lag=90_000_000)
    path = f"/conversations/{thread}/messages"
    everything = caller.rows(path, includeScheduledMessages=1)
    key = "id" if order == "id" else "date"
    assert [row[key] for row in everything] == sorted((row[key] for row in everything), reverse=True)
    sent = caller.rows(path)
    assert {row["status"] for row in sent} == {"sent"}
    assert [row["id"] for row in sent] == [row["id"] for row in everything if row["status"] == "sent"]


@pytest.mark.parametrize(
    ("asked", "rows"), [("7", 7), ("1000", 500), ("501", 500), ("0", 100), ("-3", 100), ("many", 100), ("", 100)]
)
def test_limits_are_cut_not_refused(open_sandbox: OpenSandbox, asked: str, rows: int) -> None:
    """Five hundred rows are the most; what is no limit gives the default."""
    _, caller = open_sandbox(reservations=600)
    page = caller.page("/reservations", limit=asked)
    assert (len(page["result"]), page["limit"]) == (rows, rows)


def test_unknown_and_malformed_parameters_are_ignored(open_sandbox: OpenSandbox) -> None:
    """Everything comes back with 200, as if they had not been sent."""
    _, caller = open_sandbox()
    plain = caller.page("/reservations")
    nonsense: list[dict[str, Any]] = [
        {"page": 2},
        {"updatedOn": "2026-01-01"},
        {"listingMapId": 1},
        {"listingId": "abc"},
        {"offset": "x"},
        {"offset": -5},
        {"afterId": "abc"},
        {"afterId": 0},
        {"sortOrder": "byMoon"},
        {"arrivalStartDate": "soon"},
        {"status": "new"},
    ]
    assert [caller.page("/reservations", **query)["result"] for query in nonsense] == [plain["result"]] * len(nonsense)
    threads = caller.page("/conversations")
    assert caller.page("/conversations", reservationId="abc", sortOrder="latestActivity") == threads


def test_known_filters_are_honoured(open_sandbox: OpenSandbox) -> None:
    """Listing, channel, days of arrival, departure and activity, with both ends inside."""
    sandbox, caller = open_sandbox()
    rows = [row for _, row in sandbox.world.truth("reservations")]
    listing, day = rows[0]["listingMapId"], rows[0]["arrivalDate"]
    cases: list[tuple[dict[str, object], list[int]]] = [
        ({"listingId": listing}, [row["id"] for row in rows if row["listingMapId"] == listing]),
        ({"channelId": 2018}, [row["id"] for row in rows if row["channelId"] == 2018]),
        ({"isArchived": 0}, [row["id"] for row in rows if row["isArchived"] == 0]),
        (
            {"arrivalStartDate": day, "arrivalEndDate": day},
            [row["id"] for row in rows if row["arrivalDate"] == day],
        ),
        ({"departureEndDate": day}, [row["id"] for row in rows if row["departureDate"] <= day]),
        (
            {"latestActivityStart": "2026-11-10"},
            [row["id"] for row in rows if row["latestActivityOn"] >= "2026-11-10"],
        ),
    ]
    for query, expected in cases:
        page = caller.page("/reservations", limit=500, **query)
        assert [row["id"] for row in page["result"]] == expected
        assert page["count"] == len(expected)
    thread = caller.rows("/conversations", reservationId=rows[0]["id"])
    assert {row["reservationId"] for row in thread} == {rows[0]["id"]}


def test_reservations_can_be_sorted_otherwise(open_sandbox: OpenSandbox) -> None:
    """Oldest update first, by arrival, by activity and by messages, and a cursor follows that order."""
    sandbox, caller = open_sandbox()
    rows = dict(sandbox.world.truth("reservations"))
    oldest = caller.rows("/reservations", sortOrder="updatedOn", limit=500)
    assert [(row["updatedOn"], row["id"]) for row in oldest] == sorted((row["updatedOn"], n) for n, row in rows.items())
    rest = caller.ids("/reservations", sortOrder="updatedOn", limit=500, afterId=oldest[9]["id"])
    assert rest == [row["id"] for row in oldest[10:]]
    arrivals = [row["arrivalDate"] for row in caller.rows("/reservations", sortOrder="arrivalDateDesc", limit=500)]
    assert arrivals == sorted(arrivals, reverse=True)
    activity = [row["latestActivityOn"] for row in caller.rows("/reservations", sortOrder="latestActivity", limit=500)]
    assert activity == sorted(activity)
    reservation = next(number for number in rows if sandbox.world.conversations_of(number))
    sandbox.world.host_reply(sandbox.world.conversations_of(reservation)[0])
    assert caller.ids("/reservations", sortOrder="lastConversationMessageSentDesc", limit=1) == [reservation]
    sandbox.world.append_raw("reservations", b'{"id":7}')
    assert len(caller.rows("/reservations", sortOrder="lastConversationMessageReceived", limit=500)) == 120


def test_listings_can_be_sorted_and_filtered(open_sandbox: OpenSandbox) -> None:
    """By name, order and edit stamp; archived ones leave when asked to."""
    sandbox, caller = open_sandbox(listings=15)
    sandbox.world.edit_listing(sandbox.world.listing_ids[6], name="AAA")
    assert caller.ids("/listings", sortOrder="latestActivityDesc")[0] == sandbox.world.listing_ids[6]
    assert caller.ids("/listings", sortOrder="name")[0] == sandbox.world.listing_ids[6]
    assert caller.ids("/listings", sortOrder="orderReversed") == sandbox.world.listing_ids[::-1]
    edited = [row["latestActivityOn"] for row in caller.rows("/listings", sortOrder="latestActivity")]
    assert edited == sorted(edited)
    active = caller.rows("/listings", **{"specialStatus[]": "active"})
    assert len(active) == 14
    assert len(caller.rows("/listings", specialStatus="active")) == 15
    country = active[0]["country"]
    same = [row for _, row in sandbox.world.truth("listings") if row["country"] == country]
    assert caller.rows("/listings", country=country, includeResources=1) == same
    sandbox.world.append_raw("listings", b'{"name":1}')
    assert len(caller.rows("/listings", sortOrder="name")) == 16
    assert len(caller.rows("/listings", sortOrder="order")) == 16


def test_sub_objects_come_only_when_asked_for(open_sandbox: OpenSandbox) -> None:
    """Without the flag they are empty lists, on changed rows as on seeded ones."""
    sandbox, caller = open_sandbox()
    full = {row["id"]: row for row in caller.rows("/reservations", includeResources=1, limit=500)}
    filled = [number for number, row in full.items() if row["customFieldValues"]]
    sandbox.world.pay(filled[0])
    sandbox.world.edit_listing(sandbox.world.listing_ids[0], listingTags=["sea"])
    bare = caller.rows("/reservations", limit=500)
    assert all(row["hostProxyEmail"] is None and row["customFieldValues"] == [] for row in bare)
    assert all(row["hostProxyEmail"] for row in full.values())
    assert caller.rows("/listings", limit=1)[0]["listingTags"] == []
    assert caller.rows("/listings", limit=1, includeResources=1)[0]["listingTags"] == ["sea"]


@pytest.mark.parametrize("sent", ["0", "1"])
@pytest.mark.parametrize("default", [True, False])
def test_the_resources_flag_can_be_ignored(open_sandbox: OpenSandbox, sent: str, *, default: bool) -> None:
    """Where the flag is ignored, the account's default is all there is."""
    switches = Switches(include_resources="ignored", resources_by_default=default)
    _, caller = open_sandbox(switches=switches)
    assert (caller.rows("/reservations", includeResources=sent)[0]["hostProxyEmail"] is not None) == default


@pytest.mark.parametrize(("presence", "expected"), [("null", [None]), ("absent", [])])
def test_paging_keys_may_be_null_or_absent(open_sandbox: OpenSandbox, presence: Any, expected: list[None]) -> None:
    """Each endpoint's count, and the page numbers, can be switched."""
    switches = Switches(
        listings_count=presence,
        reservations_count=presence,
        conversations_count=presence,
        messages_count=presence,
        page_keys=presence,
    )
    _, caller = open_sandbox(switches=switches)
    thread = caller.ids("/conversations")[0]
    for path in ("/listings", "/reservations", "/conversations", f"/conversations/{thread}/messages"):
        page = caller.page(path)
        for key in ("count", "page", "totalPages"):
            assert [page[key] for _ in range(1) if key in page] in (expected, [])
        assert page["result"]
    assert [page[key] for key in ("count", "page") if key in page] == expected * 2


def test_odd_servers_cut_refuse_and_overfill(open_sandbox: OpenSandbox) -> None:
    """Switches set a lower maximum, refuse a limit, and send a row too many."""
    strange = Switches(max_limit=20, bad_limit="bad_request", overlong_pages=True, listings_order="id_desc")
    _, caller = open_sandbox(switches=strange, listings=30)
    assert len(caller.rows("/reservations", limit=100)) == 21
    assert len(caller.rows("/reservations")) == 21
    listings = caller.ids("/listings", limit=30)
    assert listings == sorted(listings, reverse=True)
    thread = caller.ids("/conversations", limit=1)[0]
    for path in ("/reservations", "/listings", "/conversations", f"/conversations/{thread}/messages"):
        assert caller.get(path, params={"limit": 0}).status_code == 400


def test_sorting_and_activity_filters_can_be_ignored(open_sandbox: OpenSandbox) -> None:
    """Everything comes back in the default order."""
    switches = Switches(sort_parameters="ignored", activity_filter="ignored")
    _, caller = open_sandbox(switches=switches)
    assert caller.ids("/reservations", sortOrder="updatedOn") == caller.ids("/reservations")
    assert caller.ids("/reservations", latestActivityStart="2030-01-01") == caller.ids("/reservations")
    assert caller.ids("/listings", sortOrder="latestActivityDesc") == caller.ids("/listings")


def test_conversations_may_name_the_account_for_the_listing(open_sandbox: OpenSandbox) -> None:
    """An older form of the API did so."""
    _, caller = open_sandbox(switches=Switches(conversation_listing="account_id"))
    assert {row["listingMapId"] for row in caller.rows("/conversations")} == {70001}


def test_accounts_do_not_see_each_other(open_sandbox: OpenSandbox) -> None:
    """Each token opens its own account; ids meet only where a test wants them to."""
    specs = [AccountSpec(70001, reservations=20), AccountSpec(70002, reservations=30)]
    sandbox, caller = open_sandbox(accounts=[*specs, AccountSpec(70003, reservations=20, same_ids_as_first=True)])
    type_of_caller = type(caller)
    with closing(type_of_caller(sandbox, 70002)) as second, closing(type_of_caller(sandbox, 70003)) as third:
        first_ids, second_ids = set(caller.ids("/reservations")), set(second.ids("/reservations"))
        assert (len(first_ids), len(second_ids)) == (20, 30)
        assert not first_ids & second_ids
        assert set(third.ids("/reservations")) == first_ids
        assert second.get(f"/reservations/{min(first_ids)}").status_code == 404
    assert sandbox.account(70002).account_id == 70002
