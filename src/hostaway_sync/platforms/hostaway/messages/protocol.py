"""What is sent to Hostaway to have a guest told something, and what its answer proves (API notes, 7.4). Pure.

    the request never left                          failed: nothing was sent
    4xx but 408: it was looked at and refused       failed
    2xx, success, with the message it became        sent
    no whole answer, 408, 5xx, 3xx, torn or other,
    200 with `status: fail`                         outcome_unknown

A 200 with `status: fail` proves nothing: some validations end so (API notes, 2.2), and so may a message that was taken
and then met an error. Hostaway knows no idempotency key: only `failed` is safe to repeat.
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
from hostaway_sync.platforms.hostaway.parsing.resources import REFUSALS, SPECS, as_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.messages import OutgoingMessage

THREAD: Final = SPECS[Resource.MESSAGES]
# Those that never reached the guest, and will not by themselves (API notes, 7.3).
_UNDELIVERED: Final = frozenset({"failed", "cancelled_by_user", "cancelled_by_system"})
# How Hostaway marks what an automation wrote (API notes, 7.3).
_PLANNED: Final = "pre-generated"
_AUTOMATON: Final = "Automation "


def thread_path(conversation_id: int) -> str:
    """Give where the messages of a conversation are."""
    return THREAD.path.format(parent=conversation_id)


def document(message: OutgoingMessage) -> dict[str, int | str]:
    """Give the body of the request; the field is `body`, whatever clients of old say."""
    return {"body": message.body, "communicationType": message.communication_type.value}


def certainty(status: int | None, *, has_left: bool) -> IntentState:
    """Say what is known of a request that was not answered with the message it became.

    Args:
        status: of the answer; None when none came whole.
        has_left: whether any byte of it may have left.
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
    """Give the message that a request became; any 2xx may hold it.

    Raises:
        SourceError: there is none in the answer, or one of another thread, or a guest's.
    """
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    raw = protocol.decode_object(HTTPStatus.OK if is_success else status, headers, body, now=observed_at, asked=asked)
    record, said = as_record(raw, THREAD), read_said(raw)
    is_ours = said is not None and said.conversation_id in {None, message.conversation_id} and not said.is_incoming
    if not is_ours:
        raise SourceUnavailable(f"Hostaway answered {asked} with a success and something that is not the message")
    return Page(THREAD.shape, (record,), observed_at, parent=message.conversation_id)


def read_said(payload: bytes | str) -> ThreadMessage | None:
    """Give what a message says; None where it has no usable id."""
    try:
        row: Any = msgspec.json.decode(payload)
    except REFUSALS:
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
        failure=(reason or status) if status in _UNDELIVERED else None,
        is_automatic=row.get("messageSource") == _PLANNED
        or (_text(row.get("originatedBy")) or "").startswith(_AUTOMATON),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_incoming(value: object) -> bool | None:
    try:
        return as_boolean(value)
    except Misfit:
        return None
