from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.sandbox import Switches, World

if TYPE_CHECKING:
    from tests.support.servers.sandbox_client import OpenSandbox, SandboxClient

CHARGES = "/guestPayments/charges"
REPORT = "/finance/report/consolidated"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def day(days: int) -> str:
    """Return the day so many days after the worlds' first one."""
    return (NOW.date() + timedelta(days)).isoformat()


def charge_ids(caller: SandboxClient, query: str) -> list[int]:
    """Return the ids of the charges that a query gives."""
    reply = caller.get(f"{CHARGES}?limit=500&{query}")
    assert reply.status_code == 200, reply.text
    return [row["id"] for row in reply.json()["result"]]


def test_charges_come_upcoming_first_and_then_the_past(open_sandbox: OpenSandbox) -> None:
    """The nearest first in both, so that offsets shift as time goes by; `sortBy=id` stands still."""
    clock = [NOW.timestamp()]
    _, caller = open_sandbox(clock=lambda: clock[0])
    dates = [row["scheduledDate"] for row in caller.rows(CHARGES)]
    coming = [moment for moment in dates if moment[:10] >= day(0)]
    past = dates[len(coming) :]
    assert (coming, past) == (sorted(coming), sorted(past, reverse=True))
    assert coming
    assert past
    fixed = caller.ids(CHARGES, sortBy="id", sortOrder="asc")
    assert fixed == sorted(fixed)
    assert [row["scheduledDate"] for row in caller.rows(CHARGES)] == dates
    clock[0] += 20 * 86_400
    assert [row["scheduledDate"] for row in caller.rows(CHARGES)] != dates
    assert caller.ids(CHARGES, sortBy="id", sortOrder="asc") == fixed


def test_charges_are_filtered_by_ids_statuses_and_days(open_sandbox: OpenSandbox) -> None:
    """Ids with brackets or commas, statuses and types with brackets alone."""
    sandbox, caller = open_sandbox()
    charges = sandbox.world.objects("charges")
    chosen = sorted(charges)[3:9]
    stays = [charges[number]["reservationId"] for number in chosen]
    bracketed = "&".join(f"reservationIds[]={number}" for number in stays)
    for query in (bracketed, "reservationIds=" + ",".join(map(str, stays))):
        assert sorted(charge_ids(caller, query)) == chosen
    failed = [number for number, row in charges.items() if row["status"] == "failed"]
    assert sorted(charge_ids(caller, "statuses[]=failed")) == sorted(failed) != []
    assert len(charge_ids(caller, "statuses=failed")) == len(charges)
    window = f"scheduledDateStart={day(-20)}&scheduledDateEnd={day(9)}"
    inside = [number for number, row in charges.items() if day(-20) <= row["scheduledDate"][:10] <= day(9)]
    assert sorted(charge_ids(caller, window)) == sorted(inside) != []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"chargeDateStart={day(-60)}&chargeDateEnd={day(0)}", 200),
        (f"chargeDateStart={day(-61)}&chargeDateEnd={day(0)}", 400),
        (f"scheduledDateStart={day(0)}&scheduledDateEnd={day(61)}", 400),
        (f"scheduledDateStart={day(-400)}", 200),
        ("&".join(f"reservationIds[]={number}" for number in range(200)), 200),
        ("&".join(f"reservationIds[]={number}" for number in range(201)), 400),
        ("listingMapIds=" + ",".join(map(str, range(201))), 400),
    ],
    ids=["60 days", "61 days", "61 days ahead", "one end", "200 ids", "201 ids", "201 ids with commas"],
)
def test_too_much_of_charges_at_once_is_refused(open_sandbox: OpenSandbox, query: str, status: int) -> None:
    """More than 60 days between two dates, more than 200 ids."""
    _, caller = open_sandbox()
    assert caller.get(f"{CHARGES}?{query}").status_code == status


