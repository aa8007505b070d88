"""Checks a message before any request or write: its text, its key, its guest. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import MessageRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

# The API documents no limit; a longer text is taken for a file that was piped in by mistake.
LONGEST_TEXT: Final = 10_000
LONGEST_KEY: Final = 200


def require_text(text: str) -> None:
    """Refuse a text that cannot be a message.

    Raises:
        UsageError: it is empty, too long, or holds what cannot be sent.
    """
    if not text.strip():
        raise UsageError("the text is empty")
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"the text has {len(text):,} characters, {LONGEST_TEXT:,} at most are sent")
    if any(letter not in "\n\r\t" and unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        raise UsageError("the text is not plain UTF-8 text: it holds control characters or broken letters")


def require_key(key: str | None) -> None:
    """Refuse an idempotency key that cannot be stored.

    Raises:
        UsageError: it is empty, too long, or not printable.
    """
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise UsageError(f"an idempotency key has 1 to {LONGEST_KEY} printable characters")


def require_allowed(reservation_id: int, allowed: Collection[int] | None) -> None:
    """Refuse a reservation that the settings do not allow; None allows all.

    Raises:
        MessageRefused: the reservation is not among them.
    """
    if allowed is not None and reservation_id not in allowed:
        raise MessageRefused(f"reservation {reservation_id} is not in HOSTAWAY_SYNC_SEND_ALLOWLIST: nothing was sent")


def list_concerns(
    *, status: str | None, off: Collection[str], departure_date: date | None, is_gone: bool, today: date
) -> tuple[str, ...]:
    """Return what a person should know before writing to this guest, a sentence each; empty when nothing is odd.

    Args:
        status: of the reservation.
        off: the statuses of stays that do not take place.
        departure_date: the last day of the stay.
        is_gone: the source does not list the reservation any more.
        today: the day in UTC; a stay counts as over when its last day has ended in every time zone.
    """
    found = []
    if is_gone:
        found.append("it is not listed any more")
    if status in off:
        found.append(f"its status is {status}")
    if departure_date is not None and (today - departure_date).days > 1:
        found.append(f"its guest left on {departure_date}")
    return tuple(found)
