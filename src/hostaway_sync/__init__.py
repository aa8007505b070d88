"""Mirror Hostaway accounts into PostgreSQL.

    Hostaway API → pages → records → PostgreSQL                       (sync: pull)
    delivery → inbox → queue → handler → PostgreSQL                   (webhooks: push)

The library's door is `hostaway_sync.Mirror`; the program's is `hostaway-sync`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.version import __version__

if TYPE_CHECKING:
    from hostaway_sync.app.mirror import Mirror

__all__ = ["Mirror", "__version__"]


def __getattr__(name: str) -> object:
    """Import the library when it is asked for: most commands start without the half of it."""
    if name != "Mirror":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hostaway_sync.app.mirror import Mirror

    return Mirror


def __dir__() -> list[str]:
    """Name what is public."""
    return __all__
