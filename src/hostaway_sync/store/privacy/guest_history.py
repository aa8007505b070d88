"""The changes in the history of records that are about a guest, and how they are emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.store.privacy.guest_rows import GuestTable, match_columns, match_reservation
from hostaway_sync.store.tables import changes, conversation_messages, reviews, tasks

if TYPE_CHECKING:
    from hostaway_sync.store.privacy.guest_rows import Guest


def _is_about(guest: Guest) -> sa.ColumnElement[bool]:
    """Return the condition of changes of the guest's reservations, and of what belongs to these."""
    messages, reservation_ids = conversation_messages.c, sa.cast(guest.ids(Resource.RESERVATIONS), sa.ARRAY(sa.Text))
    of_guest = match_columns(messages.reservation_id, messages.conversation_id)(guest)
    found = [sa.and_(changes.c.resource == Resource.RESERVATIONS, changes.c.record_id == sa.func.any(reservation_ids))]
    for name, owned, is_one in (
        (Resource.MESSAGES, messages, of_guest),
        (reviews.name, reviews.c, match_reservation(reviews.c.reservation_id)(guest)),
        (tasks.name, tasks.c, match_reservation(tasks.c.reservation_id)(guest)),
    ):
        ids = sa.select(sa.cast(owned.id, sa.Text)).where(owned.account_id == guest.account_id, is_one)
        found.append(sa.and_(changes.c.resource == str(name), changes.c.record_id.in_(ids)))
    return sa.or_(*found)


HISTORY: Final = GuestTable(
    changes,
    # That a record changed stays, and when; what it was does not.
    dict.fromkeys(("keys", "before", "after"), sa.null()),
    _is_about,
    searched=("before", "after"),
)
