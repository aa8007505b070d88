from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.sandbox_client import OpenSandbox

Row = dict[str, Any]
TODAY = "2026-11-21"


def day(days: int) -> str:
    """Return the day so many days after the worlds' first one."""
    return (date.fromisoformat(TODAY) + timedelta(days)).isoformat()


def asked(open_sandbox: OpenSandbox, kind: str, path: str, query: str) -> tuple[list[Row], list[Row]]:
    """Return all objects of a kind, and those that an answer to a query has."""
    sandbox, caller = open_sandbox(reservations=240)
    reply = caller.get(f"{path}?limit=500&{query}")
    assert reply.status_code == 200, reply.text
    return list(sandbox.world.objects(kind).values()), reply.json()["result"]


REVIEWS: list[tuple[str, Callable[[Row], bool]]] = [
    ("listingMapIds[]=300101&listingMapIds[]=300107", lambda row: row["listingMapId"] in (300101, 300107)),
    ("listingMapIds[0]=300101&listingMapIds[1]=300107", lambda row: row["listingMapId"] in (300101, 300107)),
    ("listingMapIds=300101", lambda _: True),
    ("channelIds[]=2018", lambda row: row["channelId"] == 2018),
    ("statuses[]=expired&statuses[]=pending", lambda row: row["status"] in ("expired", "pending")),
    ("statuses=expired", lambda _: True),
    ("type=host-to-guest", lambda row: row["type"] == "host-to-guest"),
    (f"departureDateStart={day(-40)}", lambda row: row["departureDate"] >= day(-40)),
    (f"departureDateEnd={day(-40)}", lambda row: row["departureDate"][:10] <= day(-40)),
    (f"submittedAtStart={day(-40)}&submittedAtEnd={day(-9)}", lambda row: _between(row["submittedAt"], -40, -9)),
    (
        f"stayDateStart={day(-40)}&stayDateEnd={day(-30)}",
        lambda row: row["departureDate"] >= day(-40) and row["arrivalDate"][:10] <= day(-30),
    ),
    ("hasHostReply=1", lambda row: bool(row["revieweeResponse"])),
    ("hasHostReply=0", lambda row: not row["revieweeResponse"]),
    ("departureDateStart=soon&listingMapId=300101&moon=full", lambda _: True),
]
TASKS: list[tuple[str, Callable[[Row], bool]]] = [
    ("listingMapId=300104", lambda row: row["listingMapId"] == 300104),
    ("status=completed", lambda row: row["status"] == "completed"),
    ("match=CLEANING", lambda row: "Cleaning" in row["title"]),
    ("canStartFromEvent=check-out", lambda row: row["canStartFromEvent"] == "check-out"),
    (f"canStartFromStart={day(-14)}&canStartFromEnd={day(9)}", lambda row: _between(row["canStartFrom"], -14, 9)),
    (f"canStartFromStart={day(-3)} 09:00:00", lambda row: row["canStartFrom"] >= f"{day(-3)} 09:00:00"),
    (f"shouldEndByEnd={day(0)}", lambda row: bool(row["shouldEndBy"]) and row["shouldEndBy"][:10] <= day(0)),
    ("assigneeUserId=300102", lambda row: row["assigneeUserId"] == 300102),
]


def _between(stamp: str | None, first: int, last: int) -> bool:
    return stamp is not None and day(first) <= stamp[:10] <= day(last)


@pytest.mark.parametrize(("query", "passes"), REVIEWS, ids=[query for query, _ in REVIEWS])
def test_reviews_are_filtered_by_brackets_and_days(
    open_sandbox: OpenSandbox, query: str, passes: Callable[[Row], bool]
) -> None:
    """Ends are included; a list without its brackets, a malformed day and an unknown name are ignored."""
    everything, found = asked(open_sandbox, "reviews", "/reviews", query)
    expected = [row for row in everything if passes(row)]
    assert sorted(found, key=_id) == sorted(expected, key=_id)
    assert expected


@pytest.mark.parametrize(("query", "passes"), TASKS, ids=[query for query, _ in TASKS])
def test_tasks_are_filtered(open_sandbox: OpenSandbox, query: str, passes: Callable[[Row], bool]) -> None:
    """By equal values, by a part of the title and by days or times."""
    everything, found = asked(open_sandbox, "tasks", "/tasks", query)
    expected = [row for row in everything if passes(row)]
    assert sorted(found, key=_id) == sorted(expected, key=_id)
    assert 0 < len(expected) < len(everything)


def _id(row: Row) -> int:
    number: int = row["id"]
    return number


def test_single_reservations_are_found_by_filter(open_sandbox: OpenSandbox) -> None:
    """One review, one task."""
    sandbox, caller = open_sandbox()
    review = next(iter(sandbox.world.objects("reviews").values()))
    number = review["reservationId"]
    assert caller.ids("/reviews", reservationId=number) == [review["id"]]
    page = caller.get(f"/reviews?channelReservationIds[]={review['externalReservationId']}").json()
    assert [row["id"] for row in page["result"]] == [review["id"]]
    assert page["count"] == 1
    assert {row["reservationId"] for row in caller.rows("/tasks", reservationId=number)} <= {number}


@pytest.mark.parametrize(("kind", "count"), [("reservation", 2), ("listing", 2), ("task", 2), ("moon", 0)])
def test_custom_fields_are_of_one_kind_of_object(open_sandbox: OpenSandbox, kind: str, count: int) -> None:
    """Without it, all of them come."""
    _, caller = open_sandbox()
    assert [row["objectType"] for row in caller.rows("/customFields", objectType=kind)] == [kind] * count
    assert len(caller.rows("/customFields")) == 6


def test_a_filtered_list_follows_the_next_change(open_sandbox: OpenSandbox) -> None:
    """A list that was asked for before is not answered from memory."""
    sandbox, caller = open_sandbox()
    before = caller.ids("/tasks", status="pending")
    sandbox.world.put_object("tasks", {"id": before[0], "status": "completed"})
    assert caller.ids("/tasks", status="pending") == before[1:]
    sandbox.world.delete_object("tasks", before[1])
    assert caller.ids("/tasks", status="pending") == before[2:]


def test_reviews_stand_by_falling_departure_or_as_asked(open_sandbox: OpenSandbox) -> None:
    """What has no value of the key stands last when falling; parameters that are ignored change nothing."""
    _, caller = open_sandbox()
    rows = caller.rows("/reviews")
    assert rows == sorted(sorted(rows, key=_id), key=lambda row: str(row["departureDate"]), reverse=True)
    assert len({row["departureDate"] for row in rows}) < len(rows)
    found = caller.ids("/reviews", sortBy="id", type="guest-to-host")
    assert found == sorted(found, reverse=True)
    ratings = [row["rating"] for row in caller.rows("/reviews", sortBy="rating")]
    rated = [rating for rating in ratings if rating is not None]
    assert ratings == sorted(rated, reverse=True) + [None] * (len(ratings) - len(rated))
    _, deaf = open_sandbox(switches=Switches(sort_parameters="ignored"))
    assert deaf.ids("/reviews", sortBy="id") == caller.ids("/reviews")
