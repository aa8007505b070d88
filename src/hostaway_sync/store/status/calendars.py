"""How the calendars of each account are mirrored, read with one statement for any number of accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.calendar.facts import CalendarFacts, CalendarFigures
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.store.tables import (
    calendar_due,
    calendar_readings,
    listings,
    sync_run_resources,
    sync_runs,
)
from hostaway_sync.store.time_marks import cap_at_now, is_known, is_within, null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.calendar.facts import CalendarTerms
    from hostaway_sync.store.postgres.database import Database

# After so many whole readings that ended equally early, that is how far the source's calendar goes.
_SHORT_READINGS = 3
# A stay of four or five nights, and two days on either side: so many days one call for a changed stay reads.
_DAYS_OF_A_STAY = 9
_WEEK = timedelta(days=7)


def read_calendar_facts(
    connection: sa.Connection, terms: CalendarTerms, account_id: int | None = None
) -> dict[int, CalendarFacts]:
    """Return the facts about the calendars of every account with live listings, or of one account, by account.

    Where calendars are not mirrored, accounts are left out of which none was ever read.
    """
    query = _select_facts(terms)
    if account_id is not None:
        query = query.where(listings.c.account_id == account_id)
    rows = (row._mapping for row in connection.execute(query))  # noqa: SLF001  (the public name of it)
    found = {row["account_id"]: {name: row[name] for name in row if name != "account_id"} for row in rows}
    return {
        number: CalendarFacts(is_on=terms.is_on_for(number), **figures)
        for number, figures in found.items()
        if terms.is_on_for(number) or figures["read"]
    }


def _select_facts(terms: CalendarTerms) -> sa.Select[tuple[int, ...]]:
    reading, mark, count = calendar_readings.c, calendar_due.c, sa.func.count
    read_at, refused_at = null_if_unknown(reading.read_at), null_if_unknown(reading.refused_at)
    is_refused, is_short = refused_at.is_not(None), reading.short_count >= _SHORT_READINGS
    # Days that are over change no more, and those beyond the horizon are not mirrored.
    first = sa.func.greatest(mark.first_day, sa.func.current_date() - 1)
    last = sa.func.least(mark.last_day, sa.func.current_date() + terms.horizon) if terms.is_on else mark.last_day
    # GREATEST and LEAST ignore NULL: they have a value where there is no mark.
    is_due = mark.first_day.is_not(None) & (first <= last)
    # A turn is a planned time: the last whole reading, which set it, must be known.
    waits = is_known(reading.read_at) & ~is_refused & (reading.rota_at <= sa.func.now())
    overdue_since = reading.rota_at + terms.overdue_after
    is_overdue = waits & (overdue_since < sa.func.now())
    return (
        sa.select(
            listings.c.account_id,
            count().label("listings"),
            count(read_at).label("read"),
            count().filter(~is_refused & read_at.is_(None)).label("never_read"),
            count().filter(is_refused).label("refused"),
            sa.func.min(refused_at).label("refused_since"),
            sa.func.mode().within_group(sa.cast(reading.error, sa.Text)).filter(is_refused).label("refusal"),
            sa.func.min(read_at).filter(~is_refused).label("oldest_read_at"),
            count().filter(is_due).label("due_listings"),
            sa.func.coalesce(sa.func.sum(last - first + 1).filter(is_due), 0).label("due_days"),
            sa.func.min(cap_at_now(mark.due_at)).filter(is_due).label("due_since"),
            count().filter(is_short).label("short_listings"),
            sa.func.min(reading.known_until).filter(is_short).label("known_until"),
            sa.func.coalesce(sa.func.sum(reading.missing_days), 0).label("missing_days"),
            count().filter(reading.missing_days > 0).label("missing_listings"),
            sa.func.min(reading.rota_at).filter(waits).label("turn_at"),
            count().filter(is_overdue).label("overdue"),
            sa.func.min(overdue_since).filter(is_overdue).label("overdue_since"),
        )
        .select_from(
            listings.outerjoin(
                calendar_readings,
                (reading.account_id == listings.c.account_id) & (reading.listing_id == listings.c.id),
            ).outerjoin(calendar_due, (mark.account_id == listings.c.account_id) & (mark.listing_id == listings.c.id))
        )
        .where(listings.c.missing_since.is_(None))
        .group_by(listings.c.account_id)
    )


def calendar_calls(run_id: sa.ColumnElement[Any], terms: CalendarTerms) -> sa.ColumnElement[float]:
    """Return about how many requests of a run were for calendars, by the days that it met.

    Whole calendars are as many days each as are mirrored; what is left are days of stays.
    """
    part = sync_run_resources.alias("calendar_part")
    seen = (
        sa.select(sa.func.coalesce(sa.func.sum(part.c.seen), 0))
        .where(part.c.run_id == run_id, part.c.resource == Resource.CALENDAR.value)
        .scalar_subquery()
    )
    whole = sa.func.div(seen, terms.mirrored_days)
    return whole + sa.func.ceil((seen - whole * terms.mirrored_days) / sa.cast(_DAYS_OF_A_STAY, sa.Numeric))


def read_calendar_figures(database: Database, archived: Mapping[str, str]) -> dict[int, CalendarFigures]:
    """Return what a forecast needs of each account that has listings, with two statements for all of them.

    Args:
        database: with the tables.
        archived: the values of payload keys, in lower case, that a listing has when it is archived.
    """
    is_archived = sa.or_(
        sa.false(),
        *(sa.func.lower(listings.c.raw_payload.op("->>")(key)) == value for key, value in archived.items()),
    )
    counted = (
        sa.select(listings.c.account_id, sa.func.count().filter(is_archived))
        .where(listings.c.missing_since.is_(None))
        .group_by(listings.c.account_id)
    )

    def read(connection: sa.Connection) -> dict[int, CalendarFigures]:
        changed: dict[int, float] = {number: float(rate) for number, rate in connection.execute(_select_changed())}
        found = connection.execute(counted).all()
        return {number: CalendarFigures(archived, changed.get(number)) for number, archived in found}

    return database.transaction(read)


def _select_changed() -> sa.Select[Any]:
    """Return the query of the reservations that runs found new or changed a day.

    The first whole run, to which all are new, does not count, and neither does an account that is younger than a day.
    """
    first = sync_runs.alias("first")
    whole = (
        sa.select(first.c.account_id, sa.func.min(first.c.triggered_at).label("at"))
        .where(first.c.state == RunState.SUCCESS.value, is_known(first.c.triggered_at))
        .group_by(first.c.account_id)
        .subquery()
    )
    part = sync_run_resources.c
    days = sa.func.extract("epoch", sa.func.now() - sa.func.greatest(whole.c.at, sa.func.now() - _WEEK)) / 86_400
    return (
        sa.select(whole.c.account_id, sa.func.coalesce(sa.func.sum(part.inserted + part.updated), 0) / days)
        .select_from(
            whole.outerjoin(
                sync_runs,
                (sync_runs.c.account_id == whole.c.account_id)
                & (sync_runs.c.triggered_at > whole.c.at)
                & is_within(sync_runs.c.triggered_at, _WEEK),
            ).outerjoin(
                sync_run_resources,
                (part.run_id == sync_runs.c.run_id) & (part.resource == Resource.RESERVATIONS.value),
            )
        )
        .where(days >= 1)
        .group_by(whole.c.account_id, whole.c.at)
    )
