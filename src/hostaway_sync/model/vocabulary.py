"""What a platform's payloads call things: keys of fields that are personal or needed, and statuses. Data alone.

The platform makes it; `redaction`, `sentences`, `store` and `sending` are handed it, and know no key of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class KeptFields:
    """What may stay of an object whose guest is forgotten: keys, by the form that a value must have.

    Attributes:
        numbers: keys of numbers.
        moments: keys of dates and times.
        words: keys of one word each.
        number_key_pattern: a pattern of further keys of numbers; empty: there are none.
        emptied: keys of texts that readers take for granted: they stay, without their text.
    """

    numbers: frozenset[str] = frozenset()
    moments: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    number_key_pattern: str = ""
    emptied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one platform; resources are named as in `records.Resource`.

    Attributes:
        needed_keys: by resource, keys that the mirror reads: they cannot be hidden.
        copy_keys: by resource, the key of a conversation that holds copies of such objects.
        copy_owner_keys: by resource, the keys of such a copy that say whose it is.
        delivery_paths: paths to where the object of a delivery may be.
        kept_after_erasure: by resource, what may stay of it once its guest is forgotten; of others nothing may.
        email_paths: by resource, paths to where a guest's mail address may stand.
        name_keys: keys that name one person, wherever their values turn up; several at once are joined by a space.
        private_keys: keys whose values stand in no log line, error or span.
        time_zone_key: the key of a listing's time zone.
        cancelled_statuses: statuses of stays that never come about; another word is no reason to ask.
        unannounced_statuses: how statuses begin of reservations whose changes are not announced for certain.
    """

    needed_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    copy_keys: Mapping[str, str] = field(default_factory=dict)
    copy_owner_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    delivery_paths: tuple[tuple[str, ...], ...] = ()
    kept_after_erasure: Mapping[str, KeptFields] = field(default_factory=dict)
    email_paths: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    name_keys: tuple[str, ...] = ()
    private_keys: tuple[str, ...] = ()
    time_zone_key: str = ""
    cancelled_statuses: frozenset[str] = frozenset()
    unannounced_statuses: tuple[str, ...] = ()
