"""What is told about a run: its reasons, its outcome, alarms and log lines."""

from __future__ import annotations
