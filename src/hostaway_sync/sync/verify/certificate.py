"""The result of a verification: counts of what is equal and what is not, and what could not be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Equality(StrEnum):
    """How a mirror and its source compare; DIFFERENT wins over INCOMPLETE."""

    EQUAL = "equal"
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Findings:
    """How one resource compares.

    Attributes:
        source: distinct records that the source listed; of messages, those in the threads that were read.
        mirror: live rows; of messages likewise.
        missing: objects of the source without a live row in the mirror, or without their exact bytes.
        extra: live rows of objects that the source does not list, and whose request answers that they are gone.
        different: objects that both have, with other content.
        undecided: live rows of objects that the source does not list, and whose request is forbidden.
        newer_at_source: of missing and different, how many the source changed after the last run that was whole: those
            are late, the others are damage. Of conversations, how many are equal except for fields that moved with
            their messages, or without any sign: they are not different, and the next sweep reads them.
        ids: up to twenty ids by kind; of a day `<listing id>/<date>`.
        threads_read: of messages, how many threads were read whole.
        threads_trusted: of messages, how many threads were not read, because their conversation's stamps did not move
            since their last whole reading.
        note: a remark for the reader.
        error: why the resource could not be compared whole.
    """

    source: int = 0
    mirror: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    undecided: int = 0
    newer_at_source: int | None = None
    ids: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    threads_read: int | None = None
    threads_trusted: int | None = None
    note: str | None = None
    error: str | None = None

    @property
    def differences(self) -> int:
        """How many objects differ from the source."""
        return self.missing + self.extra + self.different

    @property
    def gap(self) -> str | None:
        """Why the resource cannot be called equal; None: nothing is left open."""
        if self.error is None and self.undecided:
            return f"{self.undecided} rows are not listed and may not be read (403): nothing proves them gone yet"
        return self.error

    def document(self) -> dict[str, Any]:
        """Return the findings with the keys that scripts rely on."""
        return {
            "source": self.source,
            "mirror": self.mirror,
            "missing": self.missing,
            "extra": self.extra,
            "different": self.different,
            "undecided": self.undecided,
            "newer_at_source": self.newer_at_source,
            "ids": {kind: list(ids) for kind, ids in self.ids.items()},
            "threads_read": self.threads_read,
            "threads_trusted": self.threads_trusted,
            "note": self.note,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result of a verification.

    Attributes:
        account_id: whose mirror was compared.
        verified_at: when the first request of the comparison was granted, by the database's clock.
        finished_at: when the verification ended, by the same clock.
        duration_s: how long it took, a repair included.
        api_calls: how many requests it took.
        deep: whether every thread was read.
        repaired: rows that were written or marked missing; None where no repair was wanted.
        resources: the findings; after a repair, those of a second comparison.
        calendar: the findings about days of calendars; None: they were not asked for, or it is what the table keeps.
        lost: readings of which no note was left at the end; if there are any, the counts prove nothing.
    """

    account_id: int
    verified_at: datetime
    finished_at: datetime
    duration_s: float
    api_calls: int
    deep: bool
    repaired: Mapping[Resource, int] | None
    resources: Mapping[Resource, Findings]
    lost: int = 0
    calendar: Findings | None = None

    @property
    def parts(self) -> dict[Resource, Findings]:
        """The findings of all that was compared, calendars included."""
        return {**self.resources, **({Resource.CALENDAR: self.calendar} if self.calendar else {})}

    @property
    def state(self) -> Equality:
        """How mirror and source compare in all."""
        if self.lost:
            return Equality.INCOMPLETE
        if any(part.differences for part in self.parts.values()):
            return Equality.DIFFERENT
        return Equality.INCOMPLETE if self.error else Equality.EQUAL

    @property
    def error(self) -> str | None:
        """What could not be compared, one sentence a resource; or that nothing is certified."""
        if self.lost:
            return (
                f"not certified: the notes of {self.lost:,} readings are gone from verification_notes, "
                "and what is left proves nothing; verify again"
            )
        gaps = [f"{resource}: {part.gap}" for resource, part in self.parts.items() if part.gap]
        return "; ".join(gaps) or None

    def document(self) -> dict[str, Any]:
        """Return the certificate with the keys that scripts rely on, times in ISO 8601."""
        return {
            "account_id": self.account_id,
            "state": self.state.value,
            "verified_at": self.verified_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "duration_s": self.duration_s,
            "api_calls": self.api_calls,
            "deep": self.deep,
            "repaired": None if self.repaired is None else {key.value: rows for key, rows in self.repaired.items()},
            "resources": {resource.value: part.document() for resource, part in self.parts.items()},
            "error": self.error,
        }
