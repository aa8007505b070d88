"""The client's walks under every possible behaviour of Hostaway that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.client_env import LISTED, client_env, ids_of, truth

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    from hostaway_sync.sandbox import Request, World

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
RELEVANT = sorted(set(Switches.choices()) - IRRELEVANT)
SWITCHES = st.fixed_dictionaries({name: st.sampled_from(Switches.choices()[name]) for name in RELEVANT})
HAPPENINGS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["touch", "delete", "create", "message", "touch cursor", "delete cursor"]),
            st.integers(0, 10**6),
        ),
        max_size=2,
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(switches=SWITCHES)
def test_quiet_account_is_read_whole_under_every_switch(switches: dict[str, Any]) -> None:
    """All rows and no doubt, however Hostaway behaves where it is not documented."""
    with client_env(reservations=230, listings=70, switches=Switches(**switches)) as env:
        client = env.client()
        for resource in LISTED:
            pages = list(client.walk(resource))
            assert ids_of(pages) == truth(env.sandbox, resource)
            assert pages[-1].doubt is None
        thread = min(truth(env.sandbox, Resource.CONVERSATIONS))
        pages = list(client.walk(Resource.MESSAGES, parent=thread))
        expected = {row for row, message in env.sandbox.world.truth("messages") if message["conversationId"] == thread}
        assert ids_of(pages) == expected
        assert pages[-1].doubt is None


@settings(max_examples=15, deadline=None)
@given(switches=SWITCHES, happenings=HAPPENINGS, resource=st.sampled_from(LISTED))
def test_busy_account_is_read_whole_or_in_doubt(
    switches: dict[str, Any], happenings: list[list[tuple[str, int]]], resource: Resource
) -> None:
    """Every unchanged row comes, or the last page says that some may be missing."""
    with client_env(reservations=120, listings=70, switches=Switches(**{**switches, "max_limit": 20})) as env:
        world = env.sandbox.world
        client = env.client(pages_in_flight=1)
        client.check_credentials()
        expected = truth(env.sandbox, resource)
        touched: set[int] = set()
        script = iter(happenings)

        def change(request: Request) -> None:
            for kind, number in next(script, []):
                happen(world, kind, number, touched, request.number("afterId"))

        env.sandbox.on_request(change)
        pages = list(client.walk(resource))
        assert pages[-1].doubt is not None or expected - touched <= ids_of(pages)


def happen(world: World, kind: str, number: int, touched: set[int], cursor: int | None) -> None:
    """Change a row chosen by number, or the cursor's row, and record the changed rows."""
    reservations = sorted(dict(world.truth("reservations")))
    chosen = reservations[number % len(reservations)]
    if kind.endswith("cursor") and cursor in reservations:
        chosen = cursor
    if kind == "create":
        world.create_reservation()
        return
    threads = world.conversations_of(chosen)
    touched |= {chosen, *threads}
    if kind.startswith("touch"):
        world.touch([chosen])
    elif kind.startswith("delete"):
        world.delete_reservation(chosen)
    elif threads:
        world.host_reply(threads[0])


CURSORS = [("touch", {"moved_cursor": value}) for value in Switches.choices()["moved_cursor"]]
CURSORS += [("delete", {"deleted_cursor": value}) for value in Switches.choices()["deleted_cursor"]]


@pytest.mark.parametrize(("kind", "switches"), CURSORS, ids=str)
def test_moved_or_deleted_cursor_row_costs_a_step_back(kind: str, switches: dict[str, Any]) -> None:
    """Whatever Hostaway answers, the walk continues from the row before and is whole."""
    with client_env(switches=Switches(max_limit=250, **switches)) as env:
        world = env.sandbox.world
        expected = truth(env.sandbox, Resource.RESERVATIONS)

        def change(request: Request) -> None:
            cursor = request.number("afterId")
            if env.calls("GET /reservations") == 2 and cursor is not None:
                happen(world, f"{kind} cursor", 0, set(), cursor)

        env.sandbox.on_request(change)
        pages = list(env.client().walk(Resource.RESERVATIONS))
        assert pages[-1].doubt is None
        assert ids_of(pages) == expected
        assert pages[-1].total == len(expected) - (kind == "delete")
        assert env.calls("GET /reservations") <= 5 + 2
