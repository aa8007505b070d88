"""How the program is watched: metrics, pings to a monitor, systemd, log context, spans."""

from __future__ import annotations
