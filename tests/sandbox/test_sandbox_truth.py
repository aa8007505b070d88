from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostaway_sync.sandbox import RESOURCES, Switches, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.sandbox_client import OpenedSandbox, OpenSandbox

SPOILT = (
    b'{"name":"without id"}',
    b'{"id":"42"}',
    b'{"id":4.5,"updatedOn":17}',
    b'{"id":41,"body":"\\u0000"}',
    b'{"id":43,"body":"\\ud83d"}',
    b'{"id":44,"status":"somethingNew","totalPrice":1e200000}',
    b'{"id":45,"id":46}',
    b"null",
)


@pytest.mark.parametrize("resource", RESOURCES)
def test_rows_can_be_spoilt_and_healed(open_sandbox: OpenSandbox, resource: str) -> None:
    """Lists carry exactly the bytes that were put there, beside the good rows; the truth leaves out what has no id."""
    sandbox, caller = open_sandbox(reservations=30)
    thread = caller.ids("/conversations")[0]
    path = {"messages": f"/conversations/{thread}/messages"}.get(resource, f"/{resource}")
    before = caller.ids(path)
    truth = {number for number, _ in sandbox.world.truth(resource)}
    for raw in SPOILT:
        sandbox.world.append_raw(resource, raw, conversation_id=thread)
    sandbox.world.corrupt(resource, before[0], b'{"id":true}')
    content = caller.get(path).content
    assert all(raw in content for raw in SPOILT)
    assert b'{"id":true}' in content
    if resource == "conversations":
        assert caller.get(f"/conversations/{before[0]}").content == b'{"status":"success","result":{"id":true}}'
    spoilt = {number for number, _ in sandbox.world.truth(resource)}
    assert spoilt == truth - {before[0]} | {41, 43, 44, 46}
    sandbox.world.heal(resource, before[0])
    assert before[0] in {number for number, _ in sandbox.world.truth(resource)}
    assert sandbox.world.counts()["listings"] >= 4


def test_a_row_may_be_no_json_and_stand_anywhere() -> None:
    """The truth leaves out rows that are no JSON."""
    world = World(reservations=30)
    world.append_raw("reservations", b'{"id":', at=datetime(2020, 1, 1, tzinfo=UTC))
    assert [number for _, number in world.reservation_order][-1] < 0
    assert len(dict(world.truth("reservations"))) == 30
    thread = world.conversation_order.slice(0, 1)[0][1]
    world.append_raw("messages", b"{}", conversation_id=thread)
    spoilt = world.threads.entries(world.conversation(thread))[0].id
    with pytest.raises(KeyError):
        world.threads.get(world.conversation(thread), spoilt)


HAPPENINGS: dict[str, Callable[[World, int, int], object]] = {
    "pay": lambda w, r, _t: w.pay(r),
    "cancel": lambda w, r, _t: w.cancel_reservation(r),
    "guest": lambda w, _r, t: w.guest_message(t),
    "host": lambda w, _r, t: w.host_reply(t),
    "schedule": lambda w, _r, t: w.schedule_message(t, w.now),
    "fail": lambda w, _r, t: w.fail_message(t),
    "create": lambda w, _r, _t: w.create_reservation(),
    "delete": lambda w, r, _t: w.delete_reservation(r),
    "stranger": lambda w, _r, _t: w.create_conversation(),
    "second": lambda w, r, _t: w.create_conversation(r),
    "touch": lambda w, r, _t: w.touch([r]),
}


def _settings() -> st.SearchStrategy[Switches]:
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in Switches.choices().items()}).map(
        lambda chosen: Switches(**chosen)
    )


@given(st.lists(st.tuples(st.sampled_from(sorted(HAPPENINGS)), st.integers(0, 59)), max_size=12), _settings())
@settings(max_examples=25, deadline=None)
def test_a_plain_walk_reads_the_truth_after_any_change(
    opened_sandbox: OpenedSandbox, happenings: list[tuple[str, int]], switches: Switches
) -> None:
    """Under every setting, lists walked by offset with every flag set hold what the world says it holds."""
    with opened_sandbox(switches=switches, reservations=40) as (sandbox, caller):
        world = sandbox.world
        for name, place in happenings:
            reservation = world.reservation_order.slice(place % len(world.reservation_order), 1)[0][1]
            threads = world.conversations_of(reservation) or [world.conversation_order.slice(0, 1)[0][1]]
            HAPPENINGS[name](world, reservation, threads[0])
        flags = {"includeResources": 1, "includeScheduledMessages": 1, "limit": 9}
        walked: dict[str, list[dict[str, Any]]] = {"messages": []}
        for resource in ("listings", "reservations", "conversations"):
            walked[resource] = caller.walk(f"/{resource}", **flags)
        for row in walked["conversations"]:
            walked["messages"] += caller.walk(f"/conversations/{row['id']}/messages", **flags)
        for resource in RESOURCES:
            assert {row["id"]: row for row in walked[resource]} == dict(world.truth(resource))
            assert len(walked[resource]) == world.counts()[resource]
