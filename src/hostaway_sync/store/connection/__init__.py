"""Open sessions with PostgreSQL: the URL, the session settings, poolers on the way, refused log-ins."""

from __future__ import annotations
