"""The metrics that the tables hold, read with a few small statements, because a scraper asks every few seconds.

Nothing is counted over all time: pruning would make such a counter fall, and Prometheus would take that for a restart.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.alarms import AlarmKind
from hostaway_sync.model.calendar.facts import CALENDARS_OFF, EMPTY
from hostaway_sync.model.kinds.facts import KINDS_OFF
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.observability import metric_catalog
from hostaway_sync.observability.meter import Sample
from hostaway_sync.store.automations import registry
from hostaway_sync.store.jobs import REFRESH, SEND, SYNC, read_clock
from hostaway_sync.store.records.new_words import count_new_words
from hostaway_sync.store.runs import alarms, certificates
from hostaway_sync.store.status.calendars import read_calendar_facts
from hostaway_sync.store.status.kinds import read_kind_facts
from hostaway_sync.store.status.limit_usage import read_bucket_uses
from hostaway_sync.store.tables import (
    accounts,
    dead_letters,
    sent_messages,
    sync_run_resources,
    sync_runs,
    verifications,
    webhook_log,
)
from hostaway_sync.store.tables.count_columns import CHANGES
from hostaway_sync.store.tables.queue import job_events, jobs
from hostaway_sync.store.time_marks import cap_at_now, is_known, is_within, null_if_unknown
from hostaway_sync.store.webhooks import inbox
from hostaway_sync.store.webhooks.backlog import select_living_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hostaway_sync.model.api_calls import Bucket
    from hostaway_sync.model.calendar.facts import CalendarTerms
    from hostaway_sync.model.kinds.facts import KindTerms
    from hostaway_sync.observability.metric_catalog import Metric
    from hostaway_sync.store.postgres.database import Database

_DAY = timedelta(days=1)
_ENDED = (RunState.SUCCESS, RunState.PARTIAL, RunState.FAILED, RunState.ABANDONED)
_STATES = {"todo": "waiting", "doing": "running"}


def read_metrics(
    database: Database, address: Bucket, calendars: CalendarTerms = CALENDARS_OFF, kinds: KindTerms = KINDS_OFF
) -> list[Sample]:
    """Return the samples of all stored metrics, read in one snapshot.

    Args:
        database: the database to read.
        address: the request limit of the IP address that requests leave through.
        calendars: how calendars are mirrored; where they are not, their metrics are 0.
        kinds: which other kinds are mirrored; those that are not have no metrics.

    Raises:
        StoreUnavailable, StoreError: the database cannot be read.
    """

    def read(connection: sa.Connection) -> list[Sample]:
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        found = [_sample(metric_catalog.DATABASE_UP, 1)]
        stored = (_accounts, _runs, _rows, _new_words, _queue, _waiting, _dead_letters, _unknown_sends, _automations)
        for reading in stored:
            found += reading(connection)
        found += _calendars(connection, calendars)
        found += _kinds(connection, kinds)
        use = read_bucket_uses(connection, {address.key: address}).get(address.key)
        limit = use.lowered_to if use and use.lowered_to else address.limit
        return [
            *found,
            _sample(metric_catalog.BUDGET_USED, use.used if use else 0),
            _sample(metric_catalog.BUDGET_LIMIT, limit),
        ]

    return database.transaction(read)


def list_unavailable() -> list[Sample]:
    """Return the samples to show while the database cannot be read."""
    return [_sample(metric_catalog.DATABASE_UP, 0)]


def _sample(metric: Metric, value: float, *values: str) -> Sample:
    return Sample(metric, values, float(value))


def _accounts(connection: sa.Connection) -> Iterator[Sample]:
    """Read each account with its last run that ended and its last verification."""
    ours = sync_runs.c.account_id == accounts.c.account_id
    ended = sa.select(sync_runs.c.state, sync_runs.c.started_at, sync_runs.c.finished_at)
    ended = ended.where(
        ours, is_known(sync_runs.c.triggered_at), sync_runs.c.state.in_([state.value for state in _ENDED])
    )
    run = ended.order_by(sync_runs.c.triggered_at.desc()).limit(1).lateral("run")
    newest = sa.select(sa.func.max(verifications.c.verified_at).label("verified_at"))
    newest = newest.where(verifications.c.account_id == accounts.c.account_id, is_known(verifications.c.verified_at))
    last_sync_at = null_if_unknown(accounts.c.last_sync_at).label("last_sync_at")
    verified = newest.lateral("verified")
    query = (
        sa.select(accounts.c.account_id, accounts.c.is_active, last_sync_at, *run.c, *verified.c)
        .select_from(accounts.outerjoin(run, sa.true()).outerjoin(verified, sa.true()))
        .where(accounts.c.removed_at.is_(None))
        .order_by(accounts.c.account_id)
    )
    found: Any = connection.execute(query).all()
    active = [row for row in found if row.is_active]
    yield _sample(metric_catalog.ACCOUNTS, len(active), "active")
    yield _sample(metric_catalog.ACCOUNTS, len(found) - len(active), "disabled")
    proofs, standing = certificates.find_effective(connection), alarms.list_standing(connection)
    for row in active:
        proof, account = proofs.get(row.account_id), str(row.account_id)
        kinds = Counter(alarm.cause.kind for alarm in standing.get(row.account_id, ()))
        kinds[AlarmKind.DIFFERS] = int(proof is not None and proof.damage > 0)
        yield from _account(row, account, has_alarm=kinds.total() > 0)
        for kind in AlarmKind:
            yield _sample(metric_catalog.ALARMS, kinds[kind], account, kind.value)
        if proof is not None:
            yield _sample(metric_catalog.DRIFT, proof.differences - proof.swept, account)
            yield _sample(metric_catalog.LAST_VERIFIED, _moment(row.verified_at), account)


def _account(row: sa.Row[Any], account: str, *, has_alarm: bool) -> Iterator[Sample]:
    yield _sample(metric_catalog.LAST_SUCCESS, _moment(row.last_sync_at), account)
    if row.state is not None:
        yield _sample(metric_catalog.LAST_RUN_SUCCESS, row.state == RunState.SUCCESS.value and not has_alarm, account)
        if row.started_at is not None:
            took = row.finished_at - row.started_at
            yield _sample(metric_catalog.LAST_RUN_SECONDS, took.total_seconds(), account)


def _moment(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _lately() -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of runs of the last day, by account, because that is the order of the index."""
    return (sync_runs.c.account_id == accounts.c.account_id, is_within(sync_runs.c.triggered_at, _DAY))