def test_a_charge_knows_two_spellings_and_its_provider() -> None:
    """One of `autopaymentId` and `autoPaymentId` is filled; ids of the provider and last digits stand inside."""
    charges = World(reservations=240).objects("charges").values()
    filled = {(row["autopaymentId"] is None, row["autoPaymentId"] is None) for row in charges}
    assert filled == {(True, False), (False, True)}
    (transaction,) = next(row["transactions"] for row in charges if row["transactions"])
    assert transaction["providerTransactionId"].startswith("pi_")
    assert len(transaction["cardLast4"]) == 4
    assert int(transaction["id"]) > 1 << 53
    assert {row["status"] for row in charges} >= {"scheduled", "paid", "refunded", "failed", "cancelled"}


def test_a_charge_stays_at_the_listing_its_stay_left() -> None:
    """The stay moves; the charge does not."""
    world = World(reservations=120, listings=4)
    before = world.objects("charges")
    stay = next(iter(before.values()))["reservationId"]
    world.move_reservation(
        stay, listing_id=next(n for n in world.listing_ids if n != world.reservation(stay)["listingMapId"])
    )
    assert world.objects("charges") == before


def test_a_deleted_expense_stays_listed(open_sandbox: OpenSandbox) -> None:
    """With `isDeleted`, and a new `updatedOn`."""
    sandbox, caller = open_sandbox(reservations=400)
    world = sandbox.world
    number = next(key for key, row in world.objects("expenses").items() if not row["isDeleted"])
    before = world.objects("expenses")
    world.delete_object("expenses", number)
    stamp = world.now.strftime("%Y-%m-%d %H:%M:%S")
    rows = {row["id"]: row for row in caller.walk("/expenses")}
    assert rows == before | {number: before[number] | {"isDeleted": 1, "updatedOn": stamp}}
    assert {row["isDeleted"] for row in before.values()} == {0, 1}
    assert min(row["amount"] for row in before.values()) < 0 < max(row["amount"] for row in before.values())


@pytest.mark.parametrize(("path", "count"), [("/financeCustomFormula", "2"), ("/guestPayments/autoPayment", 3)])
def test_some_counts_are_texts(open_sandbox: OpenSandbox, path: str, count: object) -> None:
    """Formulas count in a text, rules of charges in a number; `offset` is null with both."""
    _, caller = open_sandbox()
    page = caller.page(path)
    assert (list(page), page["count"], page["offset"]) == (["status", "result", "count", "offset"], count, None)


def test_finance_fields_follow_the_price(open_sandbox: OpenSandbox) -> None:
    """They add up to the reservation's price, whatever it becomes; without a price there are none."""
    sandbox, caller = open_sandbox()
    number = sandbox.world.create_reservation(totalPrice=333.33)
    path = f"/financeField/{number}"
    for price in (333.33, 80, "12.5"):
        sandbox.world.update_reservation(number, totalPrice=price)
        assert round(sum(row["total"] for row in caller.rows(path)), 2) == float(price)
    assert [row["alias"] for row in caller.rows(path) if row["name"] == "otherFees"] == ["Haustier 🐕"]
    sandbox.world.update_reservation(number, totalPrice=None)
    assert caller.rows(path) == []
    sandbox.world.delete_reservation(number)
    for gone in (path, f"/reservations/{number}/logs", f"/reservations/{number}/rentalAgreement"):
        assert caller.get(gone).status_code == 404


