"""Which limits a call counts against (API notes, 3): a choice of buckets, nothing else.

Every general call needs a slot in the address's bucket and in the account's; a guest message has a bucket of its own
and takes nothing from the others. Whether the token route counts is not documented: it is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from hostaway_sync.model.api_calls import Bucket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

Rate: TypeAlias = "tuple[int, timedelta]"


class Call(StrEnum):
    """What a request is, for the source's limits."""

    GENERAL = "general"
    TOKEN = "token"  # noqa: S105 - a kind of call
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per window, as settings give them."""

    address: Rate
    account: Rate
    send: Rate


def buckets(call: Call, *, account_id: int, egress: str, limits: Limits) -> tuple[Bucket, ...]:
    """Give every bucket that `call` of this account, leaving through the address named `egress`, needs a slot in."""
    if call is Call.SEND:
        return (Bucket(f"send:{account_id}", *limits.send),)
    return (Bucket(f"ip:{egress}", *limits.address), Bucket(f"account:{account_id}", *limits.account))


def exhausted(asked: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    """Give those of the buckets asked that a 429 with this scope speaks of; all of them when it does not say."""
    return _named(asked, scope) or tuple(asked)


def lowered(asked: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    """Return the buckets that the limit in a 429 holds for.

    Where the answer does not say which limit was hit, that is the narrowest alone: no account is slowed for another's.
    """
    return _named(asked, scope) or tuple(asked[-1:])


def _named(asked: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    return tuple(bucket for bucket in asked if scope and bucket.key.startswith(f"{scope}:"))