def _runs(connection: sa.Connection) -> Iterator[Sample]:
    query = sa.select(sync_runs.c.state, sa.func.count()).where(*_lately()).group_by(sync_runs.c.state)
    found: dict[str, int] = {state: count for state, count in connection.execute(query)}  # noqa: C416  (dict() does not know a row's type)
    return (_sample(metric_catalog.RUNS, found.get(state.value, 0), state.value) for state in RunState)


def _rows(connection: sa.Connection) -> Iterator[Sample]:
    sums = [sa.func.coalesce(sa.func.sum(sync_run_resources.c[change]), 0).label(change) for change in CHANGES]
    query = sa.select(sync_run_resources.c.resource, *sums).where(
        *_lately(), sync_run_resources.c.run_id == sync_runs.c.run_id
    )
    found = {row.resource: row for row in connection.execute(query.group_by(sync_run_resources.c.resource))}
    for name in dict.fromkeys([*map(str, Resource), *sorted(found)]):
        for change in CHANGES:
            value = int(getattr(found[name], change)) if name in found else 0
            yield _sample(metric_catalog.ROWS, value, name, change)


def _new_words(connection: sa.Connection) -> Iterator[Sample]:
    found = count_new_words(connection)
    for kind in ("status", "channel"):
        yield _sample(metric_catalog.NEW_WORDS, sum(word.rows for word in found if word.kind == kind), kind)


def _calendars(connection: sa.Connection, terms: CalendarTerms) -> Iterator[Sample]:
    is_active = (accounts.c.is_active, accounts.c.removed_at.is_(None))
    active = connection.scalars(sa.select(accounts.c.account_id).where(*is_active).order_by(accounts.c.account_id))
    now = connection.scalars(sa.select(sa.func.now())).one()
    known = read_calendar_facts(connection, terms) if terms.is_on else {}
    for account_id in active:
        facts = known.get(account_id, EMPTY) if terms.is_on_for(account_id) else EMPTY
        account = str(account_id)
        yield _sample(metric_catalog.CALENDAR_DUE, facts.due_listings, account)
        yield _sample(metric_catalog.CALENDAR_DUE_AGE, _age(facts.due_since, now), account)
        yield _sample(metric_catalog.CALENDAR_UNREAD, facts.never_read, account)
        yield _sample(metric_catalog.CALENDAR_OLDEST, _age(facts.oldest_read_at, now), account)
        yield _sample(metric_catalog.CALENDAR_LATE, _age(facts.turn_at, now), account)
        yield _sample(metric_catalog.CALENDAR_MISSING, facts.missing_days, account)
        yield _sample(metric_catalog.CALENDAR_REFUSED, facts.refused, account)


