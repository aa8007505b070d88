from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.model.deliveries import DeliveryLogEntry, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.http.protocol import Listing
from hostaway_sync.platforms.hostaway.webhooks.delivery_log import LIMIT, MAX_PAGES, read_log
from hostaway_sync.webhooks.registration.delivery_audit import is_lost, select_newest_entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOKING = RefreshTarget(Resource.RESERVATIONS, 7)
PREFIX = "https://sync.example.org/webhooks/hostaway/1/"


class Log:
    """A log of so many entries that is requested page by page."""

    def __init__(self, ids: Sequence[int], *, counts: bool = True, ignores_offset: bool = False) -> None:
        self.ids = ids
        self.counts = counts
        self.ignores_offset = ignores_offset
        self.asked: list[dict[str, Any]] = []

    def __call__(self, params: Mapping[str, int | str], step: str) -> Listing:
        """Return a page."""
        assert step == (f"page {len(self.asked) + 1}" if self.asked else "")
        self.asked.append(dict(params))
        start = 0 if self.ignores_offset else int(params["offset"])
        rows = [json.dumps({"id": number}).encode() for number in self.ids[start : start + int(params["limit"])]]
        return Listing(rows, len(self.ids) if self.counts else None)

    def read(self, after: int | None = None) -> tuple[set[int], bool, int]:
        """Return the read ids, whether the log was read whole, and the number of requests."""
        log = read_log(self, 5, after=after)
        return {entry.entry_id for entry in log.entries}, log.is_whole, len(self.asked)


@pytest.mark.parametrize("counts", [True, False])
def test_short_log_is_read_to_its_end(counts: bool) -> None:  # noqa: FBT001
    """Where the source does not count, an empty page proves the end."""
    ids = range(250, 0, -1)
    assert Log(ids, counts=counts).read() == (set(ids), True, 3 if counts else 4)
    assert Log([], counts=counts).read() == (set(), True, 1)


def test_log_with_newest_first_is_read_to_the_known_entry() -> None:
    """Down to the last entry of the audit before."""
    for after in (950, 901):
        assert Log(range(1_000, 0, -1)).read(after=after) == (set(range(901, 1_001)), True, 1)
    assert Log([7], counts=False).read(after=7) == ({7}, True, 1)


def test_too_long_log_is_read_in_part() -> None:
    """The newest entries; the result says that there are more."""
    length = LIMIT * MAX_PAGES + 1_000
    ids, is_whole, calls = Log(range(length, 0, -1)).read()
    assert (ids, is_whole, calls) == (set(range(1_001, length + 1)), False, MAX_PAGES)
    assert not Log(range(length, 0, -1)).read(after=5)[1]
    ids, is_whole, calls = Log(range(1, length + 1)).read(after=length - 10)
    assert ids >= set(range(1_101, length + 1))
    assert (is_whole, calls) == (True, MAX_PAGES)


@pytest.mark.parametrize("after", [None, 50, 100, 500])
def test_skipped_entries_make_the_log_incomplete(after: int | None) -> None:
    """The middle of a long rising log is left out: it is not whole, unless that part was read before."""
    length = LIMIT * MAX_PAGES + 1_000
    ids, is_whole, _ = Log(range(1, length + 1)).read(after=after)
    assert 501 not in ids
    assert not is_whole


@pytest.mark.parametrize("after", [None, 50])
def test_log_with_rising_ids_and_no_count_is_not_whole(after: int | None) -> None:
    """The newest entries are at the end, whose offset is not known."""
    assert not Log(range(1, LIMIT * MAX_PAGES + 100), counts=False).read(after=after)[1]


def test_short_log_with_rising_ids_is_read_page_by_page() -> None:
    """No entry is skipped."""
    assert Log(range(1, 251)).read() == (set(range(1, 251)), True, 3)
    longest = LIMIT * MAX_PAGES
    assert Log(range(1, longest + 1)).read() == (set(range(1, longest + 1)), True, MAX_PAGES)


def test_log_that_ignores_the_offset_ends() -> None:
    """A repeated page is its end."""
    assert Log(range(300, 0, -1), ignores_offset=True).read() == (set(range(201, 301)), True, 2)


