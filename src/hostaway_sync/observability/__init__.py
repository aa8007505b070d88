"""Metrics, pings to a monitor, systemd notifications, log context, log redaction, spans."""

from __future__ import annotations
