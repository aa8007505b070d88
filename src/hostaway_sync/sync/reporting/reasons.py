"""Why a run asks for something, in words for whoever watches it; pure, time comes in as an argument."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Mark

NOT_KNOWN = f"{Resource.CONVERSATIONS}: none is known yet of a reservation that moved"
# A dry run marks nothing, so that it cannot tell more.
WOULD_BE_DUE = f"{Resource.MESSAGES}: this thread would be due now"


def explain_list(
    resource: Resource, *, since: datetime | None, mark: Mark | None, now: datetime | None, asked: bool
) -> str:
    """Say why a list is read.

    Args:
        resource: what is listed.
        since: from which stamp on; None: all of it.
        mark: how far it was mirrored before; None: not at all.
        now: the moment of the decision.
        asked: someone asked for everything.
    """
    if since is not None:
        return f"{resource}: what moved since {since.astimezone(UTC):%Y-%m-%d %H:%M}"
    if asked:
        return f"{resource}: everything, as asked for"
    if mark is None or mark.swept_at is None or now is None:
        return f"{resource}: everything, for the first time"
    if mark.suspected_at is not None:
        suspected = f"{mark.suspected_at.astimezone(UTC):%Y-%m-%d %H:%M}"
        return f"{resource}: everything, because rows are suspected to be gone since {suspected}"
    hours = (now - mark.swept_at).total_seconds() / 3600
    return f"{resource}: everything, as from time to time; last {hours:.0f} h ago"


def explain_again(why: str, doubt: str) -> str:
    """Say why a list is read again in the same run."""
    return f"{why}; again: {doubt}"


def explain_unlisted(resource: Resource) -> str:
    """Say why an object is asked for that a whole walk left out."""
    return f"{resource}: is it gone? a whole walk did not list it"


def explain_comparison(resource: Resource) -> str:
    """Say why a list is read that is to be compared."""
    return f"{resource}: to compare all of it"


def explain_later_row(resource: Resource) -> str:
    """Say why an object is asked for that was listed already."""
    return f"{resource}: its row knows later facts than the list"
