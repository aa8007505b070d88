"""Prepare a message that an operator asks for: find its guest and thread, and check that it was not sent yet."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from hostaway_sync.messages import guards, recipients
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.send_job import find_release_time, format_quiet_hours, queue_message
from hostaway_sync.messages.sender import Sender, SendOutcome
from hostaway_sync.model.messages import OutgoingMessage
from hostaway_sync.platforms.hostaway.messages.protocol import read_thread_message
from hostaway_sync.store import jobs
from hostaway_sync.store.messages import recipients as message_recipients

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from hostaway_sync.app.container import Container
    from hostaway_sync.messages.decision import Decision
    from hostaway_sync.model.messages import MessageRequest
    from hostaway_sync.platforms.hostaway.client import Client
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A message whose guest was found, and that was not sent yet.

    Attributes:
        request: what the caller asked for.
        message: the text, and where it goes.
        concerns: what a person should know before it is sent; empty when nothing is odd, or it was sent before.
        quiet_hours: hours in which it waits, with their time zone.
        until: the end of these hours; None: they are not on now.
    """

    request: MessageRequest
    message: OutgoingMessage
    concerns: tuple[str, ...]
    quiet_hours: str | None
    until: datetime | None
    _sender: Sender
    _database: Database

    def preview(self) -> Decision:
        """Return what `send` would do now."""
        return self._sender.preview(self.message, again=self.request.again, queued_too=self.request.at_once)

    def send(self) -> SendOutcome:
        """Send the message, or queue it in quiet hours, unless the ledger forbids it."""
        if self.until is not None:
            return self.queue(is_repeated=False)
        return self._sender.send(self.message, again=self.request.again, queued_too=self.request.at_once)

    def queue(self, *, is_repeated: bool = True, dry_run: bool = False) -> SendOutcome:
        """Queue the message for a worker, unless the ledger forbids it; see `queue_message`."""
        again, quiet = self.request.again, self.quiet_hours
        decision = queue_message(
            self._database, self.message, again=again, quiet=quiet, is_repeated=is_repeated, dry_run=dry_run
        )
        return SendOutcome(decision.step, decision.intent)


class Composer:
    """Prepares one message or many; keeps one client an account open while its block runs.

    Args:
        container: opens clients, and names the database.
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

    def prepare(self, request: MessageRequest) -> PreparedMessage:
        """Find the guest, thread and way of a message.

        Raises:
            UsageError: the text, the key or the hours are not valid, or the account must be named.
            MessageRefused: there is no such guest, the guest was forgotten, or the settings forbid it.
            AccountError: the account is unknown, removed or disabled.
            SourceError: the source had to be asked for the thread, and did not answer.
        """
        guards.require_text(request.text)
        guards.require_key(request.key)
        guards.require_allowed(request.reservation_id, self._container.settings.send_allowlist)
        number = recipients.find_account(self._database, request)
        source = self._source(number)
        found = recipients.find_address(
            self._database,
            source,
            read_thread_message,
            number,
            request,
        )
        now = self._database.transaction(jobs.read_clock)
        concerns = guards.list_concerns(
            status=found.stay.status,
            off=self._container.vocabulary.cancelled_statuses,
            departure_date=found.stay.departure_date,
            is_gone=found.stay.is_gone,
            today=now.date(),
        )
        message = OutgoingMessage(
            account_id=number,
            reservation_id=request.reservation_id,
            conversation_id=found.conversation_id,
            communication_type=found.communication_type,
            body=request.text,
            key=request.key,
        )
        sender = Sender(self._database, source.message_api, read_thread_message)
        if sender.preview(message, again=request.again).step is Step.EARLIER:
            # It was sent before: the caller gets its outcome, and no question.
            return PreparedMessage(request, message, (), None, None, sender, self._database)
        quiet = self._quiet_hours(request, number)
        return PreparedMessage(request, message, concerns, quiet, find_release_time(quiet, now), sender, self._database)

    def _quiet_hours(self, request: MessageRequest, account_id: int) -> str | None:
        hours = request.quiet_hours or self._container.settings.quiet_hours
        if request.at_once or hours is None:
            return None
        zone = message_recipients.find_time_zone(
            self._database, account_id, request.reservation_id, self._container.vocabulary
        )
        return format_quiet_hours(hours, zone, request.reservation_id)

    def _source(self, account_id: int) -> Client:
        if account_id not in self._sources:
            self._sources[account_id] = self._stack.enter_context(self._container.source(account_id, urgent=True))
        return self._sources[account_id]
