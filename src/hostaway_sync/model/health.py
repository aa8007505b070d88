"""Assesses the health of an account from facts: one word, and the problems as sentences, worst first. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from hostaway_sync.model.alarms import AlarmKind
from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hostaway_sync.model.calendar.facts import CalendarFacts
    from hostaway_sync.model.kinds.facts import KindFacts
    from hostaway_sync.model.status import AccountFacts, BucketUsage, Certificate

# A day and two hours: a single daily line in a crontab may be late once, however often sweeps are due.
LATE_AFTER = timedelta(hours=26)
# A worker polls once a second, and `worker --drain` in a crontab runs every five minutes.
UNWORKED_AFTER = timedelta(minutes=10)
# Fewer changes found by runs alone, or a smaller share of all changes, may be chance.
SILENT_CHANGES = 5
SILENT_SHARE = 0.5
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}


class Condition(StrEnum):
    """The condition of an account; ordered from the worst."""

    FAILING = "failing"
    DIFFERS = "differs"
    LATE = "late"
    NEVER = "never"
    CHECK = "check"
    """The mirror is complete, but an operator should look at something."""
    RUNNING = "running"
    OK = "ok"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one account.

    Attributes:
        condition: the condition in one word.
        problems: what is wrong, as sentences, worst first.
        verified_as_of: the newest moment up to which the mirror is known to be complete: the start of the last complete
            run, or the time of the last verification without differences; None if there was neither.
    """

    condition: Condition
    problems: tuple[str, ...]
    verified_as_of: datetime | None

    @property
    def has_problems(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)


def assess_health(facts: AccountFacts, now: datetime) -> Health:
    """Return the health of an account at `now`."""
    certificate = facts.certificate
    is_damaged = certificate is not None and bool(certificate.damage)
    moments = [facts.last_sync_at, None if is_damaged else facts.equal_at]
    verified_as_of = max((moment for moment in moments if moment is not None), default=None)
    if not facts.is_active:
        return Health(Condition.DISABLED, (), verified_as_of)
    found = [*_severe_problems(facts, now), *((Condition.CHECK, sentence) for sentence in _minor_problems(facts, now))]
    condition = Condition.RUNNING if facts.lease else next((word for word, _ in found), Condition.OK)
    return Health(condition, tuple(sentence for _, sentence in found), verified_as_of)


def describe_differences(account_id: int, certificate: Certificate, when: str) -> str:
    """Describe what a verification found, and the command that repairs it, as deep as the one that found it."""
    found = f"verify found {format_count(certificate.damage, 'difference')} {when}"
    if certificate.is_sudden:
        accept = f"`hostaway-sync sync {account_id} --full --accept-missing`"
        return f"{found}, many rows gone all at once: look at the dashboard; {accept} if they are really gone"
    depth = "--deep " if certificate.is_deep else ""
    return f"{found}: `hostaway-sync verify {account_id} {depth}--repair` mends that"


def severity_rank(condition: Condition) -> int:
    """Return a number to sort conditions by; the worst is 0."""
    return list(Condition).index(condition)


def format_age(span: timedelta) -> str:
    """Return a time span such as `3 h`, rounded down, in the largest unit that it holds at least twice."""
    span = max(span, timedelta())
    name = next((name for name, unit in _UNITS.items() if span >= 2 * unit), "s")
    return f"{span // _UNITS[name]} {name}"


def format_ago(moment: datetime, now: datetime) -> str:
    """Return the age of a moment such as `3 h ago`."""
    return f"{format_age(now - moment)} ago"


