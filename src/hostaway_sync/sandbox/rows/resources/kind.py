"""What the sandbox must know of a kind of objects to serve it, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from hostaway_sync.sandbox.rows.reservation_facts import Facts, reservation_facts
from hostaway_sync.sandbox.seed.layout import FirstIds
from hostaway_sync.sandbox.seed.prng import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hostaway_sync.sandbox.seed.layout import Layout

Key = int | str
Payload = dict[str, Any]
HUGE: Final = 1 << 53
"""Ids above this are written as text: a JSON number of their size loses digits in many readers."""
_FIRST_OF_STAYS: Final = 7_000_000
_LATER: Final = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """What objects are made from.

    Attributes:
        owner_id: id of the listing or reservation whose objects they are; 0 for those of the account.
        owner: that reservation now; empty for a listing and for the account.
    """

    layout: Layout
    account_id: int
    owner_id: int = 0
    owner: Mapping[str, Any] = field(default_factory=dict)

    def bits(self, key: int, salt: int) -> int:
        """Return 64 well-spread bits for an object; kinds differ by their salt."""
        return mix(self.layout.seed * 131 + salt * 1_000_003 + key)

    @property
    def first(self) -> int:
        """The lowest id of small kinds; listings begin there, too."""
        return self.layout.first.listings

    @property
    def first_of_stays(self) -> int:
        """The lowest id of kinds that have at most one object a stay."""
        return _FIRST_OF_STAYS + self.layout.first.reservations - FirstIds().reservations

    @property
    def next_id(self) -> int:
        """The first id that no seeded object has, whatever its kind."""
        return self.first_of_stays + self.layout.reservations + _LATER

    def stay(self, object_id: int) -> Facts:
        """Return the seeded stay that an object of `stay_ids` is about."""
        number = object_id - self.first_of_stays + self.layout.first.reservations
        position = self.layout.reservation_position(number)
        if position is None:
            raise KeyError(object_id)
        return reservation_facts(self.layout, position, number)

    def stay_ids(self, chosen: Callable[[Facts], bool]) -> list[int]:
        """Return the ids of objects about the seeded stays that are chosen, one each."""
        shift = self.first_of_stays - self.layout.first.reservations
        found = []
        for position in range(self.layout.reservations):
            facts = reservation_facts(self.layout, position, self.layout.reservation_id(position))
            if chosen(facts):
                found.append(facts.id + shift)
        return found


class Filter(NamedTuple):
    """A query parameter and what it asks of a key.

    `is`: equal; `in`: one of `parameter[]`, which is ignored without its brackets; `any`: the same, or a list with
    commas; `from`, `until`: days, both included; `text`: contains; `filled`: 1 has something there, 0 has nothing.
    """

    parameter: str
    how: Literal["is", "in", "any", "from", "until", "text", "filled"]
    key: str


def days(prefix: str, key: str = "") -> tuple[Filter, Filter]:
    """Return the filters `<prefix>Start` and `<prefix>End`."""
    return Filter(f"{prefix}Start", "from", key or prefix), Filter(f"{prefix}End", "until", key or prefix)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects; see the package's table.

    Attributes:
        name: as tests and the world call it, in the plural.
        path: below `/v1`; `{id}` is the owner's.
        keys: the keys of the seeded objects: ids, or codes of a map.
        write: one seeded object by its key.
        shape: `list` knows no pages and ignores `limit` and `offset`; `map` is an object by code; `object` is one.
        owner: whose objects a request asks for.
        single: the path of one object; "" when there is none.
        order: the key by which a list is sorted, `-` before it for falling; `upcoming:<key>`: what is to come rising,
            then what is past falling. Equal ones stand by id.
        sorts: what `sortBy` may name; anything else is ignored.
        count: `count` in the envelope: not there, a number, a text, or there when a page was asked for.
        identity: the keys that name an object, where `id` alone does not.
        soft_delete: a deleted object stays listed, with `isDeleted`.
        longest_days, most_values: a larger range or list in a filter is refused; 0: none is.
        on_request: a parameter and the key that only comes with it as 1.
    """

    name: str
    path: str
    keys: Callable[[Source], Sequence[Key]]
    write: Callable[[Source, Any], Any]
    shape: Literal["list", "paged", "map", "object"] = "list"
    owner: Literal["account", "listing", "reservation"] = "account"
    single: str = ""
    order: str = "id"
    sorts: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    count: Literal["absent", "number", "text", "paged"] = "absent"
    identity: tuple[str, ...] = ("id",)
    soft_delete: bool = False
    longest_days: int = 0
    most_values: int = 0
    on_request: tuple[str, str] = ("", "")

    def key_of(self, payload: Mapping[str, Any]) -> Key:
        """Return the key of an object; KeyError when it does not say it."""
        if self.identity == ("id",):
            key: Key = payload["id"]
            return key
        return "/".join(str(payload[name]) for name in self.identity)


def numbered(count: int) -> Callable[[Source], Sequence[Key]]:
    """Return the keys of a small kind: so many ids from the first one on."""
    return lambda source: range(source.first, source.first + count)
