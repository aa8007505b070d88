"""Mirror Hostaway accounts into PostgreSQL.

    Hostaway API → pages → records → PostgreSQL                       (sync: pull)
    delivery → inbox → job → refresh → PostgreSQL                     (webhooks: push)

The library is `hostaway_sync.Mirror`; the program is `hostaway-sync`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.version import __version__

if TYPE_CHECKING:
    from hostaway_sync.app.mirror import Mirror

__all__ = ["Mirror", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Mirror` when it is first read: most commands start without half of the library."""
    if name != "Mirror":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hostaway_sync.app.mirror import Mirror

    return Mirror


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
