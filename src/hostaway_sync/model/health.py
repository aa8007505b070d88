"""How each account does, judged from facts: one word, and what is wrong in words, worst first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from hostaway_sync.model.alarms import AlarmKind
from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hostaway_sync.model.status import AccountFacts, BucketUsage, Certificate

# A day and two hours: one daily line in a crontab may be slow for once, however often sweeps are due.
LATE_AFTER = timedelta(hours=26)
# A worker looks once a second, and a line of `worker --drain` in a crontab comes every five minutes.
UNWORKED_AFTER = timedelta(minutes=10)
# Fewer changes that only runs found are an accident; so is less than half of all.
SILENT_CHANGES = 5
SILENT_SHARE = 0.5
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}


class Condition(StrEnum):
    """How an account does; ordered from the worst."""

    FAILING = "failing"
    DIFFERS = "differs"
    LATE = "late"
    NEVER = "never"
    CHECK = "check"
    """Complete, and yet there is something that an operator should know."""
    RUNNING = "running"
    OK = "ok"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on one account.

    Attributes:
        condition: one word.
        problems: sentences for a person, worst first; empty when nothing is wrong.
        verified_as_of: the newest moment up to which the mirror is known to be complete: start of the last whole run,
            or moment of the last verification without a difference; None when there was neither.
    """

    condition: Condition
    problems: tuple[str, ...]
    verified_as_of: datetime | None

    @property
    def has_problems(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)


def assess_health(facts: AccountFacts, now: datetime) -> Health:
    """Say how an account does at `now`."""
    proven = facts.certificate
    is_doubted = proven is not None and bool(proven.damage)
    moments = [facts.last_sync_at, None if is_doubted else facts.equal_at]
    verified_as_of = max((moment for moment in moments if moment is not None), default=None)
    if not facts.is_active:
        return Health(Condition.DISABLED, (), verified_as_of)
    found = [*_grave(facts, now), *((Condition.CHECK, sentence) for sentence in _slight(facts, now))]
    condition = Condition.RUNNING if facts.lease else next((word for word, _ in found), Condition.OK)
    return Health(condition, tuple(sentence for _, sentence in found), verified_as_of)


def describe_differences(account_id: int, certificate: Certificate, when: str) -> str:
    """Return what a verification found, and the command that mends it: only as deep a one sees that it is mended."""
    found = f"verify found {format_count(certificate.damage, 'difference')} {when}"
    if certificate.is_sudden:
        accept = f"`hostaway-sync sync {account_id} --full --accept-missing`"
        return f"{found}, many rows gone all at once: look at the dashboard; {accept} if they are really gone"
    depth = "--deep " if certificate.is_deep else ""
    return f"{found}: `hostaway-sync verify {account_id} {depth}--repair` mends that"


def severity_rank(condition: Condition) -> int:
    """Give a number to sort by: the worst is 0."""
    return list(Condition).index(condition)


def format_age(span: timedelta) -> str:
    """Give a time span in the largest unit of which it has two, rounded down, as `3 h`."""
    span = max(span, timedelta())
    name = next((name for name, unit in _UNITS.items() if span >= 2 * unit), "s")
    return f"{span // _UNITS[name]} {name}"


def format_ago(moment: datetime, now: datetime) -> str:
    """Say how long ago a moment was, as `3 h ago`."""
    return f"{format_age(now - moment)} ago"


def _grave(facts: AccountFacts, now: datetime) -> Iterator[tuple[Condition, str]]:
    """Give what keeps the mirror from being complete."""
    run, ended = facts.open_run, facts.last_run
    if run is not None and run.state is RunState.RETRYING:
        yield Condition.FAILING, f"first attempt failed, another one follows: {run.error or 'no reason was kept'}"
    elif run is not None and facts.lease is None:
        yield Condition.FAILING, f"a run died: asked for {format_ago(run.triggered_at, now)}, never finished"
    if ended is not None and ended.state is not RunState.SUCCESS and not (run and run.state is RunState.RETRYING):
        when = format_ago(ended.finished_at or ended.triggered_at, now)
        yield Condition.FAILING, f"last run {ended.state} {when}: {ended.error or 'no reason was kept'}"
    told = ended.error or "" if ended is not None and ended.state is not RunState.SUCCESS else ""
    for alarm in facts.alarms:
        if alarm.cause.kind is not AlarmKind.DIFFERS and alarm.cause.sentence not in told:
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


