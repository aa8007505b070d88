"""The history of records: the changes about a guest are emptied, and a rule of hidden fields reaches all of them.

The rewriting by a rule follows that of the rows: a row that is replaced meanwhile may bring its old version into the
history. After it, no version shows a field.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.store.privacy import erasure_rules
from hostaway_sync.store.privacy.guest_rows import GuestTable, match_columns, match_reservation
from hostaway_sync.store.tables import automation_deliveries, changes, conversation_messages, reviews, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.store.privacy.guest_rows import Guest

# A collection of columns has a method of that name.
_KEYS: sa.ColumnElement[list[str]] = changes.c["keys"]
_IS_DAY = changes.c.resource == Resource.CALENDAR.value


def _is_about(guest: Guest, resource: sa.Column[Any], record_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Return the condition of rows that name one of the guest's reservations, or of what belongs to these."""
    messages, reservation_ids = conversation_messages.c, sa.cast(guest.ids(Resource.RESERVATIONS), sa.ARRAY(sa.Text))
    of_guest = match_columns(messages.reservation_id, messages.conversation_id)(guest)
    found = [sa.and_(resource == Resource.RESERVATIONS, record_id == sa.func.any(reservation_ids))]
    for name, owned, is_one in (
        (Resource.MESSAGES, messages, of_guest),
        (reviews.name, reviews.c, match_reservation(reviews.c.reservation_id)(guest)),
        (tasks.name, tasks.c, match_reservation(tasks.c.reservation_id)(guest)),
    ):
        ids = sa.select(sa.cast(owned.id, sa.Text)).where(owned.account_id == guest.account_id, is_one)
        found.append(sa.and_(resource == str(name), record_id.in_(ids)))
    return sa.or_(*found)


def _is_change(guest: Guest) -> sa.ColumnElement[bool]:
    return _is_about(guest, changes.c.resource, changes.c.record_id)


def _was_told(guest: Guest) -> sa.ColumnElement[bool]:
    return _is_about(guest, automation_deliveries.c.resource, automation_deliveries.c.record_id)


def _find_clean(connection: sa.Connection, guest: Guest) -> list[tuple[int]]:
    """Return the keys of changes about the guest that only name fields which may stay: nights, money, states."""
    texts = [sa.cast(changes.c[name], sa.Text) for name in ("before", "after")]
    query = sa.select(changes.c.change_id, changes.c.resource, *texts)
    rows = connection.execute(query.where(changes.c.account_id == guest.account_id, _is_change(guest)))
    return [
        (change_id,) for change_id, name, *both in rows if all(_is_clean(name, text, guest) for text in both if text)
    ]


def _is_clean(name: str, text: str, guest: Guest) -> bool:
    if name in {Resource.RESERVATIONS, Resource.MESSAGES}:
        return erasure_rules.is_free_of_guest(Resource(name), text, guest.words)
    return text == "{}"


HISTORY: Final = GuestTable(
    changes,
    # That a record changed stays, and when; what it was does not, unless it says nothing of the guest.
    dict.fromkeys(("keys", "before", "after"), sa.null()),
    _is_change,
    searched=("before", "after"),
    find_clean=_find_clean,
)
# A command may write what it was told of the guest into its output.
TOLD: Final = GuestTable(automation_deliveries, {"output": None}, _was_told, searched=("output",))


def rewrite_changes(
    connection: sa.Connection, after: int | None, *, redactors: Mapping[str, Redactor], limit: int
) -> tuple[int, int | None]:
    """Hide fields in some changes of records; return how many rows changed, and the last row's id (None: no row).

    Args:
        connection: its transaction rewrites them.
        after: id of the last row of the batch before.
        redactors: by resource; others stay as they are.
        limit: most rows in a batch.
    """
    texts = {name: sa.cast(changes.c[name], sa.Text).label(name) for name in ("before", "after")}
    query = sa.select(changes.c.change_id, changes.c.resource, *texts.values()).where(
        changes.c.change_id > (after or 0),
        changes.c.resource.in_([*redactors]),
        ~_IS_DAY,
        sa.or_(changes.c.before.is_not(None), changes.c.after.is_not(None)),
    )
    rows = connection.execute(query.order_by(changes.c.change_id).limit(limit).with_for_update()).all()
    touched = 0
    for row in rows:
        new = {
            name: None if text is None else redactors[row.resource].redact(text)
            for name, text in (("before", row.before), ("after", row.after))
        }
        values = {name: sa.cast(sa.literal(text, sa.Text), changes.c.before.type) for name, text in new.items()}
        differs = sa.or_(*(changes.c[name].is_distinct_from(value) for name, value in values.items()))
        statement = sa.update(changes).where(changes.c.change_id == row.change_id, differs).values(values)
        touched += connection.execute(statement).rowcount
    return touched, rows[-1].change_id if rows else None


def rewrite_day_changes(
    connection: sa.Connection, after: int | None, *, redactor: Redactor, keys: Mapping[str, str]
) -> tuple[int, int | None]:
    """Remove columns that are hidden from the changes of days; return how many rows changed, and None.

    Args:
        connection: its transaction rewrites them.
        after: always None: one statement rewrites all.
        redactor: of days.
        keys: the payload key of each typed column.
    """
    del after
    hidden = [column for column, key in keys.items() if _hides(redactor, key)]
    if not hidden:
        return 0, None
    names = sa.cast(hidden, sa.ARRAY(sa.Text))
    values: dict[str, Any] = {name: changes.c[name].op("-")(names) for name in ("before", "after")}
    shown = sa.func.unnest(_KEYS).column_valued("key")
    values["keys"] = sa.select(sa.func.array_agg(shown)).where(shown != sa.all_(names)).scalar_subquery()
    statement = sa.update(changes).where(_IS_DAY, _KEYS.op("&&")(names)).values(values)
    return connection.execute(statement).rowcount, None


def _hides(redactor: Redactor, key: str) -> bool:
    probe = json.dumps({key: "x"})
    return bool(json.loads(redactor.redact(probe)) != json.loads(probe))
