"""The request that sends a guest message, and what Hostaway's answer to it proves (API notes, 7.4). Pure.

    the request never left                              failed: nothing was sent
    4xx except 408: Hostaway read and refused it        failed
    2xx with `status: success` and the new message      sent
    no whole answer, 408, 5xx, 3xx, unreadable JSON,
    200 with `status: fail`                             outcome_unknown

A 200 with `status: fail` proves nothing: some validations end so (API notes, 2.2), and so may a message that was
accepted before an error. Hostaway has no idempotency key: only a `failed` request is safe to repeat.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.model.messages import IntentState, ThreadMessage
from hostaway_sync.model.records import Page, Resource
from hostaway_sync.platforms.hostaway.http import protocol
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_boolean, as_id
from hostaway_sync.platforms.hostaway.parsing.resources import DECODE_ERRORS, SPECS, as_record
from hostaway_sync.safe_text import quote_safely

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.messages import OutgoingMessage

THREAD_SPEC: Final = SPECS[Resource.MESSAGES]
# Statuses of messages that never reached the guest, and will not by themselves (API notes, 7.3).
_UNDELIVERED: Final = frozenset({"failed", "cancelled_by_user", "cancelled_by_system"})
# How Hostaway marks messages that an automation wrote (API notes, 7.3).
_AUTOMATIC_SOURCE: Final = "pre-generated"
_AUTOMATIC_ORIGIN: Final = "Automation "


def thread_path(conversation_id: int) -> str:
    """Return the path of the messages of a conversation."""
    return THREAD_SPEC.path.format(parent=conversation_id)


def request_body(message: OutgoingMessage) -> dict[str, int | str]:
    """Return the JSON of the request; the text is in `body`, although old clients use other names."""
    return {"body": message.body, "communicationType": message.communication_type.value}


def judge_failure(status: int | None, *, has_left: bool) -> IntentState:
    """Return what is known about a request that was not answered with the new message.

    Args:
        status: of the answer; None when no whole answer came.
        has_left: a byte of the request may have left.
    """
    if not has_left:
        return IntentState.FAILED
    if status is None or status == HTTPStatus.REQUEST_TIMEOUT:
        return IntentState.OUTCOME_UNKNOWN
    is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return IntentState.FAILED if is_refused else IntentState.OUTCOME_UNKNOWN


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, message: OutgoingMessage, observed_at: datetime, *, asked: str
) -> Page:
    """Return the message that a request became, as a page of one record; any 2xx may hold it.

    Raises:
        SourceError: the answer holds no message, or one of another thread, or one that a guest wrote.
    """
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    raw = protocol.decode_object(HTTPStatus.OK if is_success else status, headers, body, now=observed_at, asked=asked)
    record, sent = as_record(raw, THREAD_SPEC), read_thread_message(raw)
    is_ours = sent is not None and sent.conversation_id in {None, message.conversation_id} and not sent.is_incoming
    if not is_ours:
        raise SourceUnavailable(f"Hostaway answered {asked} with a success and something that is not the message")
    return Page(THREAD_SPEC.shape, (record,), observed_at, parent=message.conversation_id)


def read_thread_message(payload: bytes | str) -> ThreadMessage | None:
    """Return what the payload of a message says; None when it has no usable id."""
    try:
        row: Any = msgspec.json.decode(payload)
    except DECODE_ERRORS:
        return None
    number = as_id(row.get("id")) if isinstance(row, dict) else None
    if number is None:
        return None
    status, text, communication_type = (_text(row.get(name)) for name in ("status", "body", "communicationType"))
    reason = _text(row.get("readableReasonFailed")) or _text(row.get("reasonFailed"))
    return ThreadMessage(
        message_id=number,
        conversation_id=as_id(row.get("conversationId")),
        is_incoming=_is_incoming(row.get("isIncoming")),
        text=text,
        communication_type=communication_type,
        failure=(quote_safely(reason or "") or status) if status in _UNDELIVERED else None,
        is_automatic=row.get("messageSource") == _AUTOMATIC_SOURCE
        or (_text(row.get("originatedBy")) or "").startswith(_AUTOMATIC_ORIGIN),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_incoming(value: object) -> bool | None:
    try:
        return as_boolean(value)
    except Misfit:
        return None
