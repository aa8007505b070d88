"""`--explain`: every request to Hostaway and why it was made, as it happens and added up."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hostaway_sync.app.documents.runs import api_call_document
from hostaway_sync.cli.ui import tables, terminal

if TYPE_CHECKING:
    from hostaway_sync.model.api_calls import ApiCall

_NARROWEST = 48


class Explanation:
    """The requests of a run, as they end.

    Args:
        prints: print a line for each request when it ended; otherwise keep it for `document`.
    """

    def __init__(self, *, prints: bool) -> None:
        self._prints = prints
        self._calls: list[ApiCall] = []
        self._width = _NARROWEST

    def __call__(self, call: ApiCall) -> None:
        """Add one request that ended."""
        self._calls.append(call)
        if self._prints:
            terminal.echo(self._line(call))

    def document(self) -> list[dict[str, Any]]:
        """Return the requests in the order in which they ended, times in ISO 8601."""
        return [api_call_document(call) for call in self._calls]

    def print_summary(self) -> None:
        """Print how many requests each reason took, the most first."""
        numbers = Counter(call.why for call in self._calls)
        right = ["calls", "seconds", "waited"]
        lines = tables.new_table([*right, "why"], right=right)
        for why, number in numbers.most_common():
            of_it = [call for call in self._calls if call.why == why]
            seconds = sum(call.duration_s for call in of_it)
            waited = sum(call.waited_s for call in of_it)
            lines.add_row(f"{number:,}", f"{seconds:.1f}", f"{waited:.1f}", terminal.plain_text(why))
        terminal.show(lines)

    def _line(self, call: ApiCall) -> str:
        query = f"?{urlencode(call.params)}" if call.params else ""
        request = f"{call.method} {call.path}{query}"
        # A column that only grows stays straight without knowing what comes.
        self._width = max(self._width, len(request))
        status = "-" if call.status is None else call.status
        why = f"{call.why} ({call.step})" if call.step else call.why
        moment = f"{call.granted_at.astimezone(UTC):%H:%M:%S}"
        return f"{moment} {status:>3} {call.duration_s:6.2f} s  {request:<{self._width}} - {why}"
