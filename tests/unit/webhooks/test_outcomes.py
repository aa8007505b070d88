from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.http_server.sparse_log import LINE_INTERVAL_S
from hostaway_sync.observability.meter import Meter
from hostaway_sync.webhooks.server.outcomes import OutcomeLog, RequestOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    Note = Callable[[RequestOutcome, float], None]


@pytest.fixture
def note(caplog: pytest.LogCaptureFixture) -> Note:
    """Return a function that records an outcome at a time."""
    caplog.set_level(logging.INFO)
    now = [0.0]
    outcomes = OutcomeLog(Meter(), seconds=lambda: now[0])

    def write(outcome: RequestOutcome, at: float) -> None:
        now[0] = at
        outcomes.note(outcome, "an id", took=0.012, sentence="account 70001")

    return write


def test_refusals_log_a_line_a_second(note: Note, caplog: pytest.LogCaptureFixture) -> None:
    """The next line says how many were left out."""
    for number in range(50):
        note(RequestOutcome.REFUSED, LINE_INTERVAL_S * number / 100)
    note(RequestOutcome.REFUSED, LINE_INTERVAL_S)
    assert caplog.messages == [
        "refused: account 70001 (401 in 12 ms, request an id)",
        "refused: account 70001 (401 in 12 ms, request an id); and 49 more like it",
    ]


def test_each_outcome_has_its_own_second(note: Note, caplog: pytest.LogCaptureFixture) -> None:
    """Guessed logins do not hide that no delivery can be stored."""
    note(RequestOutcome.REFUSED, 0)
    note(RequestOutcome.NOT_STORED, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_every_stored_delivery_is_logged(note: Note, caplog: pytest.LogCaptureFixture) -> None:
    """Only a sender with credentials can cause those lines."""
    for _ in range(5):
        note(RequestOutcome.STORED, 0)
        note(RequestOutcome.IGNORED, 0)
    assert len(caplog.messages) == 10


def test_only_wrong_credentials_and_size_are_the_senders_fault() -> None:
    """Stored and ignored deliveries get 200; all others may be sent again, and get 503."""
    assert {outcome.value: outcome.status for outcome in RequestOutcome} == {
        "stored": 200,
        "ignored": 200,
        "probe": 200,
        "refused": 401,
        "too_large": 413,
        "too_slow": 503,
        "torn": 503,
        "not_stored": 503,
    }
