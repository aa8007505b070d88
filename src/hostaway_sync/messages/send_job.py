"""Queues messages and lets a worker send them: with the same decision, on the same row, by the same sender.

    job ──→ pending      sent; a fault that passes returns it to the queue, as the retry policy says
        ──→ sending      another process is sending it, or has died: no second request, it is looked for
        ──→ unknown      looked for after half a minute, two and ten minutes; then it waits for a person
        ──→ sent, failed done

A job holds only the number of a row, so that working it twice, or again by hand, is the same as once.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hostaway_sync.errors import AccountError, Advice, LeaseHeld, MessageRefused, SourceError, SourceUnavailable
from hostaway_sync.messages.answer import is_ended
from hostaway_sync.messages.decision import SENDS, Decision, Step
from hostaway_sync.messages.ledger_decision import decide_by_ledger
from hostaway_sync.messages.quiet_hours import find_quiet_end, parse_hours
from hostaway_sync.messages.sender import Sender
from hostaway_sync.messages.settlement import settle_from_mirror, settle_from_source
from hostaway_sync.model.messages import IntentState, Proof
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.messages import ledger, ledger_clock, outbox, restored
from hostaway_sync.store.processes.names import name_this_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.messages.settlement import MessageReader
    from hostaway_sync.model.messages import Intent, MessageApi, OutgoingMessage
    from hostaway_sync.store.jobs import Job
    from hostaway_sync.store.postgres.database import Database

LOOKED_FOR_AFTER: Final = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))

log = logging.getLogger(__name__)


def format_quiet_hours(hours: str, zone: str | None, reservation_id: int) -> str:
    """Return quiet hours with the time zone of a listing, as the ledger stores them, such as `22-8 Europe/Oslo`.

    Raises:
        UsageError: the hours are not two hours of a day.
        MessageRefused: the time zone of the listing is not known.
    """
    written = str(parse_hours(hours))
    try:
        return f"{written} {ZoneInfo(zone or '').key}"
    except (ValueError, OSError, KeyError):
        why = f"is unknown ({zone})" if zone else "is not mirrored"
        raise MessageRefused(
            f"reservation {reservation_id}: the time zone of its listing {why}, so its quiet hours are not "
            "known: sync first, or use --now"
        ) from None


def find_release_time(quiet: str | None, now: datetime) -> datetime | None:
    """Return when a message may leave whose quiet hours `format_quiet_hours` made; None: at once."""
    if quiet is None:
        return None
    hours, _, zone = quiet.partition(" ")
    return find_quiet_end(parse_hours(hours), ZoneInfo(zone), now)


def queue_message(
    database: Database,
    message: OutgoingMessage,
    *,
    again: bool,
    quiet: str | None,
    is_repeated: bool,
    dry_run: bool = False,
) -> Decision:
    """Queue a message for a worker, unless the ledger forbids it; return the decision.

    Args:
        database: with the ledger.
        message: what is to be said.
        again: the same words may be sent twice.
        quiet: hours in which it waits, as `format_quiet_hours` returns them.
        is_repeated: the caller repeats a whole batch: a message that a person or the source ended stays ended.
        dry_run: decide, and write nothing.

    Raises:
        AccountError: the account is disabled.
        MessageRefused: the guest was forgotten.
    """

    def write(connection: Connection) -> Decision:
        ledger.lock_messages(connection, message.account_id)
        account_owner.lock_owner(connection, message.account_id)
        restored.detect_restore(connection)
        ledger_clock.clamp_times_of_guest(connection, message)
        decision = decide_by_ledger(connection, message, name_this_process(), again=again)
        known = decision.intent
        if decision.step is Step.TAKE_UP and is_repeated and known is not None and is_ended(known):
            return replace(decision, step=Step.ENDED)
        if dry_run or decision.step not in SENDS:
            return decision
        until = find_release_time(quiet, jobs.read_clock(connection))
        if known is None:
            return replace(
                decision, intent=outbox.insert_queued(connection, message, quiet_hours=quiet, not_before_at=until)
            )
        queued = outbox.requeue_intent(connection, known, message, quiet_hours=quiet, not_before_at=until)
        return replace(decision, intent=queued or known)

    return database.transaction(write)


def run_send_job(
    database: Database, use: Callable[[int], AbstractContextManager[MessageApi]], read: MessageReader, job: Job
) -> None:
    """Work a job that sends a message.

    Args:
        database: with the ledger.
        use: opens the message API of an account.
        read: reads the payload of a message.
        job: names the intent.

    Raises:
        LeaseHeld: another process is sending it.
        SourceError: nothing was sent, and another try may succeed.
        StoreError: the database is away.
    """
    account = account_queries.find_account(database, job.account_id)
    if account is None or not account.is_active:
        _withdraw(database, job, f"account {job.account_id} is disabled")
        return
    settle_from_mirror(database, job.account_id, read)
    intent = _row(database, job)
    if intent is not None and intent.state is IntentState.PENDING and intent.is_queued:
        intent = _send(database, use, read, job, intent)
    if intent is not None and intent.state is IntentState.SENDING:
        raise LeaseHeld(f"another process is sending message {intent.intent_id}")
    if intent is not None and intent.state is IntentState.OUTCOME_UNKNOWN:
        _look(database, use, read, job, intent)


def _send(
    database: Database,
    use: Callable[[int], AbstractContextManager[MessageApi]],
    read: MessageReader,
    job: Job,
    intent: Intent,
) -> Intent | None:
    """Send an intent, unless its quiet hours are on; return it as it is then, None where nothing is left to do."""
    now = database.transaction(jobs.read_clock)
    until = find_release_time(intent.quiet_hours, now)
    if until is not None:
        database.transaction(partial(outbox.postpone_intent, intent=intent, job=job, at=until))
        return None
    try:
        with use(job.account_id) as message_api:
            outcome = Sender(database, message_api, read).send_queued(intent)
    except AccountError as error:  # the account was disabled while the message was being sent
        _withdraw(database, job, str(error))
        return None
    if outcome.step is Step.UNDER_WAY:
        raise LeaseHeld(f"another process is sending message {intent.intent_id}")
    if outcome.fault is not None:
        if outcome.fault.advice in {Advice.RETRY, Advice.SNOOZE}:
            raise outcome.fault
        raise SourceUnavailable(str(outcome.fault)) from outcome.fault
    return outcome.intent


def _look(
    database: Database,
    use: Callable[[int], AbstractContextManager[MessageApi]],
    read: MessageReader,
    job: Job,
    intent: Intent,
) -> None:
    """Look for a message in its thread, and defer the next look where it was not found."""
    if intent.looked_at is None or job.looks:
        with suppress(SourceError), use(job.account_id) as message_api:
            settle_from_source(database, message_api, [intent], read)
        found = _row(database, job)
        if found is None or found.state is not IntentState.OUTCOME_UNKNOWN:
            return
    if job.looks == len(LOOKED_FOR_AFTER):
        log.warning("message %d waits for a person: the thread was read and does not hold it", intent.intent_id)
        return

    def defer(connection: Connection) -> None:
        at = jobs.read_clock(connection) + LOOKED_FOR_AFTER[job.looks]
        following = replace(outbox.make_job(intent), looks=job.looks + 1)
        jobs.defer_retry(connection, following, at=at)

    database.transaction(defer)


def _row(database: Database, job: Job) -> Intent | None:
    number = job.intent_id or 0
    return database.transaction(lambda connection: ledger.find_intent(connection, number))


def _withdraw(database: Database, job: Job, why: str) -> None:
    number = job.intent_id or 0
    database.transaction(lambda connection: outbox.withdraw_intent(connection, number, why, proof=Proof.ANSWER))
