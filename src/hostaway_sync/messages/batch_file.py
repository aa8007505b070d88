"""Reads many messages from one file: a JSON object a line, checked before any message is queued. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from hostaway_sync.errors import UsageError
from hostaway_sync.messages import guards
from hostaway_sync.model.messages import CommunicationType, MessageRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_LONGEST_LINE: Final = 100_000


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    reservation_id: _Id
    text: str
    key: str
    account: _Id | None = None
    channel_type: CommunicationType | None = None
    conversation: _Id | None = None


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One message of a file.

    Attributes:
        number: of its line, from 1.
        request: what the line asks for; its key makes it one message, however often the file is read.
    """

    number: int
    request: MessageRequest


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not a message, and why."""

    number: int
    why: str


def read_lines(content: str) -> tuple[list[BatchLine], list[BadLine]]:
    """Return the messages of a file, and its bad lines; empty lines do not count."""
    lines, bad = [], []
    known: dict[str, int] = {}
    for number, written in enumerate(content.removeprefix("\ufeff").split("\n"), start=1):
        if not written.strip():
            continue
        try:
            line = _line(number, written, known)
        except (UsageError, msgspec.DecodeError) as error:
            bad.append(BadLine(number, str(error)))
        else:
            known[line.request.key or ""] = number
            lines.append(line)
    return lines, bad


def _line(number: int, written: str, known: Mapping[str, int]) -> BatchLine:
    if len(written) > _LONGEST_LINE:
        raise UsageError(f"it is longer than {_LONGEST_LINE:,} letters")
    row = msgspec.json.decode(written, type=_Row)
    guards.require_text(row.text)
    guards.require_key(row.key)
    if row.key in known:
        raise UsageError(f"its key {row.key!r} is that of line {known[row.key]}, too")
    request = MessageRequest(
        reservation_id=row.reservation_id,
        text=row.text,
        account_id=row.account,
        conversation_id=row.conversation,
        communication_type=row.channel_type,
        key=row.key,
    )
    return BatchLine(number, request)
