from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

V1 = "/api/v1"


def test_callers_read_the_rows_of_their_accounts(callers: Callers) -> None:
    """Ids of objects are the same in both accounts; each caller gets its own."""
    for route, texts in {
        "accounts/1": ["account of-1"],
        "listings/5": ["house of-1"],
        "reservations/7": ["guest of-1"],
        "reservations/hostaway:1:7": ["guest of-1"],
        "reservations/7/messages": ["message of-1"],
        "reservations/7/history": ["sent of-1"],
        "calendar/5?start=2026-05-02&end=2026-05-03": ["2026-05-02", "2026-05-03"],
        "sync-runs": ["failed of-1"],
    }.items():
        answer = callers.of_one.get(f"{V1}/{route}")
        assert answer.status_code == 200, (route, answer.text)
        for text in texts:
            assert text in answer.text, route
        assert "of-2" not in answer.text, route


def test_lists_go_on_with_their_cursors_to_the_end(callers: Callers) -> None:
    """Every row comes once, by account and id; the last page says so."""
    seen, cursor = [], None
    while True:
        wanted = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = callers.of_both.get(f"{V1}/reservations", params=wanted).json()
        seen += [row["reservation_key"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"hostaway:{account}:{number}" for account in (1, 2) for number in (7, 8, account * 10_000 + 1)]


def test_parts_come_with_a_reservation_where_they_are_asked_for(callers: Callers) -> None:
    """Each is a member of its name; without `include` there is none, and amounts keep their digits."""
    plain = callers.of_one.get(f"{V1}/reservations/7")
    assert {"messages", "history", "listing", "raw_payload"}.isdisjoint(plain.json())
    assert '"guest_total":100.10,' in plain.text
    whole = callers.of_one.get(
        f"{V1}/reservations/7", params={"include": "messages, history,listing", "raw": True}
    ).json()
    assert [row["message_id"] for row in whole["messages"]["items"]] == ["9", "10"]
    assert whole["listing"]["name"] == "house of-1"
    assert whole["raw_payload"]["guestName"] == "guest of-1"
    assert any("sent of-1" in str(event) for event in whole["history"])


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"order": 2}, "query.order"),
        ({"limit": 501}, "query.limit"),
        ({"limit": 0}, "query.limit"),
        ({"account_id": "1 OR 1=1"}, "query.account_id"),
        ({"check_in_from": "yesterday"}, "query.check_in_from"),
        ({"updated_since": "12:00"}, "query.updated_since"),
        ({"raw": "perhaps"}, "query.raw"),
    ],
)
def test_an_invalid_parameter_is_named_without_its_value(callers: Callers, query: dict[str, Any], where: str) -> None:
    """A typo in a filter is an error, because the list would be wider than asked for."""
    answer = callers.of_one.get(f"{V1}/reservations", params=query)
    assert answer.status_code == 422
    assert [one["where"] for one in answer.json()["errors"]] == [where]
    assert str(next(iter(query.values()))) not in answer.json()["detail"].replace("500", "")


def test_an_id_that_several_accounts_have_asks_for_the_account(callers: Callers) -> None:
    """The whole key, or `account_id`, says which."""
    answer = callers.of_both.get(f"{V1}/reservations/7")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:hostaway-sync:problem:ambiguous-id"
    assert "account_id" in answer.json()["detail"]
    for chosen in ("reservations/7?account_id=2", "reservations/hostaway:2:7"):
        assert callers.of_both.get(f"{V1}/{chosen}").json()["guest_name"] == "guest of-2"


def test_an_answer_that_the_caller_has_is_not_sent_again(callers: Callers) -> None:
    """`If-None-Match` with its tag, weak or in a list, gets 304 without a body; another tag gets the whole."""
    first = callers.of_one.get(f"{V1}/listings/5")
    tag = first.headers["etag"]
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = callers.of_one.get(f"{V1}/listings/5", headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert callers.of_one.get(f"{V1}/listings/5", headers={"If-None-Match": '"other"'}).content == first.content


def test_cursors_of_other_lists_and_forged_ones_are_refused(callers: Callers) -> None:
    """A cursor counts for one list and its filters."""
    cursor = callers.of_both.get(f"{V1}/reservations", params={"limit": 1}).json()["next"]
    for route, query in (
        ("listings", {"cursor": cursor}),
        ("reservations", {"cursor": cursor, "status": "confirmed"}),
        ("reservations", {"cursor": cursor[:-1]}),
        ("reservations", {"cursor": "AAAA"}),
        ("reservations", {"cursor": "é"}),
    ):
        answer = callers.of_both.get(f"{V1}/{route}", params=query)
        assert (answer.status_code, "cursor" in answer.json()["detail"]) == (422, True), (route, query)
