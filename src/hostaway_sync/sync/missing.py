"""Gone means gone only when proven: a whole walk left a row out, and asking for the row itself says so, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from hostaway_sync.model.records import Resource, Source
    from hostaway_sync.sync.recording.protocols import Recorder


def mark_missing(resource: Resource, source: Source, recorder: Recorder, *, accept: bool) -> tuple[int, str | None]:
    """Ask for every row that a whole walk did not list, and mark those that are gone.

    Args:
        resource: whose rows.
        source: where they are asked for, one by one.
        recorder: who knows them, and takes down what is found.
        accept: mark even if suspiciously many are gone.

    Returns:
        How many rows were marked, and why none was when there were suspiciously many.

    Raises:
        SourceError: a row could neither be read nor be shown to be gone.
        LeaseLost: another run took over.
    """
    rows = recorder.unlisted(resource)
    live, lately = (recorder.live(resource), recorder.marked_lately(resource)) if rows else (0, 0)
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
            # Not listed, yet there: it stays, and is brought up to date.
            recorder.record(source.get(resource, row.id, parent=row.parent, why=reasons.explain_unlisted(resource)))
        except NotFound:
            recorder.mark_missing(resource, row.id)
            marked += 1
        except Forbidden:
            # It may also be an object that is not ours to read; time tells.
            if recorder.is_unlisted_for_long(row):
                recorder.mark_missing(resource, row.id)
                marked += 1
            else:
                undecided.add(row.parent)
    if is_sudden:
        recorder.accept(resource)
    recorder.proven([row for row in rows if row.parent not in undecided])
    return marked, None
