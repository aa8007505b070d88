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


class FakeVault:
    """A vault, an issuer of tokens, a clock and a sleep, which record their calls."""

    def __init__(self, stored: AccessToken | None = None) -> None:
        self.stored = stored
        self.now = NOW
        self.done: list[str] = []
        self.issued = 0
        self.reasons: list[str] = []
        self.others = 0
        self.theirs: AccessToken | None = None
        self.provider = TokenProvider(vault=self, issue=self.issue, pause=self.pause, now=lambda: self.now)

    def load(self) -> AccessToken | None:
        """Return the stored token."""
        self.done.append("load")
        return self.stored

    def save(self, token: AccessToken) -> None:
        """Store a token."""
        self.done.append(f"save {token.value.get_secret_value()}")
        self.stored = token

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Return whether we may renew; other processes end their renewals during our waits."""
        return nullcontext(self.others == 0)

    def issue(self, why: str) -> AccessToken:
        """Return the next token."""
        self.issued += 1
        self.reasons.append(why)
        self.done.append("issue")
        return token(f"new-{self.issued}", self.now)

    def pause(self, wait: timedelta) -> None:
        """Record the wait."""
        self.done.append(f"pause {wait.total_seconds()}")
        if self.others:
            self.others -= 1
            self.stored = self.theirs or self.stored


def name_of(issued: IssuedToken | None) -> str:
    """Return the text of a token."""
    assert issued is not None
    return issued.token.value.get_secret_value()


def test_stored_token_is_used_without_a_request() -> None:
    """It is loaded once."""
    fake = FakeVault(token("stored"))
    assert [name_of(fake.provider.current()) for _ in range(3)] == ["stored"] * 3
    assert fake.done == ["load"]


def test_new_token_is_held_back_until_it_works() -> None:
    """It is neither used nor stored within a second after it was issued."""
    fake = FakeVault()
    assert name_of(fake.provider.current()) == "new-1"
    assert fake.done == ["load", "load", "issue", "pause 1.1", "save new-1"]
    assert fake.reasons == ["token: none is stored"]


def test_token_is_replaced_late_in_its_life() -> None:
    """At nine tenths, so that none expires during a request."""
    fake = FakeVault(token("stored"))
    fake.now = NOW + timedelta(days=89)
    assert name_of(fake.provider.current()) == "stored"
    fake.now = NOW + timedelta(days=90)
    assert name_of(fake.provider.current()) == "new-1"
    assert fake.reasons == ["token: the stored one will end soon"]


def test_token_is_renewed_once_for_all_threads() -> None:
    """Threads that failed with the old one get the new one; threads that failed with the new one get none."""
    fake = FakeVault(token("stored"))
    issued = fake.provider.current()
    together = Barrier(8)

    def fail_and_renew() -> str:
        together.wait()
        return name_of(fake.provider.renew(issued))

    with ThreadPoolExecutor(8) as threads:
        assert {future.result() for future in [threads.submit(fail_and_renew) for _ in range(8)]} == {"new-1"}
    assert fake.issued == 1
    assert fake.provider.renew(fake.provider.current()) is None
    assert fake.issued == 1


@pytest.mark.parametrize("old", [None, token("old", NOW - LIFE), token("refused")])
def test_token_renewed_by_another_process_is_used(old: AccessToken | None) -> None:
    """It was missing, near its end, or refused: one request for all processes together."""
    fake = FakeVault(old)
    fake.others, fake.theirs = 1, token("theirs")
    if old is not None and name_of(IssuedToken(old, 1)) == "refused":
        issued = fake.provider.current()
        assert name_of(fake.provider.renew(issued)) == "theirs"
        assert fake.provider.renew(fake.provider.current()) is None
    assert name_of(fake.provider.current()) == "theirs"
    assert fake.issued == 0
    assert fake.done[-2:] == ["pause 0.3", "load"]


def test_token_renewed_elsewhere_long_ago_may_be_renewed_again() -> None:
    """It may have been revoked since."""
    fake = FakeVault(token("stored"))
    issued = fake.provider.current()
    fake.stored = token("theirs", NOW - timedelta(days=1))
    assert name_of(fake.provider.renew(issued)) == "theirs"
    assert name_of(fake.provider.renew(fake.provider.current())) == "new-1"
    assert fake.provider.renew(fake.provider.current()) is None


def test_failing_renewal_elsewhere_does_not_block_a_token() -> None:
    """It ends without a token, or does not end within a minute."""
    fake = FakeVault()
    fake.others = 3
    assert name_of(fake.provider.current()) == "new-1"
    assert fake.done.count("pause 0.3") == 3
    fake = FakeVault()
    fake.others = 1000
    assert name_of(fake.provider.current()) == "new-1"
    assert fake.done.count("pause 0.3") == 200


def test_failed_renewal_may_be_repeated() -> None:
    """Only a token that was issued counts."""
    fake = FakeVault(token("stored"))
    provider = TokenProvider(vault=fake, issue=fake.issue, pause=_refuse, now=lambda: NOW)
    issued = provider.current()
    for _ in range(2):
        with pytest.raises(SourceError):
            provider.renew(issued)
    assert fake.stored == token("stored")


def _refuse(_: timedelta) -> None:
    raise SourceError("closed")


class FakeBudget:
    """A budget that grants a slot ten seconds ahead, and a clock that moves during waits."""

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
        """Never called here."""

    def pause(self, wait: timedelta) -> None:
        """Let the time pass, and the delay, if any."""
        self.seconds += wait.total_seconds() + self.delay
        self.delay = 0.0


BUCKETS = (Bucket("ip:office", 1, timedelta(seconds=10)),)


def send_slot(budget: FakeBudget) -> SendSlot:
    """Prepare a slot."""
    return SendSlot(
        budget=budget, buckets=BUCKETS, priority=Priority.LOW, pause=budget.pause, monotonic=lambda: budget.seconds
    )


def test_request_leaves_at_the_granted_moment() -> None:
    """`observed_at` is that moment, by the database's clock."""
    budget = FakeBudget()
    slot = send_slot(budget)
    slot.confirm()
    assert (budget.granted, budget.seconds) == (1, 10)
    assert slot.granted_at == NOW + timedelta(seconds=10)


def test_slightly_late_request_leaves() -> None:
    """The budget's margin covers a tenth of a second."""
    budget = FakeBudget()
    slot = send_slot(budget)
    budget.seconds += 0.09
    slot.confirm()
    assert budget.granted == 1


def test_late_request_waits_for_another_slot() -> None:
    """A slow connection or a paused process costs a slot, never a window."""
    budget = FakeBudget()
    slot = send_slot(budget)
    budget.seconds += 0.2
    budget.delay = 0.3
    slot.confirm()
    assert budget.granted == 3
    assert slot.granted_at == NOW + timedelta(seconds=30.5)
