"""Messages to guests: prepare and send one, settle unknown outcomes, list the ledger."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostaway_sync.app.messages.composer import Composer
from hostaway_sync.errors import AccountError, MessageRefused, MessageUnsettled
from hostaway_sync.messages import guards
from hostaway_sync.messages.answer import answer_outcome, is_decided, replay
from hostaway_sync.messages.decision import LOOKS_APART
from hostaway_sync.messages.sender import Sender
from hostaway_sync.messages.settlement import settle_from_mirror, settle_from_source
from hostaway_sync.model.messages import LOOKS_BEFORE_PERSON, IntentState, Proof
from hostaway_sync.platforms.hostaway.messages.protocol import read_thread_message
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.messages import ledger, outbox
from hostaway_sync.store.messages import listing as message_listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.app.container import Container
    from hostaway_sync.app.messages.composer import PreparedMessage
    from hostaway_sync.messages.answer import SendAnswer
    from hostaway_sync.messages.sender import SendOutcome
    from hostaway_sync.model.messages import Intent, MessageRequest

MOST_LISTED = 200


class Messages:
    """The messages of one mirror.

    Args:
        container: opens clients, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @contextmanager
    def prepare(self, request: MessageRequest) -> Iterator[PreparedMessage]:
        """Find the guest of a request; the prepared message can be sent while the block runs.

        What this raises, `Composer.prepare` says.
        """
        with Composer(self._container) as composer:
            yield composer.prepare(request)

    def send_once(self, request: MessageRequest) -> SendAnswer:
        """Send a message for a program, which asks again under the same key until it knows the outcome.

        A message of this key that was sent, waits or ended is looked up and left alone, whatever its account does now.

        Raises:
            MessageUnsettled: the account was purged meanwhile.
            HostawaySyncError: nothing was sent; see `Composer.prepare`.
        """
        guards.require_text(request.text)
        guards.require_key(request.key)
        known = self._find_by_key(request)
        if known is not None and is_decided(known):
            return replay(request, known)
        try:
            with self.prepare(request) as draft:
                outcome = draft.send()
        except AccountError:
            if known is None:
                raise
            return replay(request, known)
        if outcome.intent is None:
            raise MessageUnsettled("the message is not in the ledger any more: its account was purged meanwhile")
        return answer_outcome(request, outcome.step, outcome.intent, draft.concerns)

    def cancel(self, intent_id: int) -> Intent:
        """Cancel a message that was not sent yet; its row stays, as `failed`, and keeps its key.

        Raises:
            MessageRefused: there is no message with this number, or it is not pending any more.
        """
        why = "cancelled by a person"
        known = self._intent(intent_id)
        cancelled = self._database.transaction(
            lambda connection: outbox.withdraw_intent(connection, intent_id, why, proof=Proof.PERSON)
        )
        if cancelled is None:
            raise MessageRefused(f"message {intent_id} is {known.state.value}: only a pending message can be cancelled")
        return cancelled

    def resolve(
        self, intent_id: int, *, apart: timedelta = LOOKS_APART, sleep: Callable[[float], object] = time.sleep
    ) -> Intent:
        """Look for a message whose outcome is unknown, twice if need be; return its row after that.

        Raises:
            MessageRefused: there is no message with this number.
            SourceError: its thread could not be read.
        """
        intent = self._intent(intent_id)
        account_id = account_queries.get_active_account(self._database, intent.message.account_id).account_id
        settle_from_mirror(self._database, account_id, read_thread_message)
        with self._container.source(account_id, urgent=True) as source:
            for turn in range(LOOKS_BEFORE_PERSON):
                intent = self._intent(intent_id)
                if intent.state not in {IntentState.SENDING, IntentState.OUTCOME_UNKNOWN}:
                    break
                if turn and intent.looks >= LOOKS_BEFORE_PERSON:
                    break
                if intent.looked_at is not None and intent.looks < LOOKS_BEFORE_PERSON:
                    sleep(max(0.0, (intent.looked_at + apart - self._now()).total_seconds()))
                settle_from_source(self._database, source.message_api, [intent], read_thread_message, apart=apart)
        return self._intent(intent_id)

    def confirm_sent(self, intent_id: int) -> Intent:
        """Settle a message of unknown outcome as sent, because a person saw it in its thread.

        Raises:
            MessageRefused: there is no message with this number.
            MessageUnsettled: its outcome is not unknown.
        """
        intent = self._get_unknown(intent_id)
        vouched = self._database.transaction(
            lambda connection: ledger.record_manual_outcome(connection, intent_id, was_sent=True)
        )
        if vouched is None:
            raise _not_unknown_error(intent)
        return vouched

    def confirm_unsent_and_resend(self, intent_id: int) -> SendOutcome:
        """Send a message of unknown outcome again, because a person did not find it; look for it once more first.

        Raises:
            MessageRefused: there is no message with this number, or the settings forbid it.
            MessageUnsettled: its outcome is not unknown.
            SourceError: its thread could not be read.
        """
        intent = self._get_unknown(intent_id)
        guards.require_allowed(intent.message.reservation_id, self._container.settings.send_allowlist)
        account_id = account_queries.get_active_account(self._database, intent.message.account_id).account_id
        with self._container.source(account_id, urgent=True) as source:
            return Sender(self._database, source.message_api, read_thread_message).send_again(intent)

    def list_newest(
        self, *, states: Sequence[IntentState] = (), account_id: int | None = None, limit: int = MOST_LISTED
    ) -> list[Intent]:
        """Return the newest rows of the ledger, in the order in which they were written."""
        return self._database.transaction(
            lambda connection: message_listing.list_newest(
                connection, states=states, account_id=account_id, limit=limit
            )
        )

    def settle(self, account_id: int) -> list[Intent]:
        """Settle open messages by the stored threads, without a request; return those that changed."""
        return settle_from_mirror(self._database, account_id, read_thread_message)

    @contextmanager
    def settle_around(self, account_id: int, *, dry_run: bool) -> Iterator[None]:
        """Settle before the block, so that its run reads the threads that are needed, and after it, by what it read."""
        if not dry_run:
            self.settle(account_id)
        yield
        if not dry_run:
            self.settle(account_id)

    def _find_by_key(self, request: MessageRequest) -> Intent | None:
        account_id, key = request.account_id, request.key
        if account_id is None or key is None:
            return None
        return self._database.transaction(lambda connection: ledger.find_by_key(connection, account_id, key))

    def _get_unknown(self, intent_id: int) -> Intent:
        account_id = self._intent(intent_id).message.account_id
        settle_from_mirror(self._database, account_id, read_thread_message)
        intent = self._intent(intent_id)
        if intent.state is not IntentState.OUTCOME_UNKNOWN:
            raise _not_unknown_error(intent)
        return intent

    def _intent(self, intent_id: int) -> Intent:
        intent = self._database.transaction(lambda connection: ledger.find_intent(connection, intent_id))
        if intent is None:
            raise MessageRefused(f"there is no message {intent_id} in the ledger: see `hostaway-sync messages list`")
        return intent

    def _now(self) -> datetime:
        return self._database.transaction(jobs.read_clock)


def _not_unknown_error(intent: Intent) -> MessageUnsettled:
    return MessageUnsettled(
        f"message {intent.intent_id} is {intent.state.value}: a person can settle only a message of unknown outcome"
    )
