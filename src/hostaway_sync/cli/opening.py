"""How a command gets its mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.cli import output

if TYPE_CHECKING:
    from hostaway_sync.mirror import Mirror


def open_mirror(*, check_schema: bool = True) -> Mirror:
    """Read the settings, set up logging, and open the mirror they describe."""
    from hostaway_sync.mirror import Mirror
    from hostaway_sync.settings import load_settings

    settings = load_settings()
    output.configure_logging(settings)
    return Mirror(settings, check_schema=check_schema)