def _slight(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Give what an operator should know of an account that is complete nevertheless."""
    if facts.certificate is not None and facts.certificate.error is not None:
        yield f"verify left something open {format_ago(facts.certificate.verified_at, now)}: {facts.certificate.error}"
    yield from _of_doubts(facts, now)
    yield from _of_letters(facts)
    yield from _of_deliveries(facts, now)
    if facts.quarantine.rowless:
        yield f"{format_count(facts.quarantine.rowless, 'record')} could not be stored: see quarantined_records"
    due = list(facts.due.values())
    # Marks that a run left behind: whatever was marked since is for the next one.
    ran_at = facts.last_run.started_at if facts.last_run else None
    if due and ran_at and facts.lease is None and min(mark.since for mark in due) < ran_at:
        waits = format_ago(min(mark.since for mark in due), now)
        yield f"{format_count(sum(mark.threads for mark in due), 'thread')} not read yet, the oldest marked {waits}"
    if facts.limit is not None:
        yield from describe_limit_troubles(facts.limit, now)
    if facts.recent.abandoned:
        yield f"{format_count(facts.recent.abandoned, 'run')} died in the last 24 h"


def count_unattended_messages(facts: AccountFacts, now: datetime) -> int:
    """Return how many messages to guests could leave now and have no worker that lives; for these nobody waits.

    Once other work has waited for long, too, that says it.
    """
    deferred, letters = facts.deferred, facts.messages
    if deferred.due_since is None or deferred.has_worker or now - deferred.due_since > UNWORKED_AFTER:
        return 0
    return letters.queued - letters.resting


def describe_waiting_messages(number: int) -> str:
    """Say that messages wait and no worker runs."""
    return (
        f"{format_count(number, 'message')} to guests {'waits' if number == 1 else 'wait'} for a worker, and none runs"
    )


def _of_doubts(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Say which rows may be gone, or may not be the newest, and when that will be known."""
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
    """Say whether so many changes were found by runs alone that announcements must be getting lost."""
    return unannounced >= SILENT_CHANGES and unannounced > (unannounced + announced) * SILENT_SHARE


def _of_letters(facts: AccountFacts) -> Iterator[str]:
    """Say which messages to guests need a look."""
    letters, of_account = facts.messages, f"--account {facts.account_id}`"
    if letters.unsettled:
        waiting = f", {letters.waiting_for_person} of them waiting for you" if letters.waiting_for_person else ""
        told = f"{format_count(letters.unsettled, 'message')} to guests with an unknown outcome{waiting}"
        yield f"{told}: `hostaway-sync messages list --state outcome_unknown {of_account}"
    if letters.unsent:
        told = f"{format_count(letters.unsent, 'message')} to guests never left, because the process died"
        yield f"{told}: `hostaway-sync messages list --state pending {of_account}"
    if letters.undelivered:
        told = f"{format_count(letters.undelivered, 'message')} to guests not delivered in the last 24 h"
        yield f"{told}: `hostaway-sync messages list --state failed {of_account}"


def _of_deliveries(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Say what keeps changes from arriving at once; runs find them all the same."""
    deferred, silence = facts.deferred, facts.announcements
    if deferred.dead_letters:
        letters = format_count(deferred.dead_letters, "dead letter")
        yield f"{letters} waiting for you: `hostaway-sync dead-letters list --account {facts.account_id}`"
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
    """Say what the source did to a request limit."""
    if use.lowered_to is not None and use.lowered_until is not None:
        yield f"request limit lowered to {use.lowered_to} for another {format_age(use.lowered_until - now)}"
    if use.silent_until is not None:
        yield f"the source asked for silence for another {format_age(use.silent_until - now)}"


def format_count(number: int, noun: str) -> str:
    """Give a number with its noun, as `1 run` and `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
