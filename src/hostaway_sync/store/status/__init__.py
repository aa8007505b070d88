"""What the tables tell about the whole mirror: overview, metrics, size, server."""

from __future__ import annotations
