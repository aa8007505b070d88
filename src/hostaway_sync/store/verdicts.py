"""What a verification has found so far, kept in the database so that its memory does not grow with the account.

Notes lie in `walk_pages` as those of runs do, under an id of their own, so that what a killed verification leaves
behind is emptied by the next run. An object that was met twice counts as it was met last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from hostaway_sync.records import Resource
from hostaway_sync.store import due, missing
from hostaway_sync.store.tables import MIRRORED, conversation_messages, conversations, verifications, walk_pages
from hostaway_sync.store.verifying import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}
_NEWER = 8
_EQUAL, _EXTRA, _UNDECIDED = (sa.literal(_RANKS[one]) for one in (Verdict.EQUAL, Verdict.EXTRA, Verdict.UNDECIDED))
# Under this name instead of a resource's: the conversations whose threads were read whole.
_THREADS = "threads"


@dataclass(frozen=True, slots=True)
class Notes:
    """What one comparison of an account has noted."""

    account_id: int
    notes_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Note:
    """What was found of one object; `is_newer`: the source changed it after the last run that was whole."""

    key: int
    verdict: Verdict
    is_newer: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects there are of each verdict, and how many of those the source changed since the last run."""

    counts: Mapping[Verdict, int]
    newer: int


@dataclass(frozen=True, slots=True)
class Unlisted(missing.Unlisted):
    """A live row that was not met; `is_orphan`: what it belongs to is gone, or it belongs to nothing."""

    is_orphan: bool


def add(connection: sa.Connection, notes: Notes, resource: Resource, found: Sequence[Note]) -> None:
    """Note what was found of some objects."""
    _insert(
        connection, notes, resource.value, [(one.key, _RANKS[one.verdict] + _NEWER * one.is_newer) for one in found]
    )


def add_thread(connection: sa.Connection, notes: Notes, conversation_id: int) -> None:
    """Note that a thread was read whole."""
    _insert(connection, notes, _THREADS, [(conversation_id, _RANKS[Verdict.EQUAL])])


def forget(connection: sa.Connection, *notes: Notes) -> None:
    """Take notes away."""
    ids_of_notes = [some.notes_id for some in notes]
    connection.execute(sa.delete(walk_pages).where(walk_pages.c.run_id.in_(ids_of_notes)))


def tally(connection: sa.Connection, notes: Notes, resource: Resource) -> Tally:
    """Count the objects by verdict."""
    last = _last(notes, resource.value)
    rows = connection.execute(sa.select(last.c.rank, sa.func.count().label("objects")).group_by(last.c.rank)).all()
    counts = {
        verdict: sum(row.objects for row in rows if row.rank % _NEWER == rank) for verdict, rank in _RANKS.items()
    }
    return Tally(counts, sum(row.objects for row in rows if row.rank >= _NEWER))


def ids(connection: sa.Connection, notes: Notes, resource: Resource, verdict: Verdict, *, limit: int) -> list[int]:
    """Give the lowest ids of a verdict; objects without a usable id have none to give."""
    last = _last(notes, resource.value)
    is_one = (last.c.rank % _NEWER == _RANKS[verdict], last.c.key > 0)
    return list(connection.scalars(sa.select(last.c.key).where(*is_one).order_by(last.c.key).limit(limit)))


def threads(connection: sa.Connection, notes: Notes, earlier: Notes | None, *, deep: bool) -> tuple[list[int], int]:
    """Give the listed conversations whose threads must be read, and how many others were listed.

    Those are: all of them with `deep`; else what is due, was never read whole, holds an unsent message whose time has
    passed, did not equal its row, or was read by `earlier` notes.
    """
    listed = _listed(notes)
    stored = sa.and_(conversations.c.account_id == notes.account_id, conversations.c.id == listed.c.key)
    doubtful = sa.or_(
        listed.c.rank != _EQUAL,
        conversations.c.id.is_(None),
        conversations.c.thread_due_at.is_not(None),
        conversations.c.thread_read_at.is_(None),
        due.waits(notes.account_id),
        *([sa.exists().where(_last(earlier, _THREADS).c.key == listed.c.key)] if earlier else []),
    )
    wanted = sa.true() if deep else doubtful
    query = sa.select(listed.c.key).select_from(listed.outerjoin(conversations, stored)).where(wanted)
    found = list(connection.scalars(query.order_by(listed.c.key)))
    total = connection.execute(sa.select(sa.func.count()).select_from(listed)).scalar_one()
    return found, total - len(found)


