from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.messages import IntentState
from hostaway_sync.store.messages.liveness import (
    LEAVES_WITHIN,
    LONGEST_REQUEST,
    has_ended,
    is_too_late,
)

SENDING, PENDING = IntentState.SENDING, IntentState.PENDING
LATE = LONGEST_REQUEST + timedelta(seconds=1)
SOON = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "is_claimed", "is_expired", "has_died", "since_mark", "ended"),
    [
        (PENDING, True, False, False, None, False),
        (SENDING, True, False, False, SOON, False),
        (SENDING, True, False, False, LATE, False),
        (PENDING, True, True, False, None, True),
        (SENDING, True, True, False, SOON, False),
        (SENDING, True, True, False, LONGEST_REQUEST, False),
        (SENDING, True, True, False, LATE, True),
        (PENDING, True, False, True, None, True),
        (SENDING, True, False, True, SOON, True),
        (PENDING, False, False, False, None, True),
        (SENDING, False, False, False, SOON, True),
    ],
)
def test_end_of_a_sender_is_recognized(
    state: IntentState,
    is_claimed: bool,  # noqa: FBT001  (a column of the table above)
    is_expired: bool,  # noqa: FBT001
    has_died: bool,  # noqa: FBT001
    since_mark: timedelta | None,
    ended: bool,  # noqa: FBT001
) -> None:
    """By its claim, by its death, and for a running request by the longest time that one can take."""
    found = has_ended(state, is_claimed=is_claimed, is_expired=is_expired, has_died=has_died, since_mark=since_mark)
    assert found is ended


@given(expired=st.booleans(), since=st.timedeltas(timedelta(0), LONGEST_REQUEST))
def test_running_request_is_not_given_up(*, expired: bool, since: timedelta) -> None:
    """A process that may live and has just marked its row keeps it."""
    assert not has_ended(SENDING, is_claimed=True, is_expired=expired, has_died=False, since_mark=since)


def test_time_limits_of_a_request_fit_together() -> None:
    """The latest possible request ends before its row is given up: writing, waiting, and reading the answer."""
    assert LEAVES_WITHIN + timedelta(seconds=60 + 60 + 5 * 60) < LONGEST_REQUEST
    assert is_too_late(LEAVES_WITHIN + timedelta(microseconds=1))
    assert not is_too_late(LEAVES_WITHIN)
