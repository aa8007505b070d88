"""The payload keys and statuses of a platform that other floors need: personal and required fields. Data only.

The platform fills it in; `redaction`, `safe_text`, `store` and `messages` receive it and know no key of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class KeptFields:
    """The fields of an object that are kept when its guest is erased, by the form that their values must have.

    Attributes:
        numbers: keys whose value is a number.
        moments: keys whose value is a date or a time.
        words: keys whose value is a single word.
        number_key_pattern: regular expression of further keys whose value is a number; empty: none.
        emptied: keys that readers rely on: they stay, with an empty text.
    """

    numbers: frozenset[str] = frozenset()
    moments: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    number_key_pattern: str = ""
    emptied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StayKeys:
    """The payload keys of a reservation, and of its messages, that its history tells.

    Attributes:
        booked_at: the key of the time at which it was booked.
        arrival: of the first day.
        departure: of the day after the last night.
        price: of what the guest pays in all.
        currency: of the currency of that price.
        guests: of the number of guests.
        listing: of the listing's id.
        status: of the reservation's status.
        channel: of the name of the channel that it came by.
        body: the key of a message's text.
        silent: keys of a reservation whose changes are not worth a word: stamps.
    """

    booked_at: str = ""
    arrival: str = ""
    departure: str = ""
    price: str = ""
    currency: str = ""
    guests: str = ""
    listing: str = ""
    status: str = ""
    channel: str = ""
    body: str = ""
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The payload keys and statuses of one platform; resources have the names of `records.Resource`.

    Attributes:
        needed_keys: by resource, the keys that the mirror reads; they cannot be hidden.
        copy_keys: by resource, the key of a conversation that holds copies of its objects.
        copy_owner_keys: by resource, the keys of such a copy that identify its owner.
        delivery_paths: paths at which a delivery may hold its object.
        kept_after_erasure: by resource, the fields kept when a guest is erased; other resources keep none.
        email_paths: by resource, the paths of a guest's mail addresses.
        name_keys: keys whose values name a person; keys joined by a space form one name.
        first_name_keys: keys of a person's first name.
        last_name_keys: keys of a person's last name.
        whole_name_keys: keys of a person's whole name.
        private_keys: keys whose values must not appear in a log line, an error or a span.
        time_zone_key: the key of a listing's time zone.
        cancelled_statuses: statuses of reservations without a stay; a message to such a guest needs a confirmation.
        vacant_statuses: statuses of reservations that take no days of the calendar.
        core_statuses: statuses of reservations, by the word of `core` for them; all others are unknown there.
        taken_day_statuses: statuses of days of a calendar that a stay takes.
        day_keys: of a day of a calendar, the key that each typed column comes from.
        object_keys: the same of each other kind of objects that accounts own; their names are those that rules may use.
        listing_name_key: the key of a listing's name.
        currency_key: the key of the currency of a listing's prices.
        linked_listing_paths: of a listing, paths to the ids of other listings; a stay on one takes days of the other.
        archived_listing: payload keys with the values, in lower case, that an archived listing has.
        unannounced_statuses: prefixes of statuses for which the platform may send no webhook.
        stay: what the history of a reservation tells.
        status_key: the key of the status of a reservation and of a message.
        event_states: by resource, what a status is for events, by status; other statuses are nothing for them.
    """

    needed_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    copy_keys: Mapping[str, str] = field(default_factory=dict)
    copy_owner_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    delivery_paths: tuple[tuple[str, ...], ...] = ()
    kept_after_erasure: Mapping[str, KeptFields] = field(default_factory=dict)
    email_paths: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    name_keys: tuple[str, ...] = ()
    first_name_keys: tuple[str, ...] = ()
    last_name_keys: tuple[str, ...] = ()
    whole_name_keys: tuple[str, ...] = ()
    private_keys: tuple[str, ...] = ()
    time_zone_key: str = ""
    cancelled_statuses: frozenset[str] = frozenset()
    vacant_statuses: frozenset[str] = frozenset()
    core_statuses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    taken_day_statuses: frozenset[str] = frozenset()
    day_keys: Mapping[str, str] = field(default_factory=dict)
    object_keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    listing_name_key: str = ""
    currency_key: str = ""
    linked_listing_paths: tuple[tuple[str, ...], ...] = ()
    archived_listing: Mapping[str, str] = field(default_factory=dict)
    unannounced_statuses: tuple[str, ...] = ()
    stay: StayKeys = StayKeys()
    status_key: str = ""
    event_states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
