from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox

FIRST, LAST = date(2027, 2, 1), date(2027, 2, 5)
RANGE = {"startDate": FIRST.isoformat(), "endDate": LAST.isoformat()}
ROUTE = "PUT /listings/{id}/calendar"


def test_a_write_takes_effect_and_answers_its_days(open_sandbox: OpenSandbox) -> None:
    """What was sent is there, what was not sent is as before, and so are the days beside the range."""
    sandbox, caller = open_sandbox(reservations=0)
    world, listing = sandbox.world, sandbox.world.listing_ids[0]
    around = (listing, FIRST - timedelta(1), LAST + timedelta(1))
    before = world.calendar_truth(*around)
    sent = {"isAvailable": 0, "price": 120.5, "minimumStay": 3, "maximumStay": 14, "note": "Painter 🎨"}
    sent |= {"closedOnArrival": 1, "closedOnDeparture": 0}
    reply = caller.put(f"/listings/{listing}/calendar", json=RANGE | sent | {"nonsense": 1}).json()
    after = [day | sent | {"status": "blocked"} for day in before[1:-1]]
    assert reply == {"status": "success", "result": after}
    assert world.calendar_truth(*around) == [before[0], *after, before[-1]]
    reply = caller.put(f"/listings/{listing}/calendar", json=RANGE | {"isAvailable": True, "note": None}).json()
    opened = {"isAvailable": 1, "status": "available", "note": None}
    assert reply["result"] == [day | opened for day in after] == caller.rows(f"/listings/{listing}/calendar", **RANGE)
    assert {type(day["isAvailable"]) for day in reply["result"]} == {int}
    assert sandbox.calls[ROUTE] == 2
    assert world.accepted_days[1] == (listing, *RANGE.values(), {"isAvailable": 1, "note": None})


def test_a_write_frees_no_day_that_a_stay_takes(open_sandbox: OpenSandbox) -> None:
    """Its price is written all the same."""
    sandbox, caller = open_sandbox(reservations=0)
    world, listing = sandbox.world, sandbox.world.listing_ids[0]
    number = world.create_reservation(
        listingMapId=listing, arrivalDate=FIRST.isoformat(), departureDate=LAST.isoformat()
    )
    reply = caller.put(f"/listings/{listing}/calendar", json=RANGE | {"isAvailable": 1, "price": 77}).json()
    assert [day["status"] for day in reply["result"]] == ["reserved"] * 4 + ["available"]
    assert {day["price"] for day in reply["result"]} == {77}
    world.delete_reservation(number)
    assert {day["status"] for day in world.calendar_truth(listing, FIRST, LAST)} == {"available"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"startDate": None},
        {"endDate": "soon"},
        {"starDate": "2027-02-01", "startDate": 5},
        {"endDate": "2027-01-31"},
        {"endDate": "2031-01-01"},
        {"isAvailable": 2},
        {"isAvailable": None},
        {"closedOnArrival": "yes"},
        {"price": "120"},
        {"price": -1},
        {"minimumStay": True},
        {"note": 5},
    ],
)
def test_a_wrong_write_is_refused_and_changes_nothing(open_sandbox: OpenSandbox, wrong: dict[str, Any]) -> None:
    """Bad dates and bad values, with the status of every other refused write."""
    statuses: dict[Any, int] = {400: 400, 200: 200, 422: 422}
    for switch, status in statuses.items():
        sandbox, caller = open_sandbox(switches=Switches(invalid_write=switch))
        listing = sandbox.world.listing_ids[0]
        before = sandbox.world.calendar_truth(listing, FIRST, LAST)
        reply = caller.put(f"/listings/{listing}/calendar", json=RANGE | {"isAvailable": 0} | wrong)
        assert (reply.status_code, reply.json()["status"]) == (status, "fail")
        assert sandbox.world.calendar_truth(listing, FIRST, LAST) == before
        assert sandbox.world.accepted_days == []


def test_a_body_that_is_no_object_is_refused(open_sandbox: OpenSandbox) -> None:
    """It counts as a body without dates; a number that JSON does not know is refused, too."""
    sandbox, caller = open_sandbox()
    path = f"/listings/{sandbox.world.listing_ids[0]}/calendar"
    for body in (b"", b"[]", b'{"startDate":"2027-02-01","endDate":"2027-02-01","price":NaN}'):
        assert caller.put(path, content=body).status_code == 400


def test_archived_and_unknown_listings_take_no_write(open_sandbox: OpenSandbox) -> None:
    """The days of an archived one can still be read."""
    sandbox, caller = open_sandbox()
    first, second = sandbox.world.listing_ids[:2]
    sandbox.world.archive_listing(first)
    reply = caller.put(f"/listings/{first}/calendar", json=RANGE | {"isAvailable": 0})
    assert (reply.status_code, reply.json()["message"]) == (400, "The listing is archived")
    assert caller.get(f"/listings/{first}/calendar").status_code == 200
    sandbox.world.delete_listing(second)
    for listing in (second, 5):
        assert caller.put(f"/listings/{listing}/calendar", json=RANGE | {"isAvailable": 0}).status_code == 404
    assert sandbox.world.accepted_days == []


def test_faults_hit_writes_of_days_like_all_else(open_sandbox: OpenSandbox) -> None:
    """One is refused before it is done, one is done and its answer lost; both are counted."""
    sandbox, caller = open_sandbox(reservations=0)
    world, listing = sandbox.world, sandbox.world.listing_ids[0]
    sandbox.faults.add(faults.denied(), route=ROUTE)
    sandbox.faults.add(faults.accepted_then(faults.bad_gateway()), route=ROUTE)
    path = f"/listings/{listing}/calendar"
    assert caller.put(path, json=RANGE | {"price": 41}).status_code == 403
    assert 41 not in [day["price"] for day in world.calendar_truth(listing, FIRST, LAST)]
    assert caller.put(path, json=RANGE | {"price": 42}).status_code == 502
    assert {day["price"] for day in world.calendar_truth(listing, FIRST, LAST)} == {42}
    assert [keys for *_, keys in world.accepted_days] == [{"price": 42}]
    assert [request.status for request in sandbox.requests if request.route == ROUTE] == [403, 502]
