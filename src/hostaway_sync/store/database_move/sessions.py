"""Sessions of other programs of ours with a database."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

_OTHER_SESSIONS: Final = sa.text("""
SELECT application_name, coalesce(host(client_addr), 'this host') AS host FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'hostaway-sync%' AND application_name <> :own
GROUP BY 1, 2 ORDER BY 1, 2
""")


def list_other_sessions(connection: sa.Connection, own: str) -> str:
    """Return the names and hosts of programs of ours, but for that of this name, in one text; empty: there are none."""
    found = connection.execute(_OTHER_SESSIONS, {"own": own}).all()
    return ", ".join(f"{row.application_name} ({row.host})" for row in found)
