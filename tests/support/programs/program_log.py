"""The lines that the program logs, as documents."""

from __future__ import annotations

import json
import logging
from typing import Any

from hostaway_sync.observability import logging_setup


class ProgramLog(logging.Handler):
    """Keeps every line as the program writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging_setup.LineFormatter("json"))
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(json.loads(self.format(record)))

    def about(self, words: str) -> list[dict[str, Any]]:
        """Return the lines that hold these words."""
        return [line for line in self.lines if words in line["event"]]
