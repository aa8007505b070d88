"""Sends one message: decided under a lock, written down before it leaves, and asked for once."""

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
from hostaway_sync.messages.decision import REPEAT_WITHIN, Decision, Step, decide_step
from hostaway_sync.messages.settlement import settle_from_mirror, settle_from_source
from hostaway_sync.model.messages import IntentState, SendResult
from hostaway_sync.model.records import Resource
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.messages import (
    ledger,
    ledger_clock,
    outbox,
    restored,
    senders,
)
from hostaway_sync.store.messages import (
    recipients as message_recipients,
)
from hostaway_sync.store.messages.liveness import is_too_late
from hostaway_sync.store.processes.names import name_this_process
from hostaway_sync.store.records import due_threads, suspicions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hostaway_sync.messages.settlement import MessageReader
    from hostaway_sync.model.messages import Intent, MessageApi, OutgoingMessage
    from hostaway_sync.store.postgres.database import Database

_SENDS = {Step.SEND, Step.TAKE_UP}
# What will be the same the next time. All else passes: a source or a database that is away, a limit, a worker that is
# told to stop.
_FINAL = (CredentialsRejected, TokenRejected, Forbidden, NotFound, RequestRejected)


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What came of a message.

    Attributes:
        step: what was decided.
        intent: the row that says how it stands; None only where nothing was written down.
        fault: why a row that a worker took up waits again; None: it does not.
    """

    step: Step
    intent: Intent | None
    fault: HostawaySyncError | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this call has sent, or tried to."""
        return self.step in _SENDS


