"""Which limits a call counts against."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hostaway_sync.model.api_calls import Bucket
from hostaway_sync.platforms.hostaway.http.limits import Call, Limits, buckets_for, exhausted_buckets, lowered_buckets

TEN = timedelta(seconds=10)
LIMITS = Limits(address=(15, TEN), account=(20, TEN), send=(30, timedelta(seconds=60)))
ADDRESS, ACCOUNT = Bucket("ip:office", 15, TEN), Bucket("account:70001", 20, TEN)


@pytest.mark.parametrize("call", [Call.GENERAL, Call.TOKEN])
def test_general_call_needs_both_limits(call: Call) -> None:
    """Those of address and account, on every call; Hostaway may count the token route, so it counts here, too."""
    assert buckets_for(call, account_id=70001, egress="office", limits=LIMITS) == (ADDRESS, ACCOUNT)


def test_guest_message_has_a_limit_of_its_own() -> None:
    """It uses nothing of the general ones."""
    found = buckets_for(Call.SEND, account_id=70001, egress="office", limits=LIMITS)
    assert found == (Bucket("send:70001", 30, timedelta(seconds=60)),)


@pytest.mark.parametrize(
    ("scope", "hit"),
    [("ip", (ADDRESS,)), ("account", (ACCOUNT,)), ("provider", (ADDRESS, ACCOUNT)), (None, (ADDRESS, ACCOUNT))],
)
def test_429_is_about_the_limit_that_it_names(scope: str | None, hit: tuple[Bucket, ...]) -> None:
    """Without a name of one of the call's limits it is about all of them."""
    assert exhausted_buckets((ADDRESS, ACCOUNT), scope) == hit


@pytest.mark.parametrize(
    ("scope", "slower"), [("ip", (ADDRESS,)), ("account", (ACCOUNT,)), ("provider", (ACCOUNT,)), (None, (ACCOUNT,))]
)
def test_unnamed_lower_limit_slows_no_other_account(scope: str | None, slower: tuple[Bucket, ...]) -> None:
    """Only an answer that names the address slows all its accounts."""
    assert lowered_buckets((ADDRESS, ACCOUNT), scope) == slower
    assert lowered_buckets((ACCOUNT,), scope) == (ACCOUNT,)
