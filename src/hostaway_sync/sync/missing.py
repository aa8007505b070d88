"""Mark rows as missing, only when proven: a whole walk left the row out, and a request for it answers 404, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from hostaway_sync.sync.recording.protocols import MissingRows, PageSink
    from hostaway_sync.sync.run_context import RunContext


def mark_missing(context: RunContext[PageSink], missing_rows: MissingRows, *, accept: bool) -> tuple[int, str | None]:
    """Request every row that a whole walk did not list, and mark those that are gone.

    Args:
        context: the resource that was walked whole.
        missing_rows: knows the rows, and stores what is found.
        accept: mark them even if suspiciously many are gone.

    Returns:
        How many rows were marked, and why none was when there were suspiciously many.

    Raises:
        SourceError: a row could neither be read nor be shown to be gone.
        LeaseLost: another run took over.
    """
    resource = context.resource
    rows = missing_rows.find_unlisted(resource)
    live, lately = (missing_rows.count_live(resource), missing_rows.count_marked_lately(resource)) if rows else (0, 0)
    is_sudden = plan.is_sudden(len(rows), live, lately)
    if is_sudden and not accept:
        return 0, (
            f"{plan.describe_sudden_loss(len(rows), live, lately)}: nothing was marked missing; "
            "look at the dashboard, and run again with --accept-missing if they are really gone"
        )
    marked = 0
    undecided = set()
    for row in rows:
        try:
            # Not listed, yet there: the row stays, and is brought up to date.
            why = reasons.explain_unlisted(resource)
            context.recorder.record(context.source.get(resource, row.id, parent=row.parent, why=why))
        except NotFound:
            missing_rows.mark_missing(resource, row.id)
            marked += 1
        except Forbidden:
            # The object may be gone, or no longer ours to read: time tells.
            if missing_rows.is_unlisted_for_long(row):
                missing_rows.mark_missing(resource, row.id)
                marked += 1
            else:
                undecided.add(row.parent)
    if is_sudden:
        missing_rows.accept_loss(resource)
    missing_rows.mark_decided([row for row in rows if row.parent not in undecided])
    return marked, None
