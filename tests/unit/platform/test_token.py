"""One token for many threads, and the moment at which a request may leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from hostaway_sync.errors import SourceError
from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.model.records import AccessToken
from hostaway_sync.platforms.hostaway.http.pacing import SendSlot
from hostaway_sync.platforms.hostaway.http.token import IssuedToken, TokenProvider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIFE = timedelta(days=100)


def token(name: str, issued_at: datetime = NOW) -> AccessToken:
    """Make a token that lives a hundred days."""
    return AccessToken(SecretStr(name), issued_at, issued_at + LIFE)


class Desk:
    """A vault, a source of tokens, a clock and a bed, which write down what was done with them."""

    def __init__(self, kept: AccessToken | None = None) -> None:
        self.kept = kept
        self.now = NOW
        self.done: list[str] = []
        self.issued = 0
        self.reasons: list[str] = []
        self.others = 0
        self.theirs: AccessToken | None = None
        self.access = TokenProvider(vault=self, issue=self.issue, pause=self.pause, now=lambda: self.now)

    def load(self) -> AccessToken | None:
        """Give what was kept."""
        self.done.append("load")
        return self.kept

    def save(self, token: AccessToken) -> None:
        """Keep it."""
        self.done.append(f"save {token.value.get_secret_value()}")
        self.kept = token

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Say whose turn it is; others end theirs while one waits."""
        return nullcontext(self.others == 0)

    def issue(self, why: str) -> AccessToken:
        """Give the next token."""
        self.issued += 1
        self.reasons.append(why)
        self.done.append("issue")
        return token(f"new-{self.issued}", self.now)

    def pause(self, wait: timedelta) -> None:
        """Write down the wait."""
        self.done.append(f"pause {wait.total_seconds()}")
        if self.others:
            self.others -= 1
            self.kept = self.theirs or self.kept


def name_of(held: IssuedToken | None) -> str:
    """Give the text of a token."""
    assert held is not None
    return held.token.value.get_secret_value()


def test_a_kept_token_is_used_without_asking() -> None:
    """It is loaded once."""
    desk = Desk(token("kept"))
    assert [name_of(desk.access.current()) for _ in range(3)] == ["kept"] * 3
    assert desk.done == ["load"]


def test_a_new_token_is_held_back_until_it_works() -> None:
    """Nobody sees it sooner than a second after it was issued, not even the vault."""
    desk = Desk()
    assert name_of(desk.access.current()) == "new-1"
    assert desk.done == ["load", "load", "issue", "pause 1.1", "save new-1"]
    assert desk.reasons == ["token: none is stored"]


def test_a_token_is_replaced_when_most_of_its_life_is_over() -> None:
    """At nine tenths, so that none dies on the way."""
    desk = Desk(token("kept"))
    desk.now = NOW + timedelta(days=89)
    assert name_of(desk.access.current()) == "kept"
    desk.now = NOW + timedelta(days=90)
    assert name_of(desk.access.current()) == "new-1"
    assert desk.reasons == ["token: the stored one will end soon"]


def test_a_token_is_renewed_once_for_all_threads() -> None:
    """Those who failed with the old one take the new one; those who failed with the new one get nothing more."""
    desk = Desk(token("kept"))
    held = desk.access.current()
    together = Barrier(8)

    def fail_and_renew() -> str:
        together.wait()
        return name_of(desk.access.renewed(held))

    with ThreadPoolExecutor(8) as threads:
        assert {future.result() for future in [threads.submit(fail_and_renew) for _ in range(8)]} == {"new-1"}
    assert desk.issued == 1
    assert desk.access.renewed(desk.access.current()) is None
    assert desk.issued == 1


@pytest.mark.parametrize("old", [None, token("old", NOW - LIFE), token("refused")])
def test_whoever_is_not_the_one_to_renew_takes_what_the_other_stores(old: AccessToken | None) -> None:
    """There was none, it was about to end, or it was refused: one request for all processes together."""
    desk = Desk(old)
    desk.others, desk.theirs = 1, token("theirs")
    if old is not None and name_of(IssuedToken(old, 1)) == "refused":
        held = desk.access.current()
        assert name_of(desk.access.renewed(held)) == "theirs"
        assert desk.access.renewed(desk.access.current()) is None
    assert name_of(desk.access.current()) == "theirs"
    assert desk.issued == 0
    assert desk.done[-2:] == ["pause 0.3", "load"]


def test_a_token_that_another_renewed_long_ago_is_not_the_last_to_be_had() -> None:
    """It may have been revoked as well since."""
    desk = Desk(token("kept"))
    held = desk.access.current()
    desk.kept = token("theirs", NOW - timedelta(days=1))
    assert name_of(desk.access.renewed(held)) == "theirs"
    assert name_of(desk.access.renewed(desk.access.current())) == "new-1"
    assert desk.access.renewed(desk.access.current()) is None


def test_another_that_fails_or_hangs_keeps_nobody_from_a_token() -> None:
    """Its turn ends without a token, or does not end within a minute."""
    desk = Desk()
    desk.others = 3
    assert name_of(desk.access.current()) == "new-1"
    assert desk.done.count("pause 0.3") == 3
    desk = Desk()
    desk.others = 1000
    assert name_of(desk.access.current()) == "new-1"
    assert desk.done.count("pause 0.3") == 200


def test_a_failed_renewal_may_be_tried_again() -> None:
    """Only a token that was issued counts."""
    desk = Desk(token("kept"))
    access = TokenProvider(vault=desk, issue=desk.issue, pause=_refuse, now=lambda: NOW)
    held = access.current()
    for _ in range(2):
        with pytest.raises(SourceError):
            access.renewed(held)
    assert desk.kept == token("kept")


def _refuse(_: timedelta) -> None:
    raise SourceError("closed")


class Road:
    """A budget that grants every ten seconds, and a clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.granted = 0
        self.delay = 0.0

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Grant a slot ten seconds from now."""
        assert (buckets, priority) == (BUCKETS, Priority.LOW)
        self.granted += 1
        wait = timedelta(seconds=10)
        return Grant(NOW + timedelta(seconds=self.seconds) + wait, wait)

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Never asked here."""

    def pause(self, wait: timedelta) -> None:
        """Let time pass, and more of it where there is a delay."""
        self.seconds += wait.total_seconds() + self.delay
        self.delay = 0.0


BUCKETS = (Bucket("ip:office", 1, timedelta(seconds=10)),)


def departure(road: Road) -> SendSlot:
    """Prepare a request."""
    return SendSlot(
        budget=road, buckets=BUCKETS, priority=Priority.LOW, pause=road.pause, monotonic=lambda: road.seconds
    )


def test_a_request_leaves_at_the_moment_granted() -> None:
    """That is what it has seen, by the database's clock."""
    road = Road()
    request = departure(road)
    request.confirm()
    assert (road.granted, road.seconds) == (1, 10)
    assert request.granted_at == NOW + timedelta(seconds=10)


def test_a_request_that_is_a_little_late_leaves() -> None:
    """The budget's margin covers a tenth of a second."""
    road = Road()
    request = departure(road)
    road.seconds += 0.09
    request.confirm()
    assert road.granted == 1


def test_a_request_that_is_late_takes_another_moment_until_it_is_not() -> None:
    """A slow connection or a paused process costs a slot, never a window."""
    road = Road()
    request = departure(road)
    road.seconds += 0.2
    road.delay = 0.3
    request.confirm()
    assert road.granted == 3
    assert request.granted_at == NOW + timedelta(seconds=30.5)
