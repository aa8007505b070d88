"""Whether a process that was sending a message may be sending it still. Pure.

A process that renews its right lives. One that does not may have lost the database alone, and its request may be under
way: so a row that is being sent is left alone until no request can be, unless the process surely died.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hostaway_sync.model.messages import IntentState

# A sender that was held up for longer between its mark and its request, such as a machine that slept, sends nothing.
LEAVES_WITHIN: Final = timedelta(seconds=60)
# And then the request takes a minute at most to be written, a minute to be answered, and five for the answer's body.
LONGEST_REQUEST: Final = timedelta(minutes=10)


def has_ended(
    state: IntentState, *, is_claimed: bool, is_expired: bool, has_died: bool, since_mark: timedelta | None
) -> bool:
    """Whether no process works on a row of the ledger any more.

    Args:
        state: of the row.
        is_claimed: the right of its owner is there, renewed or not: it is given back when the request is over.
        is_expired: that right was not renewed in time.
        has_died: the owner was a process of this host, and is gone.
        since_mark: how long ago the row was marked as leaving; None: it never was.
    """
    if not is_claimed or has_died:
        return True
    if not is_expired:
        return False
    # A row that waits is safe to take: its owner finds it taken before anything leaves.
    return state is not IntentState.SENDING or since_mark is None or since_mark > LONGEST_REQUEST


def is_too_late(since_mark: timedelta) -> bool:
    """Whether a request may not leave any more: its process was held up for so long after it began to mark its row."""
    return since_mark > LEAVES_WITHIN
