"""Mirror Hostaway accounts into PostgreSQL.

    Hostaway API → pages → records → PostgreSQL                       (sync: pull)
    delivery → inbox → queue → handler → PostgreSQL                   (webhooks: push)

The library's door is `hostaway_sync.mirror.Mirror`; the program's is `hostaway-sync`.
"""

from __future__ import annotations

__version__ = "0.1.0"
