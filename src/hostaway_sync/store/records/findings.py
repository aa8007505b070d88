"""The findings of a verification so far, kept in the database so that memory does not grow with the account.

Notes belong to the lease they are written under: no other process deletes them while its owner holds it. The notes of a
killed verification are deleted by the next holder of the lease, or by pruning. Of an object that was met twice the last
finding counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from hostaway_sync.model.records import Resource
from hostaway_sync.store.records import due_threads, missing
from hostaway_sync.store.records.compare import RowComparison
from hostaway_sync.store.tables import (
    MIRRORED,
    conversation_messages,
    conversations,
    verification_notes,
    verifications,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

# Under this name instead of a resource's: the conversations whose threads were read whole.
THREADS = "threads"


@dataclass(frozen=True, slots=True)
class Notes:
    """Names the notes of one comparison of an account.

    Attributes:
        account_id: the compared account.
        fencing_token: of the lease that the comparison runs under.
        pages: counts the pages. A number is taken before the transaction that stores the page, so that a repeated
            transaction stores it once.
    """

    account_id: int
    fencing_token: int
    notes_id: UUID = field(default_factory=uuid4)
    pages: Iterator[int] = field(default_factory=count, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """The finding about one object; `is_newer`: the source changed it after the last whole run."""

    key: int
    verdict: RowComparison
    is_newer: bool = False


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """The number of objects of each verdict, and of those that the source changed since the last run."""

    counts: Mapping[RowComparison, int]
    newer: int


@dataclass(frozen=True, slots=True)
class UnmetRow(missing.UnlistedRow):
    """A live row that was not met; `is_orphan`: its parent is gone, or it has none."""

    is_orphan: bool


def add_findings(
    connection: sa.Connection, notes: Notes, resource: Resource, found: Sequence[Note], *, page: int
) -> None:
    """Store findings, as one page."""
    _insert(connection, notes, resource.value, found, page)


def add_read_thread(connection: sa.Connection, notes: Notes, conversation_id: int, *, page: int) -> None:
    """Store that a thread was read whole."""
    _insert(connection, notes, THREADS, [Note(conversation_id, RowComparison.EQUAL)], page)


def count_noted(connection: sa.Connection, notes: Notes) -> dict[str, int]:
    """Count the findings stored so far, by resource and for `THREADS`; an object met twice counts twice."""
    objects = sa.func.sum(sa.func.cardinality(verification_notes.c.record_keys))
    query = sa.select(verification_notes.c.resource, objects).where(_of(notes)).group_by(verification_notes.c.resource)
    return {resource: int(number) for resource, number in connection.execute(query)}


def delete_notes(connection: sa.Connection, *notes: Notes) -> None:
    """Delete notes."""
    connection.execute(sa.delete(verification_notes).where(sa.or_(*map(_of, notes))))


def count_findings(connection: sa.Connection, notes: Notes, resource: Resource) -> FindingCounts:
    """Count the objects by verdict."""
    last = _last(notes, resource.value)
    counted = sa.select(last.c.verdict, last.c.is_newer, sa.func.count().label("objects"))
    rows = connection.execute(counted.group_by(last.c.verdict, last.c.is_newer)).all()
    counts = {verdict: sum(row.objects for row in rows if row.verdict == verdict.value) for verdict in RowComparison}
    return FindingCounts(counts, sum(row.objects for row in rows if row.is_newer))


def list_ids(
    connection: sa.Connection, notes: Notes, resource: Resource, verdict: RowComparison, *, limit: int
) -> list[int]:
    """Return the lowest ids of a verdict, `limit` at most, without objects that have no usable id."""
    last = _last(notes, resource.value)
    is_one = (last.c.verdict == verdict.value, last.c.key > 0)
    return list(connection.scalars(sa.select(last.c.key).where(*is_one).order_by(last.c.key).limit(limit)))


def choose_threads_to_read(
    connection: sa.Connection, notes: Notes, earlier: Notes | None, *, deep: bool
) -> tuple[list[int], int]:
    """Return the listed conversations whose threads must be read, and the number of the others.

    With `deep` these are all. Else a conversation must be read that is due, was never read whole, holds an unsent
    message whose time has passed, did not equal its row, or was read in the `earlier` comparison.
    """
    listed = _listed(notes)
    stored = sa.and_(conversations.c.account_id == notes.account_id, conversations.c.id == listed.c.key)
    doubtful = sa.or_(
        listed.c.verdict != RowComparison.EQUAL.value,
        conversations.c.id.is_(None),
        conversations.c.thread_due_at.is_not(None),
        conversations.c.thread_read_at.is_(None),
        due_threads.has_overdue_message(notes.account_id),
        *([sa.exists().where(_last(earlier, THREADS).c.key == listed.c.key)] if earlier else []),
    )
    wanted = sa.true() if deep else doubtful
    query = sa.select(listed.c.key).select_from(listed.outerjoin(conversations, stored)).where(wanted)
    found = list(connection.scalars(query.order_by(listed.c.key)))
    total = connection.execute(sa.select(sa.func.count()).select_from(listed)).scalar_one()
    return found, total - len(found)


def count_threads_read(connection: sa.Connection, notes: Notes) -> int:
    """Count the threads that were read whole."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(_last(notes, THREADS))).scalar_one())


