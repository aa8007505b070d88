"""The client's walks that read only new rows, against a real HTTP server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.client_env import START, ClientEnv, client_env, ids_of, truth

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
    "gate_403",
    "ignores_offset",
    "caps_limit_50",
    "object_form",
    "moves_default_order",
}
SWITCHES = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in Switches.choices().items() if name not in IRRELEVANT}
)
ROUTES = {Resource.LISTINGS: "GET /listings", Resource.RESERVATIONS: "GET /reservations"}


def walked(env: ClientEnv, resource: Resource, since: datetime | None = None) -> list[Page]:
    """Read a list with a client of its own."""
    return list(env.client(pages_in_flight=1).walk(resource, since=since))


def stamps(pages: list[Page]) -> dict[int | None, datetime]:
    """Return the stamp of each row that has one."""
    records: list[Record] = [record for page in pages for record in page.records]
    return {record.id: record.source_updated_at for record in records if record.source_updated_at is not None}


@pytest.mark.parametrize("resource", ROUTES)
def test_list_without_new_rows_costs_one_call(resource: Resource) -> None:
    """One page, without a total and without a doubt; none of its rows is new."""
    with client_env() as env:
        known = stamps(walked(env, resource))
        asked = env.calls(ROUTES[resource])
        pages = walked(env, resource, max(known.values()) - LAG)
        assert env.calls(ROUTES[resource]) == asked + 1
        assert [(page.total, page.doubt) for page in pages] == [(None, None)]
        assert {number for number, stamp in known.items() if stamp >= max(known.values()) - LAG} <= ids_of(pages)


def test_new_reservations_are_read_a_hundred_at_a_time() -> None:
    """As many pages as reach below the moment, in the usual order only."""
    with client_env() as env:
        changed = sorted(truth(env.sandbox, Resource.RESERVATIONS))[:230]
        since = env.sandbox.world.now
        env.sandbox.world.touch(changed)
        pages = walked(env, Resource.RESERVATIONS, since)
        assert set(changed) <= ids_of(pages)
        assert env.calls("GET /reservations") == 3
        asked = [logged.query for logged in env.sandbox.requests if logged.path.endswith("/reservations")]
        assert {query["limit"] for query in asked} == {"100"}
        assert not [query for query in asked if "sortOrder" in query]


@pytest.mark.parametrize("order", ["honoured", "ignored"])
def test_edited_listing_is_found_in_any_order(order: Any) -> None:
    """One request where Hostaway sorts by activity, the whole list where it does not."""
    with client_env(listings=120, switches=Switches(sort_parameters=order)) as env:
        since = max(stamps(walked(env, Resource.LISTINGS)).values()) - LAG
        edited = max(truth(env.sandbox, Resource.LISTINGS)) - 9
        env.sandbox.world.edit_listing(edited, name="Renamed")
        asked = env.calls("GET /listings")
        pages = walked(env, Resource.LISTINGS, since)
        assert edited in ids_of(pages)
        assert pages[-1].doubt is None
        assert (len(ids_of(pages)) == 120) == (order == "ignored")
        assert env.calls("GET /listings") == asked + (1 if order == "honoured" else 3)


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
def test_changed_reservation_is_found_or_doubted(
    switches: dict[str, Any], before: list[int], during: list[list[tuple[str, int]]]
) -> None:
    """Under every switch, whatever else changes during the walk."""
    with client_env(reservations=120, listings=5, switches=Switches(**{**switches, "max_limit": 20})) as env:
        world = env.sandbox.world
        rows = sorted(truth(env.sandbox, Resource.RESERVATIONS))
        since = world.now
        due = {rows[number % len(rows)] for number in before}
        for number in due:
            world.pay(number)
        touched: set[int] = set()
        script = iter(during)

        def change(request: Request) -> None:
            for kind, number in next(script, []):
                living = sorted(truth(env.sandbox, Resource.RESERVATIONS))
                cursor = request.number("afterId")
                chosen = cursor if kind == "cursor" and cursor in living else living[number % len(living)]
                if kind == "create":
                    world.create_reservation()
                    continue
                touched.add(chosen)
                (world.delete_reservation if kind == "delete" else world.pay)(chosen)

        env.sandbox.on_request(change)
        pages = walked(env, Resource.RESERVATIONS, since)
        assert pages[-1].doubt is not None or due - touched <= ids_of(pages)


@settings(max_examples=15, deadline=None)
@given(switches=SWITCHES, numbers=st.lists(st.integers(0, 10**6), max_size=30))
def test_edited_listing_is_found_under_every_switch(switches: dict[str, Any], numbers: list[int]) -> None:
    """On a quiet account there is no doubt."""
    with client_env(reservations=1, listings=70, switches=Switches(**switches)) as env:
        rows = sorted(truth(env.sandbox, Resource.LISTINGS))
        since = env.sandbox.world.now
        due = {rows[number % len(rows)] for number in numbers}
        for number in due:
            env.sandbox.world.edit_listing(number, name="Renamed")
        pages = walked(env, Resource.LISTINGS, since)
        assert due <= ids_of(pages)
        assert pages[-1].doubt is None


def test_conversations_of_a_reservation_cost_one_call() -> None:
    """All of them, also a second one, in the shape of the whole list."""
    with client_env(reservations=9) as env:
        parent = max(truth(env.sandbox, Resource.RESERVATIONS))
        second = env.sandbox.world.create_conversation(parent)
        pages = list(env.client().walk(Resource.CONVERSATIONS, parent=parent, since=START))
        threads = env.sandbox.world.conversations_of(parent)
        assert ids_of(pages) == {*threads, second}
        assert (len(pages), pages[0].total, pages[0].doubt) == (1, len(threads), None)
        assert env.calls("GET /reservations/{id}/conversations") == 1
        assert {record.columns["reservation_id"] for record in pages[0].records} == {parent}
        with pytest.raises(NotFound):
            list(env.client().walk(Resource.CONVERSATIONS, parent=5))


def test_list_without_stamps_is_read_whole() -> None:
    """The lists of conversations and messages cannot start at a moment."""
    with client_env(reservations=30) as env:
        client = env.client()
        later = START + timedelta(days=900)
        assert ids_of(list(client.walk(Resource.CONVERSATIONS, since=later))) == truth(
            env.sandbox, Resource.CONVERSATIONS
        )
        thread = min(truth(env.sandbox, Resource.CONVERSATIONS))
        whole = list(client.walk(Resource.MESSAGES, parent=thread))
        assert ids_of(list(client.walk(Resource.MESSAGES, parent=thread, since=later))) == ids_of(whole)


def test_thread_of_hundreds_costs_one_call() -> None:
    """A page holds five hundred messages."""
    with client_env(reservations=3) as env:
        thread = min(truth(env.sandbox, Resource.CONVERSATIONS))
        for _ in range(300):
            env.sandbox.world.host_reply(thread)
        pages = list(env.client().walk(Resource.MESSAGES, parent=thread))
        assert len(ids_of(pages)) > 300
        assert env.calls("GET /conversations/{id}/messages") == 1


def test_activity_moves_with_a_message_and_not_with_a_payment() -> None:
    """The activity of the reservation and of its conversation."""
    with client_env(reservations=3) as env:
        world = env.sandbox.world
        thread = min(truth(env.sandbox, Resource.CONVERSATIONS))
        parent = world.conversation(thread).reservation_id
        assert parent is not None

        def activity() -> tuple[str | None, str | None]:
            pages = walked(env, Resource.RESERVATIONS) + walked(env, Resource.CONVERSATIONS)
            found = {record.id: record.activity for page in pages for record in page.records}
            return found[parent], found[thread]

        before = activity()
        world.pay(parent)
        assert activity() == before
        world.guest_message(thread)
        assert all(now != then for now, then in zip(activity(), before, strict=True))
