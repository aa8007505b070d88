from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox


def test_cursor_walk_lists_every_row_once_and_ignores_the_offset(open_sandbox: OpenSandbox) -> None:
    """`afterId` is a position in the live order, not a bound for ids."""
    sandbox, caller = open_sandbox()
    seen = caller.ids("/reservations", limit=13)
    while page := caller.ids("/reservations", limit=13, afterId=seen[-1], offset=50):
        seen += page
    assert seen == [number for number, _ in sandbox.world.truth("reservations")]
    assert seen != sorted(seen)


@pytest.mark.parametrize(("setting", "count"), [("total", 120), ("rest", 110)])
def test_the_count_under_a_cursor_is_a_switch(open_sandbox: OpenSandbox, setting: Any, count: int) -> None:
    """It counts the whole list, or the rows below the cursor."""
    _, caller = open_sandbox(switches=Switches(cursor_count=setting))
    tenth = caller.ids("/reservations", limit=10)[-1]
    assert caller.page("/reservations", afterId=tenth)["count"] == count
    assert caller.page("/reservations")["count"] == 120


@pytest.mark.parametrize("setting", Switches.choices()["moved_cursor"])
def test_a_cursor_that_moved_does_what_the_switch_says(open_sandbox: OpenSandbox, setting: Any) -> None:
    """The walk restarts below the row's new place, comes back empty or fails; unmoved cursors go on as ever."""
    sandbox, caller = open_sandbox(switches=Switches(moved_cursor=setting))
    first = caller.ids("/reservations", limit=10)
    sandbox.world.pay(first[-1])
    reply = caller.get("/reservations", params={"afterId": first[-1], "limit": 10})
    if setting == "restart":
        assert [row["id"] for row in reply.json()["result"]] == [*first[:-1], caller.ids("/reservations", offset=10)[0]]
    elif setting == "empty":
        assert reply.json()["result"] == []
        assert reply.json()["count"] == 120
    else:
        assert reply.status_code == {"bad_request": 400, "not_found": 404}[setting]
    assert caller.ids("/reservations", afterId=first[-2], limit=1) == caller.ids("/reservations", offset=10, limit=1)


@pytest.mark.parametrize("setting", Switches.choices()["deleted_cursor"])
def test_a_cursor_that_is_gone_does_what_the_switch_says(open_sandbox: OpenSandbox, setting: Any) -> None:
    """From the top, below its last place, empty, or an error."""
    sandbox, caller = open_sandbox(switches=Switches(deleted_cursor=setting))
    rows = caller.ids("/reservations", limit=20)
    sandbox.world.delete_reservation(rows[9])
    reply = caller.get("/reservations", params={"afterId": rows[9], "limit": 9})
    expected = {"restart": rows[:9], "continue": rows[10:19], "empty": []}
    if setting in expected:
        assert [row["id"] for row in reply.json()["result"]] == expected[setting]
    else:
        assert reply.status_code == {"bad_request": 400, "not_found": 404}[setting]
        assert reply.json()["status"] == "fail"


def test_an_unknown_cursor_starts_at_the_top(open_sandbox: OpenSandbox) -> None:
    """By default an unknown cursor counts as none."""
    _, caller = open_sandbox()
    assert caller.ids("/reservations", afterId=5, limit=9) == caller.ids("/reservations", limit=9)


def test_rows_really_move_between_pages(open_sandbox: OpenSandbox) -> None:
    """A change makes an offset walk meet a row twice; a deletion makes it miss one."""
    sandbox, caller = open_sandbox()
    rows = caller.ids("/reservations", limit=20)
    sandbox.world.pay(rows[15])
    assert caller.ids("/reservations", limit=10, offset=10)[0] == rows[9]
    sandbox.world.delete_reservation(rows[0])
    sandbox.world.delete_reservation(rows[1])
    assert rows[10] not in caller.ids("/reservations", limit=10, offset=10)


def test_the_sandbox_remembers_only_the_last_rows_it_listed(open_sandbox: OpenSandbox) -> None:
    """Long walks do not fill the memory: cursors listed long ago count as unmoved."""
    sandbox, caller = open_sandbox(reservations=5_600, conversations=False, switches=Switches(moved_cursor="empty"))
    first = caller.ids("/reservations", limit=1)[0]
    for offset in range(1, 5_600, 500):
        caller.get("/reservations", params={"limit": 500, "offset": offset})
    sandbox.world.pay(first)
    assert caller.ids("/reservations", afterId=first, limit=1)
