"""The door to what is said to guests: one message, what is open, and the ledger."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import MessageRefused, MessageUnsettled
from hostaway_sync.intents import LOOKS, IntentState, Wish
from hostaway_sync.sending import addressing, guards
from hostaway_sync.sending.decision import LOOKS_APART, Step
from hostaway_sync.sending.sender import Sender, Sending
from hostaway_sync.sending.settling import look, settle
from hostaway_sync.source.writes import read_said
from hostaway_sync.store import accounts, ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.intents import Intent, Way
    from hostaway_sync.sending.decision import Decision
    from hostaway_sync.wiring import Wiring

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that has found its guest, and was not sent yet.

    Attributes:
        wish: what is to be said, and where.
        concerns: what a person should know before; empty when nothing is odd.
        again: the same words may be said twice.
        sender: sends it.
    """

    wish: Wish
    concerns: tuple[str, ...]
    again: bool
    sender: Sender

    def outlook(self) -> Decision:
        """Say what `send` would do now."""
        return self.sender.outlook(self.wish, again=self.again)

    def send(self) -> Sending:
        """Send it, unless the ledger says that it must not be; see `Sender.send`."""
        return self.sender.send(self.wish, again=self.again)


class Messages:
    """What is said to guests, of one mirror.

    Args:
        wiring: opens sources; names the database.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._database = wiring.database

    @contextmanager
    def draft(
        self,
        reservation_id: int,
        text: str,
        *,
        account_id: int | None = None,
        conversation_id: int | None = None,
        way: Way | None = None,
        key: str | None = None,
        again: bool = False,
    ) -> Iterator[Draft]:
        """Find the guest of a reservation; the draft can be sent while the block runs.

        Args:
            reservation_id: whose guest.
            text: what is to be said.
            account_id: which account's reservation, where several have it or none is known to.
            conversation_id: which thread; None: the one in which something was said last.
            way: how it reaches the guest; None: the way the guest wrote last.
            key: another draft with the same key is the same message.
            again: the same words may be said twice within ten minutes.

        Raises:
            UsageError: the text or the key can never be right, or the account must be named.
            MessageRefused: there is no such guest, or the settings forbid it.
            AccountError: the account is unknown, removed or disabled.
            SourceError: the source had to be asked where the guest is, and did not answer.
        """
        guards.require_text(text)
        guards.require_key(key)
        guards.require_allowed(reservation_id, self._wiring.settings.send_allowlist)
        number = addressing.account_of(self._database, reservation_id, account_id)
        with self._wiring.source(number, urgent=True) as source:
            found = addressing.address(
                self._database,
                source,
                read_said,
                number,
                reservation_id,
                conversation_id=conversation_id,
                way=way,
            )
            wish = Wish(number, reservation_id, found.conversation_id, found.way, text, key)
            stay, today = found.stay, self._now().date()
            concerns = guards.concerns(
                status=stay.status, departure_date=stay.departure_date, is_gone=stay.is_gone, today=today
            )
            draft = Draft(wish, concerns, again, Sender(self._database, source.correspondent, read_said))
            # Who asks for the outcome of what was sent before is not asked anything.
            yield draft if draft.outlook().step is not Step.EARLIER else Draft(wish, (), again, draft.sender)

    def resolve(
        self, intent_id: int, *, apart: timedelta = LOOKS_APART, sleep: Callable[[float], object] = time.sleep
    ) -> Intent:
        """Look for a message whose outcome is not known, twice if need be; give it as it stands then.

        Raises:
            MessageRefused: there is none with this number.
            SourceError: its thread could not be read.
        """
        intent = self._intent(intent_id)
        account_id = accounts.get_account(self._database, intent.wish.account_id).account_id
        settle(self._database, account_id, read_said)
        with self._wiring.source(account_id, urgent=True) as source:
            for turn in range(LOOKS):
                intent = self._intent(intent_id)
                if intent.state not in {IntentState.SENDING, IntentState.OUTCOME_UNKNOWN}:
                    break
                if turn and intent.looks >= LOOKS:
                    break
                if intent.looked_at is not None and intent.looks < LOOKS:
                    sleep(max(0.0, (intent.looked_at + apart - self._now()).total_seconds()))
                look(self._database, source.correspondent, [intent], read_said, apart=apart)
        return self._intent(intent_id)

    def checked_sent(self, intent_id: int) -> Intent:
        """Believe a person that a message whose outcome is not known was sent.

        Raises:
            MessageRefused: there is none with this number.
            MessageUnsettled: its outcome is not unknown.
        """
        intent = self._unknown(intent_id)
        vouched = self._database.transaction(lambda connection: ledger.vouch(connection, intent_id, was_sent=True))
        if vouched is None:
            raise _not_unknown(intent)
        return vouched

    def checked_resend(self, intent_id: int) -> Sending:
        """Believe a person that such a message was not sent, and send it; looks for it once more before.

        Raises:
            MessageRefused: there is none with this number, or the settings forbid it.
            MessageUnsettled: its outcome is not unknown.
            SourceError: its thread could not be read.
        """
        intent = self._unknown(intent_id)
        guards.require_allowed(intent.wish.reservation_id, self._wiring.settings.send_allowlist)
        account_id = accounts.get_account(self._database, intent.wish.account_id).account_id
        with self._wiring.source(account_id, urgent=True) as source:
            return Sender(self._database, source.correspondent, read_said).send_again(intent)

    def ledger(
        self, *, states: Sequence[IntentState] = (), account_id: int | None = None, limit: int = MOST_LISTED
    ) -> list[Intent]:
        """Give the newest rows of the ledger, in the order in which they were written down."""
        return self._database.transaction(
            lambda connection: ledger.listed(connection, states=states, account_id=account_id, limit=limit)
        )

    def settle(self, account_id: int) -> list[Intent]:
        """Settle what is open by the threads as they are stored; no request is made. Give what changed."""
        return settle(self._database, account_id, read_said)

    def _unknown(self, intent_id: int) -> Intent:
        account_id = self._intent(intent_id).wish.account_id
        settle(self._database, account_id, read_said)
        intent = self._intent(intent_id)
        if intent.state is not IntentState.OUTCOME_UNKNOWN:
            raise _not_unknown(intent)
        return intent

    def _intent(self, intent_id: int) -> Intent:
        intent = self._database.transaction(lambda connection: ledger.get(connection, intent_id))
        if intent is None:
            raise MessageRefused(f"there is no message {intent_id} in the ledger: see `hostaway-sync messages list`")
        return intent

    def _now(self) -> datetime:
        return self._database.transaction(ledger.now)


def _not_unknown(intent: Intent) -> MessageUnsettled:
    return MessageUnsettled(
        f"message {intent.intent_id} is {intent.state.value}: only one whose outcome is unknown waits for a person"
    )