def threads_read(connection: sa.Connection, notes: Notes) -> int:
    """Count the threads that were read whole."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(_last(notes, _THREADS))).scalar_one())


def live(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> int:
    """Count the live rows that can be compared: all; of messages, those in the threads that were read whole.

    With `deep` also messages of conversations that the source does not list at all.
    """
    table = MIRRORED[resource]
    query = sa.select(sa.func.count()).select_from(table)
    return int(connection.execute(query.where(*_is_comparable(notes, resource, deep=deep))).scalar_one())


def unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> list[Unlisted]:
    """Give the live rows that can be compared and were not met."""
    return [Unlisted(*row) for row in connection.execute(_unlisted(notes, resource, deep=deep))]


def count_unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> int:
    """Count them, without fetching any."""
    rows = _unlisted(notes, resource, deep=deep).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one())


def add_unlisted(connection: sa.Connection, notes: Notes, resource: Resource, *, deep: bool) -> None:
    """Note all of them as extra, without fetching any."""
    rows = _unlisted(notes, resource, deep=deep).order_by(None).subquery()
    keys = sa.func.array_agg(rows.c.id)
    ranks = sa.func.array_agg(sa.cast(_EXTRA, sa.SmallInteger))
    values = sa.select(
        sa.literal(notes.notes_id),
        sa.literal(notes.notes_id),
        sa.literal(notes.account_id),
        sa.literal(resource.value),
        keys,
        ranks,
    )
    columns = ["run_id", "walk_id", "account_id", "resource", "record_keys", "changes"]
    connection.execute(sa.insert(walk_pages).from_select(columns, values))


def write_certificate(
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
    """Keep the outcome of a verification."""
    values = {"account_id": account_id, "verified_at": verified_at, "finished_at": finished_at}
    values |= {"is_equal": is_equal, "is_deep": is_deep, "api_calls": api_calls, "certificate": certificate}
    connection.execute(sa.insert(verifications).values(values))


def _insert(connection: sa.Connection, notes: Notes, resource: str, found: Sequence[tuple[int, int]]) -> None:
    values = {"run_id": notes.notes_id, "walk_id": notes.notes_id, "account_id": notes.account_id, "resource": resource}
    values |= {"record_keys": [key for key, _ in found], "changes": [rank for _, rank in found]}
    connection.execute(sa.insert(walk_pages).values(values))


def _last(notes: Notes, resource: str) -> sa.Subquery:
    """Give key and rank of every object, as it was noted last."""
    unnested = sa.func.unnest(walk_pages.c.record_keys, walk_pages.c.changes)
    met = unnested.table_valued("key", "rank", name="met").render_derived()
    return (
        sa.select(met.c.key, met.c.rank)
        .ext(distinct_on(met.c.key))
        .select_from(walk_pages.join(met, sa.true()))
        .where(walk_pages.c.run_id == notes.notes_id, walk_pages.c.resource == resource)
        .order_by(met.c.key, walk_pages.c.page_id.desc())
        .subquery()
    )


def _listed(notes: Notes) -> sa.Subquery:
    """Give the conversations that the source has, by their verdict."""
    last = _last(notes, Resource.CONVERSATIONS.value)
    rank = (last.c.rank % _NEWER).label("rank")
    return sa.select(last.c.key, rank).where(last.c.key > 0, rank.not_in([_EXTRA, _UNDECIDED])).subquery()


def _is_comparable(notes: Notes, resource: Resource, *, deep: bool) -> tuple[sa.ColumnElement[bool], ...]:
    table = MIRRORED[resource]
    is_live = (table.c.account_id == notes.account_id, table.c.missing_since.is_(None))
    if resource is not Resource.MESSAGES:
        return is_live
    parent = conversation_messages.c.conversation_id
    in_thread = sa.exists().where(_last(notes, _THREADS).c.key == parent)
    if not deep:
        return *is_live, in_thread
    met = _last(notes, Resource.CONVERSATIONS.value)
    in_conversation = sa.exists().where(met.c.key == parent, met.c.rank % _NEWER != _EXTRA)
    return *is_live, sa.or_(in_thread, ~in_conversation)


def _unlisted(notes: Notes, resource: Resource, *, deep: bool) -> sa.Select[Any]:
    table = MIRRORED[resource]
    met = _last(notes, resource.value)
    query = sa.select(table.c.id, sa.null().label("parent"), table.c.unlisted_since, sa.false().label("is_orphan"))
    if resource is Resource.MESSAGES:
        parent = conversation_messages.c.conversation_id
        above = _last(notes, Resource.CONVERSATIONS.value)
        gone = sa.exists().where(above.c.key == parent, above.c.rank % _NEWER == _EXTRA)
        is_orphan = sa.or_(parent.is_(None), gone).label("is_orphan")
        query = sa.select(table.c.id, parent, table.c.unlisted_since, is_orphan)
    is_left_out = ~sa.exists().where(met.c.key == table.c.id)
    return query.where(*_is_comparable(notes, resource, deep=deep), is_left_out).order_by(table.c.id)
