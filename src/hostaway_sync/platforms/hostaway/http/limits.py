"""Which limits a call counts against (API notes, 3), as buckets of the request budget.

Every general call needs a slot in the bucket of the address and in that of the account. A guest message has a bucket of
its own and takes nothing from the others. Whether the token route counts is not documented: we count it.
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
    """The kinds of request that Hostaway's limits tell apart."""

    GENERAL = "general"
    TOKEN = "token"  # noqa: S105 - a kind of call
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per window: of all accounts behind one address, of one account, and of one account's guest messages."""

    address: Rate
    account: Rate
    send: Rate


def buckets_for(call: Call, *, account_id: int, egress: str, limits: Limits) -> tuple[Bucket, ...]:
    """Return every bucket in which `call` of this account, leaving through the address named `egress`, needs a slot."""
    if call is Call.SEND:
        return (Bucket(f"send:{account_id}", *limits.send),)
    return (Bucket(f"ip:{egress}", *limits.address), Bucket(f"account:{account_id}", *limits.account))


def exhausted_buckets(counted: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    """Return which of a request's buckets a 429 with this scope is about; all of them when it names none of them."""
    return _in_scope(counted, scope) or tuple(counted)


def lowered_buckets(counted: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    """Return which of a request's buckets the limit in a 429 holds for.

    Where the answer does not say which limit was hit, only the narrowest is lowered, so that no account slows another.
    """
    return _in_scope(counted, scope) or tuple(counted[-1:])


def _in_scope(counted: Sequence[Bucket], scope: str | None) -> tuple[Bucket, ...]:
    return tuple(bucket for bucket in counted if scope and bucket.key.startswith(f"{scope}:"))
