"""How one kind of objects is read from Hostaway: the form of a row of `table.KINDS`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import DAILY, MONTHLY, Kind, ResourceSet, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hostaway_sync.platforms.hostaway.parsing.casts import Cast

LIMIT: Final = 500
"""Rows that one request asks for: the most that the documented lists allow (notes on resources, 2.1)."""

MOST_RESERVATIONS: Final = 200
"""Reservations that one request may name (notes on resources, 2.1)."""


class Form(StrEnum):
    """The form of a list."""

    ROWS = "rows"
    """An array, perhaps in pages, with or without a count."""
    MAP = "map"
    """An object, whose keys are the ids of its values."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that may still change, by a date of its objects.

    Attributes:
        first: the parameter that says from which day on.
        before: how many days before the present one.
        last: the parameter that says until which day; empty: there is no end.
        after: how many days after the present one.
        whole_every: the list is read whole once in this time, because objects outside change, too.
        also: the same two parameters for other dates of the objects, each of which is asked for by itself.
    """

    first: str
    before: int
    last: str = ""
    after: int = 0
    whole_every: timedelta = MONTHLY
    also: tuple[tuple[str, str], ...] = ()

    def params(self, today: date) -> list[dict[str, int | str]]:
        """Return the parameters of the window around a day, for each kind of date."""
        begin = (today - timedelta(days=self.before)).isoformat()
        end = (today + timedelta(days=self.after)).isoformat()
        return [
            {first: begin, **({last: end} if last else {})} for first, last in ((self.first, self.last), *self.also)
        ]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the lists that make up the whole one of a kind.

    Attributes:
        params: sent with its requests.
        path: its own; empty: that of the kind. Where the account may not read some of these paths, it reads the others.
        prefix: of its objects' ids, which are not unique among the lists; empty: they are.
    """

    params: Mapping[str, int | str] = field(default_factory=dict)
    path: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ListToRead:
    """One list to be read, page by page; see `Variant`."""

    path: str
    params: Mapping[str, int | str]
    prefix: str = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of objects.

    Attributes:
        name: see `Kind`.
        path: of its list, below the API's address; `{parent}` is the id of the listing that the list belongs to.
        resource_set: see `Kind`.
        scope: see `Kind`.
        form: of the list.
        every: see `Kind`.
        params: sent with every request.
        variants: the lists that make up the whole one, which are read one after the other.
        window: the part that is read between two readings of the whole list; None: it is always read whole.
        id_keys: the keys whose values, joined by colons, are the id of an object.
        stamp: the key of Hostaway's own time of change; None if the objects have none.
        columns: column of the kind's own table → key and cast; empty: it has no table of its own.
        dropped: keys that are never stored, at any depth, besides `records.NEVER_STORED`.
        volatile: top-level keys that change although the object does not; comparisons ignore them.
        by_reservation: the parameter that asks for the objects of some reservations; empty: there is none.
    """

    name: str
    path: str
    resource_set: ResourceSet = ResourceSet.DEFAULT
    scope: Scope = Scope.ACCOUNT
    form: Form = Form.ROWS
    every: timedelta = DAILY
    params: Mapping[str, int | str] = field(default_factory=dict)
    variants: tuple[Variant, ...] = (Variant(),)
    window: Window | None = None
    id_keys: tuple[str, ...] = ("id",)
    stamp: str | None = None
    columns: Mapping[str, tuple[str, Cast]] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()
    by_reservation: str = ""

    @property
    def needed_keys(self) -> frozenset[str]:
        """The keys that no rule may hide: an object of a forgotten guest is known by its reservation."""
        return frozenset({*self.id_keys, "reservationId"})

    def lists(self, parent: int | None, around: date | None, reservations: Sequence[int] = ()) -> Iterator[ListToRead]:
        """Yield the lists to be read; see `KindSource.read_kind`."""
        parts: list[dict[str, int | str]] = [{}]
        if self.window is not None and around is not None:
            parts = self.window.params(around)
        for start in range(0, len(reservations), MOST_RESERVATIONS):
            batch = reservations[start : start + MOST_RESERVATIONS]
            parts.append({f"{self.by_reservation}[{place}]": number for place, number in enumerate(batch)})
        for variant, part in product(self.variants, parts):
            path = (variant.path or self.path).format(parent=parent)
            params = {**self.params, **part, **variant.params}
            yield ListToRead(path, params, variant.prefix, is_optional=bool(variant.path))

    @property
    def _parts(self) -> int:
        """How many requests read the part of a list that may still change, at least."""
        windows = 1 if self.window is None else 1 + len(self.window.also)
        return windows + bool(self.by_reservation)

    @property
    def kind(self) -> Kind:
        """What the mirror must know of it."""
        whole_every = None if self.window is None else self.window.whole_every
        return Kind(
            self.name,
            self.scope,
            self.resource_set,
            self.every,
            whole_every,
            tuple(self.columns),
            follows_reservations=bool(self.by_reservation),
            requests=len(self.variants) * self._parts,
            volatile=tuple(sorted(self.volatile)),
        )