def _severe_problems(facts: AccountFacts, now: datetime) -> Iterator[tuple[Condition, str]]:
    """Yield the problems that keep the mirror from being complete."""
    run, ended = facts.open_run, facts.last_run
    if run is not None and run.state is RunState.RETRYING:
        yield Condition.FAILING, f"first attempt failed, another one follows: {run.error or 'no reason was kept'}"
    elif run is not None and facts.lease is None:
        yield Condition.FAILING, f"a run died: asked for {format_ago(run.triggered_at, now)}, never finished"
    if ended is not None and ended.state is not RunState.SUCCESS and not (run and run.state is RunState.RETRYING):
        when = format_ago(ended.finished_at or ended.triggered_at, now)
        yield Condition.FAILING, f"last run {ended.state} {when}: {ended.error or 'no reason was kept'}"
    last_error = ended.error or "" if ended is not None and ended.state is not RunState.SUCCESS else ""
    for alarm in facts.alarms:
        if alarm.cause.kind is not AlarmKind.DIFFERS and alarm.cause.sentence not in last_error:
            yield Condition.FAILING, f"{alarm.cause.sentence} (first seen {format_ago(alarm.since, now)})"
    certificate = facts.certificate
    if certificate is not None and certificate.damage:
        yield (
            Condition.DIFFERS,
            describe_differences(facts.account_id, certificate, format_ago(certificate.verified_at, now)),
        )
    if facts.last_sync_at is None:
        yield Condition.NEVER, f"never synced whole: `hostaway-sync sync {facts.account_id}`"
    elif now - facts.last_sync_at > LATE_AFTER:
        yield (
            Condition.LATE,
            f"no success for {format_age(now - facts.last_sync_at)}, late after {format_age(LATE_AFTER)}",
        )


