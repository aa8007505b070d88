"""What caused the rows of a transaction to change, as the history of records names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CauseKind(StrEnum):
    """Why rows are written."""

    SYNC = "sync"
    WEBHOOK = "webhook"
    VERIFY = "verify"
    SEND = "send"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of changes.

    Attributes:
        kind: what kind of work writes the rows.
        id: of the run, the delivery, the message or the write to a calendar; None: it has none.
    """

    kind: CauseKind
    id: str | None = None
