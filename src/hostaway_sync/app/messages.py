"""The door to what is said to guests: one message, what is open, and the ledger."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostaway_sync.app.compose import Composer
from hostaway_sync.errors import MessageRefused, MessageUnsettled
from hostaway_sync.messages import guards
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

    from hostaway_sync.app.compose import PreparedMessage
    from hostaway_sync.app.container import Container
    from hostaway_sync.messages.sender import SendOutcome
    from hostaway_sync.model.messages import Intent, MessageRequest

MOST_LISTED = 200


class Messages:
    """What is said to guests, of one mirror.

    Args:
        container: opens sources; names the database.
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

    def cancel(self, intent_id: int) -> Intent:
        """Take back a message that has not left yet; its row stays, as `failed`, and gives up its key to nobody.

        Raises:
            MessageRefused: there is none with this number, or it left or ended already.
        """
        why = "cancelled by a person"
        known = self._intent(intent_id)
        taken_back = self._database.transaction(
            lambda connection: outbox.withdraw_intent(connection, intent_id, why, proof=Proof.PERSON)
        )
        if taken_back is None:
            raise MessageRefused(f"message {intent_id} is {known.state.value}: only what is pending can be taken back")
        return taken_back

    def resolve(
        self, intent_id: int, *, apart: timedelta = LOOKS_APART, sleep: Callable[[float], object] = time.sleep
    ) -> Intent:
        """Look for a message whose outcome is not known, twice if need be; give it as it stands then.

        Raises:
            MessageRefused: there is none with this number.
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
        """Believe a person that a message whose outcome is not known was sent.

        Raises:
            MessageRefused: there is none with this number.
            MessageUnsettled: its outcome is not unknown.
        """
        intent = self._unknown(intent_id)
        vouched = self._database.transaction(
            lambda connection: ledger.record_manual_outcome(connection, intent_id, was_sent=True)
        )
        if vouched is None:
            raise _not_unknown(intent)
        return vouched

    def confirm_unsent_and_resend(self, intent_id: int) -> SendOutcome:
        """Believe a person that such a message was not sent, and send it; looks for it once more before.

        Raises:
            MessageRefused: there is none with this number, or the settings forbid it.
            MessageUnsettled: its outcome is not unknown.
            SourceError: its thread could not be read.
        """
        intent = self._unknown(intent_id)
        guards.require_allowed(intent.message.reservation_id, self._container.settings.send_allowlist)
        account_id = account_queries.get_active_account(self._database, intent.message.account_id).account_id
        with self._container.source(account_id, urgent=True) as source:
            return Sender(self._database, source.message_api, read_thread_message).send_again(intent)

    def list_newest(
        self, *, states: Sequence[IntentState] = (), account_id: int | None = None, limit: int = MOST_LISTED
    ) -> list[Intent]:
        """Give the newest rows of the ledger, in the order in which they were written down."""
        return self._database.transaction(
            lambda connection: message_listing.list_newest(
                connection, states=states, account_id=account_id, limit=limit
            )
        )

    def settle(self, account_id: int) -> list[Intent]:
        """Settle what is open by the threads as they are stored; no request is made. Give what changed."""
        return settle_from_mirror(self._database, account_id, read_thread_message)

    @contextmanager
    def settle_around(self, account_id: int, *, dry_run: bool) -> Iterator[None]:
        """Settle by the threads that a run reads in the block; before it, have it read those that are needed."""
        if not dry_run:
            self.settle(account_id)
        yield
        if not dry_run:
            self.settle(account_id)

    def _unknown(self, intent_id: int) -> Intent:
        account_id = self._intent(intent_id).message.account_id
        settle_from_mirror(self._database, account_id, read_thread_message)
        intent = self._intent(intent_id)
        if intent.state is not IntentState.OUTCOME_UNKNOWN:
            raise _not_unknown(intent)
        return intent

    def _intent(self, intent_id: int) -> Intent:
        intent = self._database.transaction(lambda connection: ledger.find_intent(connection, intent_id))
        if intent is None:
            raise MessageRefused(f"there is no message {intent_id} in the ledger: see `hostaway-sync messages list`")
        return intent

    def _now(self) -> datetime:
        return self._database.transaction(jobs.read_clock)


def _not_unknown(intent: Intent) -> MessageUnsettled:
    return MessageUnsettled(
        f"message {intent.intent_id} is {intent.state.value}: only one whose outcome is unknown waits for a person"
    )