def test_ids_of_a_log_are_unique_within_their_source(open_sandbox: OpenSandbox) -> None:
    """Newest first; `count` and `offset` come when a page was asked for."""
    sandbox, caller = open_sandbox()
    path = f"/reservations/{next(iter(sandbox.world.reservation_order))[1]}/logs"
    whole = caller.page(path)
    assert list(whole) == ["status", "result"]
    rows = whole["result"]
    assert len({row["id"] for row in rows}) < len({(row["source"], row["id"]) for row in rows}) == len(rows)
    stamps = [row["insertedOn"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)
    page = caller.page(path, limit=2, offset=1)
    assert (page["result"], page["count"], page["offset"]) == (rows[1:3], len(rows), None)


def test_report_has_a_row_for_each_stay_of_a_window(open_sandbox: OpenSandbox) -> None:
    """By position, with the account's formulas as its last columns; lists and dates choose, and CSV is the default."""
    sandbox, caller = open_sandbox()
    window = {"fromDate": day(-30), "toDate": day(0), "format": "json"}
    report = caller.post(REPORT, data=window).json()["result"]
    names = [column["name"] for column in report["columns"]]
    stays = {
        number: row for number, row in sandbox.world.truth("reservations") if day(-30) <= row["arrivalDate"] <= day(0)
    }
    rows = [dict(zip(names, row, strict=True)) for row in report["rows"]]
    assert [(row["id"], row["totalPrice"]) for row in rows] == [
        (key, stays[key]["totalPrice"]) for key in sorted(stays)
    ]
    assert names[-2:] == ["customFormula_300101", "customFormula_300102"]
    assert len(report["totals"]) == len(names)
    assert report["totals"][names.index("totalPrice")] == round(sum(row["totalPrice"] for row in rows), 2)
    listing = stays[max(stays)]["listingMapId"]
    chosen: dict[str, Any] = window | {
        "dateType": "departureDate",
        "listingMapIds[]": [listing, 5],
        "statuses[0]": "new",
    }
    found = caller.post(REPORT, data=chosen).json()["result"]["rows"]
    assert {row[0] for row in found} == {
        number
        for number, row in sandbox.world.truth("reservations")
        if row["listingMapId"] == listing and row["status"] == "new" and day(-30) <= row["departureDate"] <= day(0)
    }
    assert found
    assert caller.post(REPORT, json={**window, "listingMapIds": [5]}).json()["result"]["rows"] == []
    lines = caller.post(REPORT, data=window | {"format": "csv"}).text.splitlines()
    assert lines[0].startswith("Reservation ID,Listing ID,")
    assert len(lines) == len(rows) + 2
    assert caller.post(REPORT, data={"fromDate": day(0)}).status_code == 400


def test_the_report_is_sorted_by_a_column(open_sandbox: OpenSandbox) -> None:
    """Rising, or falling by `sortOrder`; a row that is no reservation is left out."""
    sandbox, caller = open_sandbox()
    window = {"fromDate": day(-60), "toDate": day(60), "format": "json", "sortBy": "departureDate"}
    sandbox.world.append_raw("reservations", b'{"id": "?"}')
    rising = [row[5] for row in caller.post(REPORT, data=window).json()["result"]["rows"]]
    falling = [row[5] for row in caller.post(REPORT, data=window | {"sortOrder": "desc"}).json()["result"]["rows"]]
    assert rising == sorted(rising) == falling[::-1]
    assert rising[0] < rising[-1]


def test_the_report_may_be_behind_a_gate(open_sandbox: OpenSandbox) -> None:
    """As every path can be."""
    _, caller = open_sandbox(switches=Switches(gate_403=(REPORT,)))
    assert caller.post(REPORT, data={"fromDate": day(0), "toDate": day(1)}).status_code == 403


def test_users_have_keys_that_open_something(open_sandbox: OpenSandbox) -> None:
    """A mirror has to drop them; the listings of a user come on request alone."""
    _, caller = open_sandbox()
    plain, full = caller.rows("/users"), caller.rows("/users", includeResources=1)
    assert [{key: value for key, value in row.items() if key != "listingMapIds"} for row in full] == plain
    assert all(row["verificationCode"] and row["icalKey"] and "@" in row["email"] for row in plain)
    assert all("listingMapIds" in row for row in full)
    assert caller.page(f"/user/{plain[1]['id']}")["result"] == plain[1]


def test_a_change_of_a_task_is_announced() -> None:
    """Made and edited; nothing else of the other resources is."""
    world = World(reservations=20)
    number = world.put_object("tasks", {"title": "Wash the windows"})
    world.put_object("tasks", {"id": number, "status": "completed"})
    world.put_object("reviews", {"rating": 3})
    assert list(world.outbox) == [("task.created", number, 0), ("task.updated", number, 0)]
    assert isinstance(number, int)
    assert b'"title":"Wash the windows"' in (world.announced_object("task.updated", number, 0) or b"")
    world.delete_object("tasks", number)
    assert world.announced_object("task.updated", number, 0) is None
