"""`hostaway-sync changes`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import AccountOption, shown_text
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from hostaway_sync.model.history.feed import FeedCursor, FeedPage, RecordChange

_KEYS_SHOWN = 8
_LOST = (
    "changes that were deleted before they were read are left out, and the feed goes on with the oldest that is kept:"
    " HOSTAWAY_SYNC_KEEP_CHANGES_DAYS says how long"
)


def changes(
    *,
    account: AccountOption = None,
    resource: Annotated[
        str | None, typer.Option(metavar="R", help="Only those of this resource, such as reservations.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR|TIME", help="Only those after this cursor, or later than this time; default: all."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with those that are still to come.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, each with its cursor.")] = False,
) -> None:
    """Show what changed in the mirror, oldest first.

    Each change comes once, and those of one record in their order. A cursor
    says how far they were read: give the last one to --since to go on. A time
    without a zone is in UTC. With --follow it waits for more, also while the
    database is away, until it is stopped or its output is closed.
    """
    start = _read_since(since)
    with open_mirror() as mirror:
        history = mirror.history
        cursor, wanted = history.choose(account_id=account, resource=resource, since=start)
        _print(history.feed.follow(cursor, wanted) if follow else history.feed.pages(cursor, wanted), json=json)


def _read_since(text: str | None) -> FeedCursor | datetime | None:
    from hostaway_sync.model.history.feed import parse_since

    try:
        return None if text is None else parse_since(text)
    except ValueError as error:
        advice = "give the cursor of a change, or a time such as 2026-03-01T12:00Z"
        raise UsageError(f"--since {shown_text(text or '')} {error}: {advice}") from None


def _print(pages: Iterable[FeedPage], *, json: bool) -> None:
    has_told = False
    for page in pages:
        if page.has_lost and not has_told:
            has_told = True
            streams.print_notice(_LOST)
        if json:
            terminal.write_pieces(json_lines(page))
        else:
            for _, change in page.entries:
                terminal.echo(change_line(change))
        sys.stdout.flush()
        streams.require_reader()


def json_lines(page: FeedPage) -> Iterable[bytes]:
    """Yield the changes of a page, each as one JSON object."""
    from hostaway_sync.app.documents.history import change_document
    from hostaway_sync.cli.ui.json_pieces import exact_json, json_pieces

    documents = (exact_json(change_document(cursor, change)) for cursor, change in page.entries)
    return json_pieces(documents, is_lines=True)


def change_line(change: RecordChange) -> str:
    """Return a change as one line for a person: what changed, never what it was or is, which may be a guest's."""
    keys = sorted(change.keys or ())
    more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
    what = f": {', '.join(keys[:_KEYS_SHOWN])}{more}" if keys else ""
    cause = f" ({change.cause})" if change.cause else ""
    head = f"{change.changed_at:%Y-%m-%d %H:%M:%S}Z  account {change.account_id}  {change.resource} {change.record_id}"
    return " ".join(f"{head}  {change.change}{what}{cause}".splitlines())
