"""How a session with PostgreSQL is opened: its URL, its settings, poolers on the way, refused log-ins."""

from __future__ import annotations
