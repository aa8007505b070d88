"""The feed of changes: cursors, pages, and what a reader asks for. Pure: no I/O, no clock.

A feed is read in batches: the changes of all transactions that ended between two moments, ordered by `change_id`.
`docs/explanation.md` says why that order is the true one for each record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.model.ids import LARGEST_ID
from hostaway_sync.model.timestamps import clamp_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

_FORM: Final = re.compile(r"(\d{1,19})\.(\d{1,19})\.(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """A place in the feed, between two changes; as text it means nothing to a consumer.

    Attributes:
        low: first position of the batch that is being read.
        high: first position after that batch; everything below it is settled.
        change_id: the last change of the batch that was read; 0: none was.
    """

    low: int
    high: int
    change_id: int

    def __str__(self) -> str:
        return f"{self.low}.{self.high}.{self.change_id}"

    @classmethod
    def parse(cls, text: str) -> FeedCursor:
        """Return the cursor that was written as this text.

        Raises:
            ValueError: no cursor is written so.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("is not a cursor")
        low, high, change_id = map(int, found.groups())
        if low > high or max(high, change_id) > LARGEST_ID:
            raise ValueError("is not a cursor")
        return cls(low, high, change_id)

    @classmethod
    def after_all_below(cls, position: int) -> FeedCursor:
        """Return the cursor of a reader that has read all changes below a settled position."""
        return cls(position, position, 0)

    def at(self, change_id: int) -> FeedCursor:
        """Return the cursor after a change of the same batch."""
        return replace(self, change_id=change_id)


OLDEST: Final = FeedCursor(0, 0, 0)
"""The cursor before the oldest change that is kept."""


def parse_since(text: str) -> FeedCursor | datetime:
    """Return the cursor or the moment that a person wrote; a moment without a zone is in UTC.

    Raises:
        ValueError: it is neither.
    """
    try:
        return FeedCursor.parse(text)
    except ValueError:
        pass
    try:
        return clamp_moment(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError("is neither a cursor nor a time") from None


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """Which changes a reader wants; a cursor does not depend on it.

    Attributes:
        account_ids: those of these accounts; None: of all.
        resource: those of this kind of record; None: of all.
        after: those later than this by the database's clock; None: all.
        is_bound: whether the reader must not learn of other accounts, not even that they have changes.
    """

    account_ids: frozenset[int] | None = None
    resource: str | None = None
    after: datetime | None = None
    is_bound: bool = False


EVERYTHING: Final = FeedFilter()


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One change of one record.

    Attributes:
        change_id: number of the change; grows with each change of one record, not with the order of the feed.
        resource: what kind of record: a mirrored resource, `sync` or `send`.
        record_id: the record's id as text; of a day of a calendar `<listing_id>/<date>`.
        change: `inserted`, `updated`, `missing`, `returned` or `erased`.
        changed_at: when it was stored, by the database's clock.
        source_updated_at: the source's own time of change; None where it has none.
        keys: the top-level keys that differ; None: all of a new record, or none.
        before: their values in the version that was replaced; fractions are `Decimal`, with all their digits.
        after: their values in the new version.
        cause: `sync`, `webhook`, `verify`, `send` or `write`; None: unknown.
        cause_id: number of the run, delivery, message or write.
    """

    change_id: int
    account_id: int
    customer_id: UUID | None
    resource: str
    record_id: str
    change: str
    changed_at: datetime
    source_updated_at: datetime | None = None
    keys: tuple[str, ...] | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    cause: str | None = None
    cause_id: str | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A part of one batch of the feed.

    Attributes:
        entries: the changes in the order of the feed, each with the cursor after it.
        cursor: where to read on; it may be ahead of the last entry's where the rest of the batch was not wanted.
        is_last: no further change is settled; where it is False, the next page may be read at once.
        is_waiting: changes are committed that an older writing transaction holds back; they come when it has ended.
        has_lost: changes between the cursor and the oldest kept one were pruned before they were read.
    """

    entries: tuple[tuple[FeedCursor, RecordChange], ...]
    cursor: FeedCursor
    is_last: bool
    is_waiting: bool
    has_lost: bool = False
