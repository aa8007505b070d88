"""What Hostaway brings to the views of `core`: one SELECT a view, and where each column comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SOURCE: Final = "hostaway"
"""The name of the source in every row, and the schema of its tables."""


def read_selects() -> dict[str, str]:
    """Return the SQL of each view that this source has rows for, by the view's name."""
    found = sorted(Path(__file__).parent.glob("*.sql"))
    return {path.stem: path.read_text(encoding="utf-8") for path in found}
