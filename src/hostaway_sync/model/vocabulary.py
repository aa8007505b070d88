"""What a platform's payloads call things: keys of fields that are personal or needed, and statuses. Data alone.

The platform makes it; `redaction`, `sentences`, `store` and `sending` are handed it, and know no key of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Remains:
    """What may stay of an object whose guest is forgotten: keys, by the form that a value must have.

    Attributes:
        numbers: keys of numbers.
        moments: keys of dates and times.
        words: keys of one word each.
        sums: a pattern of further keys of numbers; empty: there are none.
        emptied: keys of texts that readers take for granted: they stay, without their text.
    """

    numbers: frozenset[str] = frozenset()
    moments: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    sums: str = ""
    emptied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one platform; resources are named as in `records.Resource`.

    Attributes:
        needed: by resource, keys that the mirror reads: they cannot be hidden.
        copies: by resource, the key of a conversation that holds copies of such objects.
        owners: by resource, the keys of such a copy that say whose it is.
        in_deliveries: paths to where the object of a delivery may be.
        remains: by resource, what may stay of it once its guest is forgotten; of others nothing may.
        addresses: by resource, paths to where a guest's mail address may stand.
        naming: keys that name one person, wherever their values turn up; several at once are joined by a space.
        private: keys whose values stand in no log line, error or span.
        time_zone: the key of a listing's time zone.
        off: statuses of stays that never come about; another word is no reason to ask.
        unannounced: how statuses begin of reservations whose changes are not announced for certain.
    """

    needed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_deliveries: tuple[tuple[str, ...], ...] = ()
    remains: Mapping[str, Remains] = field(default_factory=dict)
    addresses: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    naming: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    time_zone: str = ""
    off: frozenset[str] = frozenset()
    unannounced: tuple[str, ...] = ()