class Sender:
    """Sends the messages of one account.

    Args:
        database: with the ledger.
        message_api: carries them.
        read: reads the payload of a message.
    """

    def __init__(self, database: Database, message_api: MessageApi, read: MessageReader) -> None:
        self._database = database
        self._message_api = message_api
        self._read = read

    def outlook(self, message: OutgoingMessage, *, again: bool, queued_too: bool = False) -> Decision:
        """Say what `send` would do now; writes nothing, and settles nothing."""

        def read(connection: Connection) -> Decision:
            # Two that ask at once whether a process lives would see each other.
            ledger.lock_messages(connection, message.account_id)
            return decide_by_ledger(connection, message, name_this_process(), again=again, queued_too=queued_too)

        return self._database.transaction(read)

    def send(self, message: OutgoingMessage, *, again: bool, queued_too: bool = False) -> SendOutcome:
        """Send a message, unless the ledger says that it must not be; with `queued_too` before a worker does.

        Raises:
            AccountError: the account was disabled meanwhile.
            StoreError: the database is away; what left is settled later.
        """
        self._settle_first(message)
        owner = name_this_process()  # a new name each time: two threads with one draft must not take each other's row
        with self._database.claim(senders.right_name(owner)):
            begin = partial(self._begun, message=message, owner=owner, again=again, queued_too=queued_too)
            decision = self._database.transaction(begin)
            if decision.step not in _SENDS or decision.intent is None:
                return SendOutcome(decision.step, decision.intent)
            return self._gone(decision.step, decision.intent)

    def send_queued(self, intent: Intent) -> SendOutcome:
        """Send what waits for a worker, on its own row; nothing when somebody else is at it, or it waits no more.

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
            return Step.TAKE_UP, ledger.take_up_intent(connection, known, known.message, owner, is_queued=True)

        with self._database.claim(senders.right_name(owner)):
            step, taken = self._database.transaction(take)
            return SendOutcome(step, taken) if taken is None or step not in _SENDS else self._gone(step, taken)

    def send_again(self, intent: Intent) -> SendOutcome:
        """Send what a person did not find, on its own row; when the source has it after all, nothing is sent.

        Raises:
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
            if ledger.record_manual_outcome(connection, intent.intent_id, was_sent=False) is None:
                known = ledger.find_intent(connection, intent.intent_id)
                if known is None or known.owner != owner:
                    raise MessageUnsettled(f"message {intent.intent_id} was settled meanwhile: nothing was sent")
                return known
            return ledger.take_up_intent(connection, intent, intent.message, owner)

        with self._database.claim(senders.right_name(owner)):
            return self._gone(Step.TAKE_UP, self._database.transaction(take))

    def _settle_first(self, message: OutgoingMessage) -> None:
        """Look for what is open with this guest; that it cannot be had is no reason: the ledger says enough."""
        settle_from_mirror(self._database, message.account_id, self._read)
        find = partial(ledger.list_unsettled, account_id=message.account_id, reservation_id=message.reservation_id)
        unsettled = [
            intent for intent in self._database.transaction(find) if intent.state is IntentState.OUTCOME_UNKNOWN
        ]
        with suppress(SourceError):
            settle_from_source(self._database, self._message_api, unsettled, self._read)

    def _begun(
        self, connection: Connection, message: OutgoingMessage, owner: str, *, again: bool, queued_too: bool
    ) -> Decision:
        """Decide under the account's lock, and write the intent down."""
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

    def _gone(self, step: Step, intent: Intent) -> SendOutcome:
        try:
            posted = self._posted(intent)
            concluded = self._concluded(intent, posted)
            return SendOutcome(step, concluded, posted.fault if concluded.state is IntentState.PENDING else None)
        except StoreError:
            raise
        except BaseException as error:
            # Such as a signal, or an account that was disabled: how far it came is known now, and not later.
            if not isinstance(error, Exception):
                self._database.fail_fast()
            why = str(error) if isinstance(error, HostawaySyncError) else "stopped by a signal"
            with suppress(HostawaySyncError):
                self._database.transaction(lambda connection: ledger.record_interruption(connection, intent, why))
            raise

    def _posted(self, intent: Intent) -> SendResult:
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
        self._database.transaction(partial(message_recipients.store_page, account_id=message.account_id, page=page))
        fence = max((record.id for record in page.records if record.id is not None), default=0)
        left: list[Intent] = []
        posted = self._message_api.send(message, before_send=lambda: left.append(self._leave(intent, fence)))
        # A success that names a message which was there before is none of this one.
        created = {record.id for record in posted.page.records} if posted.page else set()
        known_before = left[0].after_message_id if left else None
        if any(number is None or number <= (known_before or 0) for number in created):
            return SendResult(IntentState.OUTCOME_UNKNOWN, "the source answered with a message that was there before")
        return posted

    def _leave(self, intent: Intent, fence: int) -> Intent:
        """Mark a row as leaving, this instant.

        Raises:
            SourceUnavailable: the mark took so long that others may know the row as that of a process that died.
        """
        began = _seconds_awake_or_not()
        left = ledger.mark_sending(self._database, intent, after=fence)
        if is_too_late(timedelta(seconds=_seconds_awake_or_not() - began)):
            raise SourceUnavailable("this process was held up just before the message left: nothing was sent")
        return left

    def _concluded(self, intent: Intent, posted: SendResult) -> Intent:
        concluded = self._database.transaction(partial(self._written, intent=intent, posted=posted))
        if concluded.state is IntentState.OUTCOME_UNKNOWN:
            with suppress(SourceError, AccountError):
                changed = settle_from_source(self._database, self._message_api, [concluded], self._read)
                return next(iter(changed), concluded)
        return concluded

    def _written(self, connection: Connection, intent: Intent, posted: SendResult) -> Intent:
        """Write down how it ended, and the message where it belongs, in one transaction."""
        message, message_id, failure = intent.message, None, posted.error
        state, is_of_thread = posted.state, False
        ledger.lock_messages(connection, message.account_id)
        for record in posted.page.records if posted.page else ():
            said = self._read(record.payload)
            message_id, failure = record.id, said.failure if said else None
            is_of_thread = said is not None and said.conversation_id == message.conversation_id
            state = IntentState.SENT if failure is None else IntentState.FAILED
        if intent.is_queued and posted.state is IntentState.FAILED and _is_passing(posted.fault):
            written = outbox.return_to_queue(connection, intent, posted.error)
        else:
            written = ledger.record_answer(connection, intent, state, message_id=message_id, error=failure)
        if posted.page is not None and is_of_thread:  # else the next run, for which the thread is due, reads it there
            with suppress(AccountError):  # disabled meanwhile: nothing of it is stored, and the ledger is none of it
                message_recipients.store_page(connection, message.account_id, posted.page)
        if state is not IntentState.FAILED:
            due_threads.mark_due(connection, message.account_id, message.conversation_id)
        known = written or ledger.find_intent(connection, intent.intent_id)
        return intent if known is None else known


def decide_by_ledger(
    connection: Connection, message: OutgoingMessage, owner: str, *, again: bool, queued_too: bool = False
) -> Decision:
    """Decide by the ledger, under the account's lock; see `decision.decide`."""
    of_key = ledger.find_by_key(connection, message.account_id, message.key) if message.key is not None else None
    alike = ledger.find_same_text(connection, message, within=REPEAT_WITHIN)
    pending = {one.intent_id: one for one in (*alike, *((of_key,) if of_key else ()))}.values()
    dead = {one.intent_id for one in pending if one.state is IntentState.PENDING and senders.is_gone(connection, one)}
    now = jobs.read_clock(connection)
    return decide_step(message, of_key, alike, owner=owner, dead=dead, now=now, again=again, queued_too=queued_too)


def _seconds_awake_or_not() -> float:
    """Return the seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _is_passing(fault: HostawaySyncError | None) -> bool:
    return isinstance(fault, SourceError | StoreError) and not isinstance(fault, _FINAL)
