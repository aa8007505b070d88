"""A caller of the API: what it may do, and of which accounts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID


class Scope(StrEnum):
    """One kind of request that a caller may make; no scope implies another."""

    READ = "read"
    MESSAGES = "messages"
    CALENDAR = "calendar"
    ACCOUNTS = "accounts"
    CHANNELS = "channels"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """The accounts that a caller may see.

    Attributes:
        account_ids: these accounts; None: see `customer_id`.
        customer_id: every account that belongs to this customer now; None, as `account_ids` is: all accounts.

    Raises:
        ValueError: both are given.
    """

    account_ids: frozenset[int] | None = None
    customer_id: UUID | None = None

    def __post_init__(self) -> None:
        if self.account_ids is not None and self.customer_id is not None:
            raise ValueError("an access is to accounts or to those of a customer, and not to both")

    def includes(self, account_id: int, customer_id: UUID | None) -> bool:
        """Whether an account of this customer may be seen."""
        if self.account_ids is not None:
            return account_id in self.account_ids
        return self.customer_id is None or self.customer_id == customer_id

    @classmethod
    def everything(cls) -> Self:
        """Return the access to all accounts."""
        return cls()

    @classmethod
    def of_accounts(cls, ids: Iterable[int]) -> Self:
        """Return the access to these accounts; without any, nothing may be seen."""
        return cls(account_ids=frozenset(ids))

    @classmethod
    def of_customer(cls, customer_id: UUID) -> Self:
        """Return the access to the accounts of a customer."""
        return cls(customer_id=customer_id)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: of the API key, or of the token's subject.
        scopes: the kinds of requests that it may make.
        access: the accounts that it may see.
        identity: what no other caller has, now or later: which key, or whose token.
        until: it proves no caller from then on; None: until it is revoked.
    """

    name: str
    scopes: frozenset[Scope]
    access: Access
    identity: str = ""
    until: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope."""
        return scope in self.scopes
