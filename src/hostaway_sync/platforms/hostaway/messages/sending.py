"""Carries messages to the guests of one account of Hostaway: one request a message, which nothing follows."""

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
        path, spec = message_protocol.thread_path(conversation_id), message_protocol.THREAD
        params = {"limit": spec.limit, **spec.params}
        listing, observed_at = self._api.get_list(path, params, Cause(why))
        if listing.count and not listing.rows:
            # What comes next rests on the highest id: a message of last year must not pass for one of today.
            raise SourceUnavailable(f"Hostaway answered GET {path} with none of the {listing.count} messages it counts")
        records = {record.id: record for record in (as_record(row, spec) for row in listing.rows) if record.id}
        return Page(spec.shape, tuple(records.values()), observed_at, parent=conversation_id)

    def send(self, message: OutgoingMessage, *, before_send: Callable[[], None]) -> SendResult:
        """Ask Hostaway once to send a message; see `MessageApi`."""
        path, cause = message_protocol.thread_path(message.conversation_id), Cause("message: send it")
        seen = _Seen(before_send)
        try:
            page = self._api.post_once(
                path,
                message_protocol.document(message),
                lambda reply: seen.read(reply, message, f"POST {path}"),
                cause,
                leaving=seen.leave,
            )
        except HostawaySyncError as error:
            return SendResult(message_protocol.certainty(seen.status, has_left=seen.has_left), str(error), fault=error)
        return SendResult(IntentState.SENT, page=page)


class _Seen:
    """How far one request came."""

    def __init__(self, leaving: Callable[[], None]) -> None:
        self._leaving = leaving
        self.has_left = False
        self.status: int | None = None

    def leave(self) -> None:
        """Note that it leaves, once whoever must know has been told."""
        self._leaving()
        self.has_left = True

    def read(self, reply: Reply, message: OutgoingMessage, asked: str) -> Page:
        """Give the message that it became."""
        self.status = reply.status
        return message_protocol.read_answer(
            reply.status, reply.headers, reply.body, message, reply.observed_at, asked=asked
        )
