"""Decides whether the process that was sending a message may still be sending it. Pure.

A process that renews its right lives. A process that does not may only have lost the database, with its request still
under way. So a `sending` row is left alone until no request can be under way, unless the process certainly died.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hostaway_sync.model.messages import IntentState

# A sender that was delayed longer than this between its mark and its request, as by a sleeping machine, sends nothing.
LEAVES_WITHIN: Final = timedelta(seconds=60)
# The request takes at most a minute to be written, a minute to be answered, and five for the body of the answer.
LONGEST_REQUEST: Final = timedelta(minutes=10)


def has_ended(
    state: IntentState, *, is_claimed: bool, is_expired: bool, has_died: bool, since_mark: timedelta | None
) -> bool:
    """Whether no process works on a row of the ledger any more.

    Args:
        state: of the row.
        is_claimed: its owner has a right, renewed or not; an owner gives it back when the request is over.
        is_expired: that right was not renewed in time.
        has_died: its owner was a process of this host that has ended.
        since_mark: the time since the row became `sending`; None: it never did.
    """
    if not is_claimed or has_died:
        return True
    if not is_expired:
        return False
    # A pending row is safe to take: its owner finds it taken before a request leaves.
    return state is not IntentState.SENDING or since_mark is None or since_mark > LONGEST_REQUEST


def is_too_late(since_mark: timedelta) -> bool:
    """Whether a request must not leave any more, because its process was delayed after it marked its row."""
    return since_mark > LEAVES_WITHIN