def _minor_problems(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Yield the problems of an account whose mirror is complete nevertheless."""
    if facts.certificate is not None and facts.certificate.error is not None:
        yield f"verify left something open {format_ago(facts.certificate.verified_at, now)}: {facts.certificate.error}"
    yield from _doubt_problems(facts, now)
    yield from _message_problems(facts)
    yield from _delivery_problems(facts, now)
    if facts.quarantine.rowless:
        yield f"{format_count(facts.quarantine.rowless, 'record')} could not be stored: see quarantined_records"
    due = list(facts.due.values())
    # Only marks older than the last run count: the next run reads those that were set since.
    ran_at = facts.last_run.started_at if facts.last_run else None
    if due and ran_at and facts.lease is None and min(mark.since for mark in due) < ran_at:
        waits = format_ago(min(mark.since for mark in due), now)
        yield f"{format_count(sum(mark.threads for mark in due), 'thread')} not read yet, the oldest marked {waits}"
    if facts.lease is None:
        yield from _calendar_problems(facts.calendar, ran_at, now)
        yield from _kind_problems(facts.kinds, ran_at, now)
    if facts.limit is not None:
        yield from describe_limit_troubles(facts.limit, now)
    if facts.recent.abandoned:
        yield f"{format_count(facts.recent.abandoned, 'run')} died in the last 24 h"


def _calendar_problems(calendar: CalendarFacts | None, ran_at: datetime | None, now: datetime) -> Iterator[str]:
    """Yield the calendars that the last run should have read: they were overdue when it began."""
    if calendar is None or not calendar.is_on or ran_at is None or calendar.overdue_since is None:
        return
    if calendar.overdue_since < ran_at:
        waits = format_age(now - calendar.turn_at) if calendar.turn_at else "long"
        calendars = format_count(calendar.overdue, "calendar")
        yield f"{calendars} not read again in time, the first has been waiting for {waits}"


def _kind_problems(kinds: Sequence[KindFacts], ran_at: datetime | None, now: datetime) -> Iterator[str]:
    """Yield the other kinds of which the last run should have read a list: it was overdue when the run began."""
    late = [
        (kind.turn_at, kind.kind.name)
        for kind in kinds
        if ran_at is not None and kind.turn_at is not None and kind.overdue_at is not None and kind.overdue_at < ran_at
    ]
    if late:
        waits = format_age(now - min(turn_at for turn_at, _ in late))
        yield f"{', '.join(name for _, name in late)} not read again in time, the first has been waiting for {waits}"


def count_unattended_messages(facts: AccountFacts, now: datetime) -> int:
    """Return how many guest messages could be sent now, but have no running worker.

    0 once other jobs have waited for long as well: the sentence about those covers the messages.
    """
    deferred, messages = facts.deferred, facts.messages
    if deferred.due_since is None or deferred.has_worker or now - deferred.due_since > UNWORKED_AFTER:
        return 0
    return messages.queued - messages.resting


def describe_waiting_messages(number: int) -> str:
    """Describe messages that wait for a worker while none runs."""
    return (
        f"{format_count(number, 'message')} to guests {'waits' if number == 1 else 'wait'} for a worker, and none runs"
    )


def _doubt_problems(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Yield the rows whose object may be gone or newer, and how that is decided."""
    for resource, doubt in facts.doubts.suspected.items():
        yield (
            f"{resource}: {format_count(doubt.rows, 'row')} not found when asked for, first "
            f"{format_ago(doubt.since, now)}: the next sweep judges, or `hostaway-sync sync {facts.account_id} --full`"
        )
    for resource, doubt in facts.doubts.set_back.items():
        yield (
            f"{resource}: {format_count(doubt.rows, 'row')} with a stamp that went back at the source, first "
            f"{format_ago(doubt.since, now)}: the older version is taken when two sweeps agree, or by "
            f"`hostaway-sync verify {facts.account_id} --repair`"
        )


def is_webhook_silent(unannounced: int, announced: int) -> bool:
    """Whether runs found so many changes without a webhook that deliveries must be getting lost."""
    return unannounced >= SILENT_CHANGES and unannounced > (unannounced + announced) * SILENT_SHARE


def _message_problems(facts: AccountFacts) -> Iterator[str]:
    """Yield the guest messages that a person should look at."""
    messages, of_account = facts.messages, f"--account {facts.account_id}`"
    if messages.unsettled:
        waiting = f", {messages.waiting_for_person} of them waiting for you" if messages.waiting_for_person else ""
        problem = f"{format_count(messages.unsettled, 'message')} to guests with an unknown outcome{waiting}"
        yield f"{problem}: `hostaway-sync messages list --state outcome_unknown {of_account}"
    if messages.unsent:
        problem = f"{format_count(messages.unsent, 'message')} to guests never left, because the process died"
        yield f"{problem}: `hostaway-sync messages list --state pending {of_account}"
    if messages.undelivered:
        problem = f"{format_count(messages.undelivered, 'message')} to guests not delivered in the last 24 h"
        yield f"{problem}: `hostaway-sync messages list --state failed {of_account}"


def _delivery_problems(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Yield the problems that delay changes until the next run finds them."""
    deferred, silence = facts.deferred, facts.announcements
    if deferred.dead_letters:
        dead_letters = format_count(deferred.dead_letters, "dead letter")
        yield f"{dead_letters} waiting for you: `hostaway-sync dead-letters list --account {facts.account_id}`"
    if unsent := count_unattended_messages(facts, now):
        yield f"{describe_waiting_messages(unsent)}: `hostaway-sync worker` sends them"
    elif deferred.due_since is not None and now - deferred.due_since > UNWORKED_AFTER:
        waits = format_age(now - deferred.due_since)
        why = "more is deferred than workers get done" if deferred.has_worker else "no worker runs"
        yield f"deferred work has been due for {waits}: {why}, see `hostaway-sync worker`"
    if silence is not None and is_webhook_silent(silence.unannounced, silence.announced):
        changes = f"{silence.unannounced:,} of {silence.unannounced + silence.announced:,} changes of the last 24 h"
        check = f"`hostaway-sync webhooks check {facts.account_id}`"
        yield f"webhooks seem silent: {changes} were found by polling only: {check}"


def describe_limit_troubles(use: BucketUsage, now: datetime) -> Iterator[str]:
    """Describe how the platform restricted a request limit."""
    if use.lowered_to is not None and use.lowered_until is not None:
        yield f"request limit lowered to {use.lowered_to} for another {format_age(use.lowered_until - now)}"
    if use.silent_until is not None:
        yield f"the source asked for silence for another {format_age(use.silent_until - now)}"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 run` or `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
