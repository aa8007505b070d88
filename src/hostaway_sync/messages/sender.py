"""Sends one message: decided under a lock, stored before it is sent, and requested once."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import (
    AccountError,
    CredentialsRejected,
    Forbidden,
    HostawaySyncError,
    MessageUnsettled,
    NotFound,
    RequestRejected,
    SourceError,
    SourceUnavailable,
    StoreError,
    TokenRejected,
)
from hostaway_sync.messages.decision import SENDS, Decision, Step
from hostaway_sync.messages.ledger_decision import decide_by_ledger, forgotten_sentence, require_remembered
from hostaway_sync.messages.settlement import settle_from_mirror, settle_from_source
from hostaway_sync.model.messages import IntentState, Proof, SendResult
from hostaway_sync.model.records import Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.messages import ledger, ledger_clock, outbox, restored, senders
from hostaway_sync.store.messages import recipients as message_recipients
from hostaway_sync.store.messages.liveness import is_too_late
from hostaway_sync.store.processes.names import name_this_process
from hostaway_sync.store.records import due_threads, suspicions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hostaway_sync.messages.settlement import MessageReader
    from hostaway_sync.model.messages import Intent, MessageApi, OutgoingMessage
    from hostaway_sync.store.postgres.database import Database

# Errors that another try would meet again. All others pass: a source or a database that is away, a rate limit, a worker
# that is told to stop.
_FINAL = (CredentialsRejected, TokenRejected, Forbidden, NotFound, RequestRejected)


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The outcome of a call that sends.

    Attributes:
        step: what was decided.
        intent: the row of the message in the ledger; None only where none was stored.
        fault: why a worker returned the message to the queue; None: it did not.
    """

    step: Step
    intent: Intent | None
    fault: HostawaySyncError | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this call sent the message, or tried to."""
        return self.step in SENDS


class Sender:
    """Sends the messages of one account.

    Args:
        database: with the ledger.
        message_api: sends them, and reads their threads.
        read: reads the payload of a message.
    """

    def __init__(self, database: Database, message_api: MessageApi, read: MessageReader) -> None:
        self._database = database
        self._message_api = message_api
        self._read = read

    def preview(self, message: OutgoingMessage, *, again: bool, queued_too: bool = False) -> Decision:
        """Return what `send` would do now; writes nothing, and settles nothing."""

        def read(connection: Connection) -> Decision:
            # Under the lock: two processes that test at once whether a third lives would see each other.
            ledger.lock_messages(connection, message.account_id)
            return decide_by_ledger(connection, message, name_this_process(), again=again, queued_too=queued_too)

        return self._database.transaction(read)

    def send(self, message: OutgoingMessage, *, again: bool, queued_too: bool = False) -> SendOutcome:
        """Send a message, unless the ledger forbids it; with `queued_too` also one that waits for a worker.

        Raises:
            MessageRefused: its guest was forgotten.
            AccountError: the account was disabled meanwhile.
            StoreError: the database is away; what left is settled later.
        """
        self._settle_first(message)
        # A new name for each call: two threads that send the same message must not take each other's row.
        owner = name_this_process()
        with self._database.claim(senders.right_name(owner)):
            begin = partial(self._begin, message=message, owner=owner, again=again, queued_too=queued_too)
            decision = self._database.transaction(begin)
            if decision.step not in SENDS or decision.intent is None:
                return SendOutcome(decision.step, decision.intent)
            return self._send_and_record(decision.step, decision.intent)

    def send_queued(self, intent: Intent) -> SendOutcome:
        """Send a queued message, on its own row; nothing when another process is sending it, or it is queued no more.

        Raises:
            AccountError: the account was disabled meanwhile.
            StoreError: the database is away; what left is settled later.
        """
        self._settle_first(intent.message)
        owner = name_this_process()

        def take(connection: Connection) -> tuple[Step, Intent | None]:
            ledger.lock_messages(connection, intent.message.account_id)
            account_owner.lock_owner(connection, intent.message.account_id)
            restored.detect_restore(connection)
            known = ledger.find_intent(connection, intent.intent_id)
            if known is None or not known.is_queued or known.state is not IntentState.PENDING:
                return Step.ENDED, known
            if known.owner != owner and not senders.is_gone(connection, known):
                return Step.UNDER_WAY, known
            if message_recipients.is_forgotten(connection, known.message):
                why = forgotten_sentence(known.message)
                return Step.ENDED, outbox.withdraw_intent(connection, known.intent_id, why, proof=Proof.PERSON)
            return Step.TAKE_UP, ledger.take_up_intent(connection, known, known.message, owner, is_queued=True)

        with self._database.claim(senders.right_name(owner)):
            step, taken = self._database.transaction(take)
            return (
                SendOutcome(step, taken) if taken is None or step not in SENDS else self._send_and_record(step, taken)
            )

    def send_again(self, intent: Intent) -> SendOutcome:
        """Send a message again that a person did not find in its thread; nothing when the source has it after all.

        Raises:
            MessageRefused: its guest was forgotten.
            MessageUnsettled: its outcome is not unknown any more, and it was not sent.
            SourceError: its thread could not be read once more.
        """
        changed = {
            one.intent_id: one for one in settle_from_source(self._database, self._message_api, [intent], self._read)
        }
        if (settled := changed.get(intent.intent_id)) is not None:
            return SendOutcome(Step.EARLIER, settled)

        owner = name_this_process()

        def take(connection: Connection) -> Intent:
            ledger.lock_messages(connection, intent.message.account_id)
            account_owner.lock_owner(connection, intent.message.account_id)
            require_remembered(connection, intent.message)
            if ledger.record_manual_outcome(connection, intent.intent_id, was_sent=False) is None:
                known = ledger.find_intent(connection, intent.intent_id)
                if known is None or known.owner != owner:
                    raise MessageUnsettled(f"message {intent.intent_id} was settled meanwhile: nothing was sent")
                return known
            return ledger.take_up_intent(connection, intent, intent.message, owner)

        with self._database.claim(senders.right_name(owner)):
            return self._send_and_record(Step.TAKE_UP, self._database.transaction(take))

    def _settle_first(self, message: OutgoingMessage) -> None:
        """Settle the open messages of the guest. A source that does not answer is no reason to stop: they stay open."""
        settle_from_mirror(self._database, message.account_id, self._read)
        find = partial(ledger.list_unsettled, account_id=message.account_id, reservation_id=message.reservation_id)
        unsettled = [
            intent for intent in self._database.transaction(find) if intent.state is IntentState.OUTCOME_UNKNOWN
        ]
        with suppress(SourceError):
            settle_from_source(self._database, self._message_api, unsettled, self._read)

    def _begin(
        self, connection: Connection, message: OutgoingMessage, owner: str, *, again: bool, queued_too: bool
    ) -> Decision:
        """Decide under the lock of the account, and store the intent."""
        ledger.lock_messages(connection, message.account_id)
        account_owner.lock_owner(connection, message.account_id)
        restored.detect_restore(connection)
        ledger.abandon_dead_attempts(connection, message.account_id)
        ledger_clock.clamp_times_of_guest(connection, message)
        decision = decide_by_ledger(connection, message, owner, again=again, queued_too=queued_too)
        if decision.step is Step.SEND:
            return replace(decision, intent=ledger.insert_intent(connection, message, owner))
        if decision.step is Step.TAKE_UP and decision.intent is not None:
            return replace(decision, intent=ledger.take_up_intent(connection, decision.intent, message, owner))
        return decision

    def _send_and_record(self, step: Step, intent: Intent) -> SendOutcome:
        """Send an intent of this process, and record the outcome; when that is interrupted, record how far it came."""
        try:
            result = self._request(intent)
            recorded = self._record(intent, result)
            return SendOutcome(step, recorded, result.fault if recorded.state is IntentState.PENDING else None)
        except StoreError:
            raise
        except BaseException as error:
            # A signal, or an account that was disabled: only this process knows how far the message came.
            if not isinstance(error, Exception):
                self._database.fail_fast()
            why = str(error) if isinstance(error, HostawaySyncError) else "stopped by a signal"
            with suppress(HostawaySyncError):
                self._database.transaction(lambda connection: ledger.record_interruption(connection, intent, why))
            raise

    def _request(self, intent: Intent) -> SendResult:
        """Read the newest page of the thread, and send the message once."""
        message = intent.message
        try:
            page = self._message_api.read_newest_page(
                message.conversation_id, why="message: what is in its thread before it?"
            )
        except SourceError as error:
            if isinstance(error, NotFound):
                suspicions.raise_suspicion(
                    self._database, message.account_id, Resource.CONVERSATIONS, message.conversation_id
                )
            return SendResult(IntentState.FAILED, str(error), fault=error)
        store = partial(message_recipients.store_page, intent_id=intent.intent_id)
        self._database.transaction(partial(store, account_id=message.account_id, page=page))
        fence = max((record.id for record in page.records if record.id is not None), default=0)
        left: list[Intent] = []
        result = self._message_api.send(message, before_send=lambda: left.append(self._mark_sending(intent, fence)))
        # A success with the id of a message that was there before does not show that this one was sent.
        created = {record.id for record in result.page.records} if result.page else set()
        known_before = left[0].after_message_id if left else None
        if any(number is None or number <= (known_before or 0) for number in created):
            return SendResult(IntentState.OUTCOME_UNKNOWN, "the source answered with a message that was there before")
        return result

    def _mark_sending(self, intent: Intent, fence: int) -> Intent:
        """Mark a row as sending, the instant before its request leaves.

        Raises:
            SourceUnavailable: marking took so long that other processes may believe that this one died.
        """
        began = _seconds_since_boot()
        marked = ledger.mark_sending(self._database, intent, after=fence)
        if is_too_late(timedelta(seconds=_seconds_since_boot() - began)):
            raise SourceUnavailable("this process was held up just before the message left: nothing was sent")
        return marked

    def _record(self, intent: Intent, result: SendResult) -> Intent:
        """Store the result of a request, and look into the thread at once where the result is unknown."""
        recorded = self._database.transaction(partial(self._store_result, intent=intent, result=result))
        if recorded.state is IntentState.OUTCOME_UNKNOWN:
            with suppress(SourceError, AccountError):
                changed = settle_from_source(self._database, self._message_api, [recorded], self._read)
                return next(iter(changed), recorded)
        return recorded

    def _store_result(self, connection: Connection, intent: Intent, result: SendResult) -> Intent:
        """Store the outcome in the ledger and the message in its thread, in one transaction."""
        message, message_id, failure = intent.message, None, result.error
        state, is_of_thread = result.state, False
        ledger.lock_messages(connection, message.account_id)
        for record in result.page.records if result.page else ():
            created = self._read(record.payload)
            message_id, failure = record.id, created.failure if created else None
            is_of_thread = created is not None and created.conversation_id == message.conversation_id
            state = IntentState.SENT if failure is None else IntentState.FAILED
        if intent.is_queued and result.state is IntentState.FAILED and _is_passing(result.fault):
            written = outbox.return_to_queue(connection, intent, result.error)
        else:
            written = ledger.record_answer(connection, intent, state, message_id=message_id, error=failure)
        # A message of an unclear thread is not stored here: the thread is due, and the next run reads it.
        if result.page is not None and is_of_thread:
            # Of an account that was disabled meanwhile no row is stored; the ledger is.
            with suppress(AccountError):
                message_recipients.store_page(connection, message.account_id, result.page, intent_id=intent.intent_id)
        if state is not IntentState.FAILED:
            due_threads.mark_due(connection, message.account_id, message.conversation_id)
        known = written or ledger.find_intent(connection, intent.intent_id)
        return intent if known is None else known


def _seconds_since_boot() -> float:
    """Return the seconds of a clock that runs on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _is_passing(fault: HostawaySyncError | None) -> bool:
    return isinstance(fault, SourceError | StoreError) and not isinstance(fault, _FINAL)
