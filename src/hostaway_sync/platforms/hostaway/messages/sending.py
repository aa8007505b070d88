"""Sends messages to the guests of one account: one request a message, which is never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, SourceUnavailable
from hostaway_sync.model.messages import IntentState, SendResult
from hostaway_sync.model.records import Page
from hostaway_sync.platforms.hostaway.http.request import Cause
from hostaway_sync.platforms.hostaway.messages import protocol as message_protocol
from hostaway_sync.platforms.hostaway.parsing.resources import as_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.model.messages import OutgoingMessage
    from hostaway_sync.platforms.hostaway.http.api import HostawayApi
    from hostaway_sync.platforms.hostaway.http.request import Reply


class HostawayMessages:
    """The `MessageApi` of one account.

    Args:
        api: makes the calls of the account.
    """

    def __init__(self, api: HostawayApi) -> None:
        self._api = api

    def read_newest_page(self, conversation_id: int, *, why: str) -> Page:
        """Read the newest page of a thread; see `MessageApi`."""
        path, spec = message_protocol.thread_path(conversation_id), message_protocol.THREAD_SPEC
        params = {"limit": spec.limit, **spec.params}
        listing, observed_at = self._api.get_list(path, params, Cause(why))
        if listing.count and not listing.rows:
            # The sender compares later messages with the highest id: an old message must not pass for a new one.
            raise SourceUnavailable(f"Hostaway answered GET {path} with none of the {listing.count} messages it counts")
        records = {record.id: record for record in (as_record(row, spec) for row in listing.rows) if record.id}
        return Page(spec.shape, tuple(records.values()), observed_at, parent=conversation_id)

    def send(self, message: OutgoingMessage, *, before_send: Callable[[], None]) -> SendResult:
        """Ask Hostaway once to send a message; see `MessageApi`."""
        path = message_protocol.thread_path(message.conversation_id)
        attempt = _SendAttempt(message, path, before_send)
        try:
            page = self._api.send_once(
                "POST",
                path,
                message_protocol.request_body(message),
                attempt.read_answer,
                Cause("message: send it"),
                before_send=attempt.leave,
            )
        except HostawaySyncError as error:
            state = message_protocol.judge_failure(attempt.status, has_left=attempt.has_left)
            return SendResult(state, str(error), fault=error)
        return SendResult(IntentState.SENT, page=page)


class _SendAttempt:
    """The one request of a message: whether it left, and with which status it was answered."""

    def __init__(self, message: OutgoingMessage, path: str, before_send: Callable[[], None]) -> None:
        self._message = message
        self._asked = f"POST {path}"
        self._before_send = before_send
        self.has_left = False
        self.status: int | None = None

    def leave(self) -> None:
        """Call `before_send`, which may raise, and note that the request leaves."""
        self._before_send()
        self.has_left = True

    def read_answer(self, reply: Reply) -> Page:
        """Return the message that the request became."""
        self.status = reply.status
        return message_protocol.read_answer(
            reply.status, reply.headers, reply.body, self._message, reply.observed_at, asked=self._asked
        )
