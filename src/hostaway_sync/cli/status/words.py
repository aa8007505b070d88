"""The colours of what `status` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from hostaway_sync.model.health import Condition


def styled_condition(condition: Condition) -> Text:
    """Return a condition in its colour."""
    from rich.text import Text

    colours = {"failing": "red", "differs": "red", "late": "yellow", "never": "yellow", "check": "yellow"}
    return Text(
        condition.value,
        style={"ok": "green", "running": "cyan", "disabled": "dim"}.get(condition, colours.get(condition, "")),
    )
