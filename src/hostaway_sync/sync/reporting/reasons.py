"""The reasons why a run requests something, in words for an observer; pure: the time is an argument."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Mark

NOT_KNOWN = f"{Resource.CONVERSATIONS}: none is known yet of a reservation that moved"
# A dry run marks no thread, so it knows no more than this.
WOULD_BE_DUE = f"{Resource.MESSAGES}: this thread would be due now"


def explain_list(
    resource: Resource, *, since: datetime | None, mark: Mark | None, now: datetime | None, asked: bool
) -> str:
    """Return why a list is read.

    Args:
        resource: what is listed.
        since: the stamp from which on it is read; None: all of it is read.
        mark: how far it was mirrored before; None: not at all.
        now: the moment of the decision.
        asked: whether a full run was asked for.
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
    """Return why a list is read again in the same run."""
    return f"{why}; again: {doubt}"


def explain_unlisted(resource: Resource) -> str:
    """Return why an object is requested that a whole walk left out."""
    return f"{resource}: is it gone? a whole walk did not list it"


def explain_comparison(resource: Resource) -> str:
    """Return why a list is read that is to be compared."""
    return f"{resource}: to compare all of it"


def explain_later_row(resource: Resource) -> str:
    """Return why an object is requested that was listed already."""
    return f"{resource}: its row knows later facts than the list"
