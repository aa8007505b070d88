"""From what somebody asks to be said to a message that has found its guest, and was not sent yet."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from hostaway_sync.messages import guards, recipients
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.send_job import find_release_time, format_quiet_hours, queue_message
from hostaway_sync.messages.sender import Sender, SendOutcome
from hostaway_sync.model.messages import OutgoingMessage
from hostaway_sync.platforms.hostaway.messages.protocol import read_said
from hostaway_sync.store import jobs
from hostaway_sync.store.messages import recipients as message_recipients

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from hostaway_sync.app.container import Container
    from hostaway_sync.messages.decision import Decision
    from hostaway_sync.model.messages import CommunicationType
    from hostaway_sync.platforms.hostaway.client import Client
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """What somebody wants to have said.

    Attributes:
        reservation_id: whose guest.
        text: what is to be said.
        account_id: which account's reservation, where several have it or none is known to.
        conversation_id: which thread; None: the one in which something was said last.
        way: how it reaches the guest; None: the way the guest wrote last.
        key: whatever has the same key is the same message.
        again: the same words may be said twice within ten minutes.
        quiet_hours: in which it waits, as `22-8`; None: those of the settings.
        at_once: in no quiet hours, and before a worker where one is to send it.
    """

    reservation_id: int
    text: str = field(repr=False)
    account_id: int | None = None
    conversation_id: int | None = None
    way: CommunicationType | None = None
    key: str | None = None
    again: bool = False
    quiet_hours: str | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A message that has found its guest, and was not sent yet.

    Attributes:
        asked: what was asked for.
        wish: what is to be said, and where.
        concerns: what a person should know before; empty when nothing is odd, or it was sent before.
        quiet_hours: hours in which it waits, with their time zone.
        until: their end, where they are on now.
    """

    asked: MessageRequest
    wish: OutgoingMessage
    concerns: tuple[str, ...]
    quiet_hours: str | None
    until: datetime | None
    _sender: Sender
    _database: Database

    def outlook(self) -> Decision:
        """Say what `send` would do now."""
        return self._sender.outlook(self.wish, again=self.asked.again, queued_too=self.asked.at_once)

    def send(self) -> SendOutcome:
        """Send it, or have a worker do so when quiet hours end, unless the ledger says that it must not be."""
        if self.until is not None:
            return self.queue(is_repeated=False)
        return self._sender.send(self.wish, again=self.asked.again, queued_too=self.asked.at_once)

    def queue(self, *, is_repeated: bool = True, dry_run: bool = False) -> SendOutcome:
        """Have a worker send it, unless the ledger says that it must not be; see `queue_message`."""
        again, quiet = self.asked.again, self.quiet_hours
        decision = queue_message(
            self._database, self.wish, again=again, quiet=quiet, is_repeated=is_repeated, dry_run=dry_run
        )
        return SendOutcome(decision.step, decision.intent)


class Composer:
    """Finds the guests of one message or many; keeps a source an account open while its block runs.

    Args:
        container: opens them; names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        self._stack = ExitStack()
        self._sources: dict[int, Client] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def prepare(self, asked: MessageRequest) -> PreparedMessage:
        """Find the guest.

        Raises:
            UsageError: the text, the key or the hours can never be right, or the account must be named.
            MessageRefused: there is no such guest, or the settings forbid it.
            AccountError: the account is unknown, removed or disabled.
            SourceError: the source had to be asked where the guest is, and did not answer.
        """
        guards.require_text(asked.text)
        guards.require_key(asked.key)
        guards.require_allowed(asked.reservation_id, self._container.settings.send_allowlist)
        number = recipients.find_account(self._database, asked.reservation_id, asked.account_id)
        source = self._source(number)
        found = recipients.find_address(
            self._database,
            source,
            read_said,
            number,
            asked.reservation_id,
            conversation_id=asked.conversation_id,
            way=asked.way,
        )
        now = self._database.transaction(jobs.read_clock)
        concerns = guards.list_concerns(
            status=found.stay.status,
            off=self._container.words.cancelled_statuses,
            departure_date=found.stay.departure_date,
            is_gone=found.stay.is_gone,
            today=now.date(),
        )
        wish = OutgoingMessage(number, asked.reservation_id, found.conversation_id, found.way, asked.text, asked.key)
        sender = Sender(self._database, source.message_api, read_said)
        if sender.outlook(wish, again=asked.again).step is Step.EARLIER:
            # Who asks for the outcome of what was sent before is not asked anything.
            return PreparedMessage(asked, wish, (), None, None, sender, self._database)
        quiet = self._quiet_hours(asked, number)
        return PreparedMessage(asked, wish, concerns, quiet, find_release_time(quiet, now), sender, self._database)

    def _quiet_hours(self, asked: MessageRequest, account_id: int) -> str | None:
        hours = asked.quiet_hours or self._container.settings.quiet_hours
        if asked.at_once or hours is None:
            return None
        zone = message_recipients.find_time_zone(
            self._database, account_id, asked.reservation_id, self._container.words
        )
        return format_quiet_hours(hours, zone, asked.reservation_id)

    def _source(self, account_id: int) -> Client:
        if account_id not in self._sources:
            self._sources[account_id] = self._stack.enter_context(self._container.source(account_id, urgent=True))
        return self._sources[account_id]
