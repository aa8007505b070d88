"""The job that looks through the changes: who is to be told of what, noted in the transaction that moves its place."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.automations import conditions
from hostaway_sync.automations.decision import is_later_change
from hostaway_sync.automations.events import GUEST, HOST, ChangeFacts, derive_event, find_state, wants
from hostaway_sync.store import jobs
from hostaway_sync.store.automations import changes, core_rows, deliveries, registry, work
from hostaway_sync.store.automations.core_rows import RecordKey
from hostaway_sync.store.history import feed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from hostaway_sync.model.history.feed import FeedPage, RecordChange
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.automations.states import Automation
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)

PAGE: Final = 500
# A change that an older transaction holds back is looked for so soon again.
LOOK_AGAIN: Final = timedelta(seconds=1)
_MESSAGES: Final = "messages"


@dataclass(frozen=True, slots=True)
class DispatchConfig:
    """Where rows are read, and what words mean.

    Attributes:
        core: the schema of the views.
        words: of the platform.
    """

    core: str
    words: Vocabulary


def run_dispatch_job(database: Database, config: DispatchConfig) -> None:
    """Look through all changes that are settled, and note who is to be told of each."""
    while True:
        page = database.transaction(partial(_dispatch_page, config=config, source=database.schema))
        if page is None or page.is_last:
            break
    if page is not None and page.is_waiting:
        database.transaction(_look_again)


def _look_again(connection: sa.Connection) -> None:
    at = jobs.read_clock(connection) + LOOK_AGAIN
    jobs.defer_retry(connection, work.DISPATCH_JOB, at=at)


def _dispatch_page(connection: sa.Connection, config: DispatchConfig, source: str) -> FeedPage | None:
    cursor = changes.lock_cursor(connection)
    active = registry.list_active(connection)
    if cursor is None or not active:
        return None
    page = feed.read_page(connection, cursor, limit=PAGE)
    if page.has_lost:
        log.warning("automations: changes were deleted before anybody was told of them")
    found = [change for _, change in page.entries]
    events, now = _derive_events(connection, found, config.words), jobs.read_clock(connection)
    wanted = _find_wanted(active, found, events, now)
    rows = core_rows.read_rows(connection, config.core, source, _records_with_conditions(wanted))
    chosen = [
        (automation.automation_id, event, change)
        for automation, event, change in wanted
        if conditions.is_met(automation.request.conditions, rows.get(_record(change)))
    ]
    told = deliveries.add_deliveries(connection, chosen)
    changes.move_cursor(connection, page.cursor)
    work.defer_deliveries(connection, told)
    return page


def _find_wanted(
    active: Sequence[Automation], found: Sequence[RecordChange], events: Mapping[int, str], now: datetime
) -> list[tuple[Automation, str, RecordChange]]:
    return [
        (automation, events[change.change_id], change)
        for change in found
        if change.change_id in events
        for automation in active
        if _is_for(automation, events[change.change_id], change, now)
    ]


def _is_for(automation: Automation, event: str, change: RecordChange, now: datetime) -> bool:
    chosen = automation.request.account_ids
    return (
        wants(automation.request.events, event)
        and (chosen is None or change.account_id in chosen)
        and is_later_change(change.changed_at, automation.active_since, now)
    )


def _records_with_conditions(wanted: Sequence[tuple[Automation, str, RecordChange]]) -> set[RecordKey]:
    return {_record(change) for automation, _, change in wanted if automation.request.conditions}


def _record(change: RecordChange) -> RecordKey:
    return RecordKey(change.account_id, change.resource, change.record_id)


def _derive_events(connection: sa.Connection, found: Sequence[RecordChange], words: Vocabulary) -> dict[int, str]:
    """Return the event of each change that is one, by the number of the change."""
    senders = _read_senders(connection, found)
    events = {}
    for change in found:
        facts = ChangeFacts(change.resource, change.change, find_state(change, words), senders.get(change.change_id))
        event = derive_event(facts)
        if event is not None:
            events[change.change_id] = event
    return events


def _read_senders(connection: sa.Connection, found: Sequence[RecordChange]) -> dict[int, str]:
    messages = [change for change in found if change.resource == _MESSAGES]
    keys = {(change.account_id, int(change.record_id)) for change in messages}
    known = changes.read_directions(connection, keys) if keys else {}
    senders = {}
    for change in messages:
        is_incoming = known.get((change.account_id, int(change.record_id)))
        if is_incoming is not None:
            senders[change.change_id] = GUEST if is_incoming else HOST
    return senders