def _kinds(connection: sa.Connection, terms: KindTerms) -> Iterator[Sample]:
    if not terms.known:
        return
    is_active = (accounts.c.is_active, accounts.c.removed_at.is_(None))
    active = list(
        connection.scalars(sa.select(accounts.c.account_id).where(*is_active).order_by(accounts.c.account_id))
    )
    now = connection.scalars(sa.select(sa.func.now())).one()
    known = read_kind_facts(connection, terms, dict.fromkeys(active, 0), has_counts=False)
    for account_id in active:
        for facts in known[account_id]:
            if facts.is_on:
                labels = (str(account_id), facts.kind.name)
                periods = _age(facts.oldest_read_at, now) / facts.kind.every.total_seconds()
                yield _sample(metric_catalog.KIND_AGE, periods, *labels)
                yield _sample(metric_catalog.KIND_TROUBLES, facts.refused, *labels, "unavailable")
                yield _sample(metric_catalog.KIND_TROUBLES, facts.failed, *labels, "failed")


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def _queue(connection: sa.Connection) -> Iterator[Sample]:
    status = sa.cast(jobs.c.status, sa.Text)
    deferred_at = (
        sa.select(sa.func.min(cap_at_now(job_events.c.at))).where(job_events.c.job_id == jobs.c.id).scalar_subquery()
    )
    since = sa.func.coalesce(jobs.c.scheduled_at, deferred_at)
    oldest = sa.func.extract("epoch", sa.func.now() - sa.func.min(since).filter(since <= sa.func.now()))
    query = sa.select(jobs.c.queue_name, status, sa.func.count(), oldest).group_by(jobs.c.queue_name, status)
    found = {(kind, state): (count, age) for kind, state, count, age in connection.execute(query)}
    for kind in sorted({REFRESH, SEND, SYNC, *(kind for kind, _ in found)}):
        for state, name in _STATES.items():
            yield _sample(metric_catalog.QUEUE_JOBS, found.get((kind, state), (0, None))[0], kind, name)
        yield _sample(metric_catalog.QUEUE_AGE, found.get((kind, "todo"), (0, None))[1] or 0, kind)
    yield _sample(metric_catalog.WORKERS, connection.execute(select_living_workers()).scalar_one())


def _waiting(connection: sa.Connection) -> Iterator[Sample]:
    waits = webhook_log.c.status.in_([sa.literal_column(f"'{status}'") for status in (inbox.PENDING, inbox.FAILED)])
    count = connection.scalar(sa.select(sa.func.count()).select_from(webhook_log).where(waits))
    age = inbox.find_oldest_waiting_age(connection)
    yield _sample(metric_catalog.WAITING_DELIVERIES, count or 0)
    yield _sample(metric_catalog.OLDEST_WAITING, age.total_seconds() if age else 0)


def _dead_letters(connection: sa.Connection) -> Iterator[Sample]:
    query = sa.select(dead_letters.c.kind, sa.func.count()).where(dead_letters.c.resolved_at.is_(None))
    found: dict[str, int] = {kind: count for kind, count in connection.execute(query.group_by(dead_letters.c.kind))}  # noqa: C416  (as above)
    return (
        _sample(metric_catalog.DEAD_LETTERS, found.get(kind, 0), kind)
        for kind in sorted({"delivery", "send", "sync", *found})
    )


def _automations(connection: sa.Connection) -> Iterator[Sample]:
    now = read_clock(connection)
    for one in registry.read_automations(connection):
        failing = (now - one.failing_since).total_seconds() if one.failing_since else 0
        yield _sample(metric_catalog.AUTOMATION_WAITING, one.waiting, one.name)
        yield _sample(metric_catalog.AUTOMATION_FAILING, max(0, failing), one.name)
        yield _sample(metric_catalog.AUTOMATION_DISABLED, one.disabled_reason is not None, one.name)


def _unknown_sends(connection: sa.Connection) -> Iterator[Sample]:
    is_unknown = sent_messages.c.state == sa.literal_column("'outcome_unknown'")
    number = connection.scalar(sa.select(sa.func.count()).select_from(sent_messages).where(is_unknown))
    yield _sample(metric_catalog.UNKNOWN_SENDS, number or 0)