def test_log_is_requested_for_a_known_registration() -> None:
    """A source that can filter need not send the entries of others."""
    log = Log([])
    read_log(log, None, after=None)
    read_log(log_of_five := Log([]), 5, after=None)
    assert log.asked == [{"limit": LIMIT, "offset": 0}]
    assert log_of_five.asked == [{"limit": LIMIT, "offset": 0, "unifiedWebhookId": 5}]


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        (
            {"object": "reservation", "objectId": "7", "responseStatus": 200, "webhookNotificationSettingId": 5},
            DeliveryLogEntry(1, BOOKING, was_accepted=True, hook_id=5),
        ),
        (
            {"event": "reservation.dates.updated", "objectId": 7, "responseStatus": "503"},
            DeliveryLogEntry(1, BOOKING, was_accepted=False),
        ),
        ({"object": "listing", "objectId": 3}, DeliveryLogEntry(1, RefreshTarget(Resource.LISTINGS, 3), None)),
        (
            {"object": "conversationMessage", "objectId": 9, "event": "message.received", "url": PREFIX},
            DeliveryLogEntry(1, RefreshTarget(Resource.MESSAGES, 9), None, url=PREFIX),
        ),
        ({"object": "task", "event": "task.created", "objectId": 4, "url": None}, DeliveryLogEntry(1, None, None)),
        ({"object": "reservation", "objectId": None, "responseStatus": "x"}, DeliveryLogEntry(1, None, None)),
        ({"object": [], "event": {}}, DeliveryLogEntry(1, None, None)),
    ],
)
def test_entry_is_read_in_every_known_shape(row: dict[str, Any], entry: DeliveryLogEntry) -> None:
    """Missing values are unknown, and an object of another kind is no target."""
    log = read_log(lambda params, step: Listing([json.dumps({"id": 1} | row).encode()], 1), None, after=None)  # noqa: ARG005
    assert log.entries == (entry,)


@pytest.mark.parametrize("row", [b"5", b"{", b"{}", b'{"id": 0}', b"[]", b"\xff"])
def test_rows_that_are_no_entries_are_skipped(row: bytes) -> None:
    """They have no number."""
    assert read_log(lambda params, step: Listing([row], 1), None, after=None).entries == ()  # noqa: ARG005


def test_newest_entry_of_an_object_counts() -> None:
    """Hostaway tries again, and entries of the last audit are old."""
    failed, taken = DeliveryLogEntry(4, BOOKING, was_accepted=False), DeliveryLogEntry(5, BOOKING, was_accepted=True)
    assert select_newest_entries([taken, failed], None, PREFIX, after=None) == {BOOKING: taken}
    assert select_newest_entries([taken, failed], None, PREFIX, after=5) == {}


def test_entries_of_other_webhooks_are_not_ours() -> None:
    """By address or by number; an entry with neither may be ours."""

    def is_ours(hook_id: int | None, url: str) -> bool:
        return bool(select_newest_entries([DeliveryLogEntry(1, BOOKING, None, hook_id, url)], 5, PREFIX, after=None))

    assert is_ours(None, "")
    assert is_ours(5, "")
    assert is_ours(5, "https://sync.example.org/****")
    assert is_ours(6, PREFIX + "secret")
    assert not is_ours(6, "")
    assert not is_ours(None, "https://other.example/")


def test_failed_or_missing_deliveries_are_lost() -> None:
    """The first audit judges failures only, because it does not know since when to look."""
    failed, taken, unknown = (DeliveryLogEntry(1, BOOKING, was_accepted=word) for word in (False, True, None))
    assert is_lost(failed, None, ())
    assert not is_lost(taken, None, ())
    assert is_lost(taken, set(), ())
    assert is_lost(unknown, set(), ())
    assert not is_lost(taken, {BOOKING}, ())
    assert not is_lost(DeliveryLogEntry(1, None, was_accepted=False), set(), ())


def test_message_is_lost_when_it_is_not_mirrored() -> None:
    """Its delivery names a conversation, so that other deliveries prove nothing about it."""
    message = RefreshTarget(Resource.MESSAGES, 9)
    assert is_lost(DeliveryLogEntry(1, message, was_accepted=False), set(), ())
    assert not is_lost(DeliveryLogEntry(1, message, was_accepted=False), set(), {9})
    assert not is_lost(DeliveryLogEntry(1, message, was_accepted=True), set(), ())


@pytest.mark.parametrize(("after", "is_whole"), [(None, False), (100, False), (150, False), (2_950, True)])
def test_log_that_repeats_its_last_page_ends_there(after: int | None, *, is_whole: bool) -> None:
    """It was read whole only if the skipped entries were read before."""

    class Stuck(Log):
        def __call__(self, params: Mapping[str, int | str], step: str) -> Listing:
            """Return the first page, and then one near the end, again and again."""
            listing = super().__call__({**params, "offset": 2_900 if params["offset"] else 0}, step)
            return Listing(listing.rows, 3_000)

    found, whole, calls = Stuck(range(1, 3_001)).read(after=after)
    assert (found, whole, calls) == ({*range(1, 101), *range(2_901, 3_001)}, is_whole, 3)
