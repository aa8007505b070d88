"""How documents write times."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def iso(moment: datetime | None) -> str | None:
    """Return a moment in ISO 8601; None where there is none."""
    return moment.isoformat() if moment else None
