"""Which change is which event: one table of data, and names as a person writes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hostaway_sync.model.history.feed import RecordChange
    from hostaway_sync.model.vocabulary import Vocabulary

ALL: Final = "*"
GUEST, HOST = "guest", "host"
_ALTERED: Final = frozenset({"updated", "returned", "erased"})
_NEW: Final = frozenset({"inserted"})
_ANY: Final = _NEW | _ALTERED | {"missing"}


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What of a change decides about its event.

    Attributes:
        resource: kind of the record, as in `changes`.
        change: what became of it, as in `changes`.
        became: the state that the change brought, in the words of `core`: `cancelled`, `sent`, `failed`,
            `recovered`, `outcome_unknown`, `opened`, `resolved`; None: none of these.
        sender: of a message, `guest` or `host`; else None.
    """

    resource: str
    change: str
    became: str | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """A change that all conditions fit is the event `name`; None fits everything."""

    name: str
    resource: str
    changes: frozenset[str] = _ANY
    became: str | None = None
    sender: str | None = None

    def fits(self, facts: ChangeFacts) -> bool:
        """Whether a change is this event."""
        return (
            facts.resource == self.resource
            and facts.change in self.changes
            and self.became in (None, facts.became)
            and self.sender in (None, facts.sender)
        )


# The first rule that fits counts: one change is one event. A change that none fits is none.
RULES: Final = (
    EventRule("reservation.created", "reservations", _NEW),
    EventRule("reservation.missing", "reservations", frozenset({"missing"})),
    EventRule("reservation.cancelled", "reservations", became="cancelled"),
    EventRule("reservation.updated", "reservations", _ALTERED),
    EventRule("message.received", "messages", _NEW, sender=GUEST),
    EventRule("message.sent", "messages", _NEW | _ALTERED, became="sent", sender=HOST),
    EventRule("message.failed", "messages", _NEW | _ALTERED, became="failed", sender=HOST),
    EventRule("listing.created", "listings", _NEW),
    EventRule("listing.updated", "listings", _ALTERED),
    EventRule("listing.missing", "listings", frozenset({"missing"})),
    EventRule("calendar.changed", "calendar"),
    EventRule("review.created", "reviews", _NEW),
    EventRule("review.updated", "reviews", _ALTERED),
    EventRule("task.created", "tasks", _NEW),
    EventRule("task.updated", "tasks", _ALTERED),
    EventRule("sync.failed", "sync", became="failed"),
    EventRule("sync.recovered", "sync", became="recovered"),
    EventRule("send.outcome_unknown", "send", became="outcome_unknown"),
    EventRule("drift.opened", "drift", became="opened"),
    EventRule("drift.resolved", "drift", became="resolved"),
)
EVENTS: Final = tuple(rule.name for rule in RULES)
_RECOVERED: Final = "recovered"
_OWN_KEY: Final = "state"
_OWN_STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "sync": {"failed": "failed", "partial": "failed", "abandoned": "failed", "success": _RECOVERED},
    "send": {"outcome_unknown": "outcome_unknown"},
    "drift": {"open": "opened", "resolved": "resolved"},
}
# Of these nothing is written yet: an automation may name them, and is told when a later version has them.
AWAITED: Final = frozenset(rule.name for rule in RULES if rule.resource == "drift")


def find_state(change: RecordChange, words: Vocabulary) -> str | None:
    """Return the state that a change brought, in the words of `ChangeFacts`; None: none of them.

    Args:
        change: as the feed has it.
        words: what statuses of the platform mean.
    """
    before, after = change.before or {}, change.after or {}
    if change.resource in _OWN_STATES:
        known, key = _OWN_STATES[change.resource], _OWN_KEY
    else:
        known, key = words.event_states.get(change.resource, {}), words.status_key
    became = known.get(str(after.get(key)))
    # From one failure into another is no news, and a success after none neither.
    was = known.get(str(before.get(key)))
    return None if became == was or (became == _RECOVERED and was is None) else became


def derive_event(facts: ChangeFacts) -> str | None:
    """Return the name of the event that a change is; None: it is none."""
    return next((rule.name for rule in RULES if rule.fits(facts)), None)


def wants(events: Collection[str], event: str) -> bool:
    """Whether an automation on `events` is told of `event`."""
    return event in events or ALL in events


def resource_of(event: str) -> str:
    """Return the kind of record that an event is about."""
    return next(rule.resource for rule in RULES if rule.name == event)


def example_change_of(event: str) -> str:
    """Return a change that may be an event of this name: `updated` if it can be, as most are."""
    changes = next(rule.changes for rule in RULES if rule.name == event)
    return "updated" if "updated" in changes else min(changes)


def resources_of(events: Collection[str]) -> frozenset[str]:
    """Return the kinds of records that events are about."""
    return frozenset(rule.resource for rule in RULES if wants(events, rule.name))


def read_events(text: str) -> tuple[str, ...]:
    """Read names of events, separated by commas.

    Raises:
        UsageError: one is unknown.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in (*EVENTS, ALL)]
    if unknown:
        raise UsageError(
            f"--on {unknown[0]!r}: there is no such event; there are {', '.join(EVENTS)} and {ALL} for all"
        )
    return names
