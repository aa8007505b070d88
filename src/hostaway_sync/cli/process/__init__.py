"""The process around a command: exit codes, signals, streams, opening the app, metrics file and pings."""

from __future__ import annotations
