"""The client's walks that read only what is new, against a real HTTP server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.client_env import START, Stage, ids_of, stage, truth

from hostaway_sync.errors import NotFound
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Page, Record
    from hostaway_sync.sandbox import Request

LAG = timedelta(minutes=15)
IRRELEVANT = {
    "sent_status",
    "invalid_write",
    "webhook_ports",
    "legacy_webhooks",
    "delivery_log",
    "delivery_log_order",
    "delivery_nesting",
    "token_counts",
}
SWITCHES = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in Switches.choices().items() if name not in IRRELEVANT}
)
ROUTES = {Resource.LISTINGS: "GET /listings", Resource.RESERVATIONS: "GET /reservations"}


def walked(set_up: Stage, resource: Resource, since: datetime | None = None) -> list[Page]:
    """Read a list with a client of its own."""
    return list(set_up.client(in_flight=1).walk(resource, since=since))


def stamps(pages: list[Page]) -> dict[int | None, datetime]:
    """Give the stamp of each row that has one."""
    records: list[Record] = [record for page in pages for record in page.records]
    return {record.id: record.source_updated_at for record in records if record.source_updated_at is not None}


@pytest.mark.parametrize("resource", ROUTES)
def test_nothing_new_costs_one_call(resource: Resource) -> None:
    """A page, without a total and without a doubt; none of it is due any more."""
    with stage() as set_up:
        known = stamps(walked(set_up, resource))
        asked = set_up.calls(ROUTES[resource])
        pages = walked(set_up, resource, max(known.values()) - LAG)
        assert set_up.calls(ROUTES[resource]) == asked + 1
        assert [(page.total, page.doubt) for page in pages] == [(None, None)]
        assert {number for number, stamp in known.items() if stamp >= max(known.values()) - LAG} <= ids_of(pages)


def test_new_reservations_are_read_a_hundred_at_a_time() -> None:
    """As many pages as it takes to get below the moment, and no other order than the usual one is asked for."""
    with stage() as set_up:
        changed = sorted(truth(set_up.sandbox, Resource.RESERVATIONS))[:230]
        since = set_up.sandbox.world.now
        set_up.sandbox.world.touch(changed)
        pages = walked(set_up, Resource.RESERVATIONS, since)
        assert set(changed) <= ids_of(pages)
        assert set_up.calls("GET /reservations") == 3
        asked = [logged.query for logged in set_up.sandbox.requests if logged.path.endswith("/reservations")]
        assert {query["limit"] for query in asked} == {"100"}
        assert not [query for query in asked if "sortOrder" in query]


@pytest.mark.parametrize("order", ["honoured", "ignored"])
def test_an_edited_listing_is_found_whether_the_order_is_honoured_or_not(order: Any) -> None:
    """With it in one call, without it in all of the list."""
    with stage(listings=120, switches=Switches(sort_parameters=order)) as set_up:
        since = max(stamps(walked(set_up, Resource.LISTINGS)).values()) - LAG
        edited = max(truth(set_up.sandbox, Resource.LISTINGS)) - 9
        set_up.sandbox.world.edit_listing(edited, name="Renamed")
        asked = set_up.calls("GET /listings")
        pages = walked(set_up, Resource.LISTINGS, since)
        assert edited in ids_of(pages)
        assert pages[-1].doubt is None
        assert (len(ids_of(pages)) == 120) == (order == "ignored")
        assert set_up.calls("GET /listings") == asked + (1 if order == "honoured" else 3)


@settings(max_examples=15, deadline=None)
@given(
    switches=SWITCHES,
    before=st.lists(st.integers(0, 10**6), max_size=30),
    during=st.lists(
        st.lists(
            st.tuples(st.sampled_from(["touch", "delete", "create", "cursor"]), st.integers(0, 10**6)), max_size=2
        ),
        max_size=6,
    ),
)
def test_no_reservation_that_changed_before_is_missed_without_a_doubt(
    switches: dict[str, Any], before: list[int], during: list[list[tuple[str, int]]]
) -> None:
    """Under every switch, whatever else changes while the walk goes on."""
    with stage(reservations=120, listings=5, switches=Switches(**{**switches, "max_limit": 20})) as set_up:
        world = set_up.sandbox.world
        rows = sorted(truth(set_up.sandbox, Resource.RESERVATIONS))
        since = world.now
        due = {rows[number % len(rows)] for number in before}
        for number in due:
            world.pay(number)
        touched: set[int] = set()
        script = iter(during)

        def change(request: Request) -> None:
            for kind, number in next(script, []):
                living = sorted(truth(set_up.sandbox, Resource.RESERVATIONS))
                cursor = request.number("afterId")
                chosen = cursor if kind == "cursor" and cursor in living else living[number % len(living)]
                if kind == "create":
                    world.create_reservation()
                    continue
                touched.add(chosen)
                (world.delete_reservation if kind == "delete" else world.pay)(chosen)

        set_up.sandbox.on_request(change)
        pages = walked(set_up, Resource.RESERVATIONS, since)
        assert pages[-1].doubt is not None or due - touched <= ids_of(pages)


@settings(max_examples=15, deadline=None)
@given(switches=SWITCHES, numbers=st.lists(st.integers(0, 10**6), max_size=30))
def test_no_listing_that_was_edited_is_missed_under_any_switch(switches: dict[str, Any], numbers: list[int]) -> None:
    """And on a quiet account there is no doubt."""
    with stage(reservations=1, listings=70, switches=Switches(**switches)) as set_up:
        rows = sorted(truth(set_up.sandbox, Resource.LISTINGS))
        since = set_up.sandbox.world.now
        due = {rows[number % len(rows)] for number in numbers}
        for number in due:
            set_up.sandbox.world.edit_listing(number, name="Renamed")
        pages = walked(set_up, Resource.LISTINGS, since)
        assert due <= ids_of(pages)
        assert pages[-1].doubt is None


def test_the_conversations_of_a_reservation_cost_one_call() -> None:
    """All of them, a second one too, in the shape of the list of all."""
    with stage(reservations=9) as set_up:
        parent = max(truth(set_up.sandbox, Resource.RESERVATIONS))
        second = set_up.sandbox.world.create_conversation(parent)
        pages = list(set_up.client().walk(Resource.CONVERSATIONS, parent=parent, since=START))
        threads = set_up.sandbox.world.conversations_of(parent)
        assert ids_of(pages) == {*threads, second}
        assert (len(pages), pages[0].total, pages[0].doubt) == (1, len(threads), None)
        assert set_up.calls("GET /reservations/{id}/conversations") == 1
        assert {record.columns["reservation_id"] for record in pages[0].records} == {parent}
        with pytest.raises(NotFound):
            list(set_up.client().walk(Resource.CONVERSATIONS, parent=5))


def test_where_nothing_tells_what_is_new_all_is_read() -> None:
    """A moment changes nothing of the lists of conversations and of messages."""
    with stage(reservations=30) as set_up:
        client = set_up.client()
        later = START + timedelta(days=900)
        assert ids_of(list(client.walk(Resource.CONVERSATIONS, since=later))) == truth(
            set_up.sandbox, Resource.CONVERSATIONS
        )
        thread = min(truth(set_up.sandbox, Resource.CONVERSATIONS))
        whole = list(client.walk(Resource.MESSAGES, parent=thread))
        assert ids_of(list(client.walk(Resource.MESSAGES, parent=thread, since=later))) == ids_of(whole)


def test_a_thread_of_hundreds_costs_one_call() -> None:
    """A page holds five hundred messages."""
    with stage(reservations=3) as set_up:
        thread = min(truth(set_up.sandbox, Resource.CONVERSATIONS))
        for _ in range(300):
            set_up.sandbox.world.host_reply(thread)
        pages = list(set_up.client().walk(Resource.MESSAGES, parent=thread))
        assert len(ids_of(pages)) > 300
        assert set_up.calls("GET /conversations/{id}/messages") == 1


def test_activity_moves_with_a_message_and_not_with_a_payment() -> None:
    """That of the reservation and that of its conversation."""
    with stage(reservations=3) as set_up:
        world = set_up.sandbox.world
        thread = min(truth(set_up.sandbox, Resource.CONVERSATIONS))
        parent = world.conversation(thread).reservation_id
        assert parent is not None

        def activity() -> tuple[str | None, str | None]:
            pages = walked(set_up, Resource.RESERVATIONS) + walked(set_up, Resource.CONVERSATIONS)
            found = {record.id: record.activity for page in pages for record in page.records}
            return found[parent], found[thread]

        before = activity()
        world.pay(parent)
        assert activity() == before
        world.guest_message(thread)
        assert all(now != then for now, then in zip(activity(), before, strict=True))
