"""What the mirror must know of a kind of objects, how its lists were read, and what a reading brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

DAILY: Final = timedelta(hours=20)
WEEKLY: Final = timedelta(days=7)
MONTHLY: Final = timedelta(days=30)
# A list that the account may not read is asked for again after this time: its plan may have changed.
REFUSED_PERIOD: Final = timedelta(days=7)
# If the lists of so many listings are forbidden and none is read, the account's plan lacks the kind. One that is not
# found says nothing of the others: its listing may be archived.
REFUSED_LISTS: Final = 3


class Scope(StrEnum):
    """What each list of a kind belongs to: to no account, to an account, or to one of its listings."""

    INSTALLATION = "installation"
    ACCOUNT = "account"
    LISTING = "listing"


class ResourceSet(StrEnum):
    """A set of kinds that an operator mirrors, or does not."""

    DEFAULT = "default"
    FINANCE = "finance"
    TEXTS = "texts"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of objects.

    Attributes:
        name: its view's name, plural and in snake_case; also its table's, if it has one of its own.
        scope: what each of its lists belongs to.
        resource_set: the set that it is part of.
        every: a list is read once in this time.
        whole_every: a list is read whole once in this time, and in part otherwise; None: it is always read whole.
        columns: the typed columns of its own table; empty: it has none, and its rows are in `resources`.
        follows_reservations: the objects of reservations that changed are read, too, when only a part is read.
        requests: how many requests read one of its lists, however short it is.
        volatile: top-level keys that change although the object does not; the history ignores them.
    """

    name: str
    scope: Scope = Scope.ACCOUNT
    resource_set: ResourceSet = ResourceSet.DEFAULT
    every: timedelta = DAILY
    whole_every: timedelta | None = None
    columns: tuple[str, ...] = ()
    follows_reservations: bool = False
    requests: int = 1
    volatile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindRecord:
    """One object as received.

    Attributes:
        source_id: the platform's id as text; None if it has no usable one: then it gets no row.
        payload: JSON text that JSONB accepts, without the keys that are never stored.
        payload_hash: the version of the hash rule in the first byte, then 128 bits over what is compared.
        source_updated_at: the object's own timestamp in UTC; None if it has no readable one.
        columns: the value of each typed column; None if the received value does not fit the column's type.
        misfits: how many values did not fit.
        exact: bytes to keep in quarantine, without the keys that are never stored; None: none.
        reason: why they are kept, as a short phrase; None if they are not.
    """

    source_id: str | None
    payload: str
    payload_hash: bytes
    source_updated_at: datetime | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    misfits: int = 0
    exact: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class KindPage:
    """The objects of one answer.

    Attributes:
        records: at most one for each id.
        observed_at: when the budget granted the request, by the database's clock.
        total: the length of the whole list, as the answer states it; None if it does not.
        doubt: why rows of the list may be missing, up to this page, as a phrase; None: nothing speaks for it.
        unread: how the ids of objects begin that a part of the list would hold which was refused.
    """

    records: Sequence[KindRecord]
    observed_at: datetime
    total: int | None = None
    doubt: str | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindReading:
    """How one list of a kind was read last.

    Attributes:
        kind: the name of the kind.
        parent: the listing that the list belongs to; None: it is the account's.
        read_at: when it was asked for last, whole or in part; None: never.
        whole_at: when it was asked for last and read whole; None: never.
        due_at: when it is to be read again; None: now.
        refused_at: when the platform refused it; None: the last request was answered.
    """

    kind: str
    parent: int | None = None
    read_at: datetime | None = None
    whole_at: datetime | None = None
    due_at: datetime | None = None
    refused_at: datetime | None = None


class KindSource(Protocol):
    """The platform's API for reading the kinds of one account."""

    def read_kind(
        self,
        kind: str,
        *,
        parent: int | None = None,
        around: date | None = None,
        reservations: Sequence[int] = (),
        why: str = "",
    ) -> Iterator[KindPage]:
        """Read one list, page by page.

        Args:
            kind: the name of the kind.
            parent: the listing that the list belongs to; None: it is the account's.
            around: read only objects that may still change on this day; None: all.
            reservations: besides these, read the objects of these reservations, if the kind follows reservations.
            why: the reason for `ApiCall`.

        Raises:
            Forbidden: the account may not read it, though its token is valid.
            NotFound: there is no such list, or its parent is gone.
            SourceError: any other failure, after the retries that it allows.
        """