def count_live(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> int:
    """Count the live rows that can be compared: all; of messages, those in the threads that were read whole.

    With `deep` also messages of conversations that the source does not list at all.
    """
    table = MIRRORED[resource]
    query = sa.select(sa.func.count()).select_from(table)
    return int(connection.execute(query.where(*_is_comparable(notes, resource, deep=deep))).scalar_one())


def list_unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> list[UnmetRow]:
    """Return the comparable live rows that were not met."""
    return [UnmetRow(*row) for row in connection.execute(_unlisted(notes, resource, deep=deep))]


def count_unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> int:
    """Count the comparable live rows that were not met, without fetching them."""
    rows = _unlisted(notes, resource, deep=deep).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())


def add_unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool, page: int) -> int:
    """Store all comparable live rows that were not met as extra, without fetching them; return how many."""
    rows = _unlisted(notes, resource, deep=deep).order_by(None).subquery()
    extra = sa.func.array_agg(sa.cast(RowComparison.EXTRA.value, sa.Text))
    newer = sa.func.array_agg(sa.false())
    values = _identity(notes, resource.value, page)
    found = {"record_keys": sa.func.array_agg(rows.c.id), "verdicts": extra, "are_newer": newer}
    selected = sa.select(*(sa.literal(value) for value in values.values()), *found.values())
    statement = sa.insert(verification_notes).from_select([*values, *found], selected)
    keys = statement.returning(sa.func.cardinality(verification_notes.c.record_keys))
    return int(connection.execute(keys).scalar_one())


def store_certificate(
    connection: sa.Connection,
    account_id: int,
    certificate: Mapping[str, object],
    *,
    verified_at: datetime,
    finished_at: datetime,
    is_equal: bool,
    is_deep: bool,
    api_calls: int,
) -> None:
    """Store the certificate of a verification."""
    values = {"account_id": account_id, "verified_at": verified_at, "finished_at": finished_at}
    values |= {"is_equal": is_equal, "is_deep": is_deep, "api_calls": api_calls, "certificate": certificate}
    connection.execute(sa.insert(verifications).values(values))


def was_met(notes: Notes, resource: Resource, key: sa.ColumnElement[int]) -> sa.Exists:
    """Return the condition that a comparison met the object that a column names."""
    return sa.exists().where(_last(notes, resource.value).c.key == key)


def _insert(connection: sa.Connection, notes: Notes, resource: str, found: Sequence[Note], page: int) -> None:
    values = {
        **_identity(notes, resource, page),
        "record_keys": [one.key for one in found],
        "verdicts": [one.verdict.value for one in found],
        "are_newer": [one.is_newer for one in found],
    }
    # The answer to a commit may be lost, and its transaction repeated.
    connection.execute(insert(verification_notes).values(values).on_conflict_do_nothing())


def _identity(notes: Notes, resource: str, page: int) -> dict[str, Any]:
    whose = {"notes_id": notes.notes_id, "page": page, "account_id": notes.account_id}
    return {**whose, "fencing_token": notes.fencing_token, "resource": resource}


def _of(notes: Notes) -> sa.ColumnElement[bool]:
    return verification_notes.c.notes_id == notes.notes_id


def _last(notes: Notes, resource: str) -> sa.Subquery:
    """Return the query for the last finding of every object: key, verdict and newness."""
    columns = (verification_notes.c[name] for name in ("record_keys", "verdicts", "are_newer"))
    met = sa.func.unnest(*columns).table_valued("key", "verdict", "is_newer", name="met").render_derived()
    return (
        sa.select(met.c.key, met.c.verdict, met.c.is_newer)
        .ext(distinct_on(met.c.key))
        .select_from(verification_notes.join(met, sa.true()))
        .where(_of(notes), verification_notes.c.resource == resource)
        .order_by(met.c.key, verification_notes.c.page.desc())
        .subquery()
    )


def _listed(notes: Notes) -> sa.Subquery:
    """Return the query for the conversations that the source has, with their verdicts."""
    last = _last(notes, Resource.CONVERSATIONS.value)
    is_there = last.c.verdict.not_in([RowComparison.EXTRA.value, RowComparison.UNDECIDED.value])
    return sa.select(last.c.key, last.c.verdict).where(last.c.key > 0, is_there).subquery()


def _is_comparable(notes: Notes, resource: Resource, *, deep: bool) -> tuple[sa.ColumnElement[bool], ...]:
    table = MIRRORED[resource]
    is_live = (table.c.account_id == notes.account_id, table.c.missing_since.is_(None))
    if resource is not Resource.MESSAGES:
        return is_live
    parent = conversation_messages.c.conversation_id
    in_thread = sa.exists().where(_last(notes, THREADS).c.key == parent)
    if not deep:
        return *is_live, in_thread
    met = _last(notes, Resource.CONVERSATIONS.value)
    in_conversation = sa.exists().where(met.c.key == parent, met.c.verdict != RowComparison.EXTRA.value)
    return *is_live, sa.or_(in_thread, ~in_conversation)


def _unlisted(notes: Notes, resource: Resource, *, deep: bool) -> sa.Select[Any]:
    table = MIRRORED[resource]
    met = _last(notes, resource.value)
    query = sa.select(table.c.id, sa.null().label("parent"), table.c.unlisted_since, sa.false().label("is_orphan"))
    if resource is Resource.MESSAGES:
        parent = conversation_messages.c.conversation_id
        above = _last(notes, Resource.CONVERSATIONS.value)
        gone = sa.exists().where(above.c.key == parent, above.c.verdict == RowComparison.EXTRA.value)
        is_orphan = sa.or_(parent.is_(None), gone).label("is_orphan")
        query = sa.select(table.c.id, parent, table.c.unlisted_since, is_orphan)
    is_left_out = ~sa.exists().where(met.c.key == table.c.id)
    return query.where(*_is_comparable(notes, resource, deep=deep), is_left_out).order_by(table.c.id)
