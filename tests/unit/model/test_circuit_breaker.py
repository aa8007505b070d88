from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostaway_sync.model.circuit_breaker import (
    FAILURES_TO_OPEN,
    FIRST_PAUSE,
    MAX_FAILURE_GAP,
    MAX_PAUSE,
    MAX_PROBE_DELAY,
    PROBE_TIMEOUT,
    Outage,
    discard_future_outage,
    may_probe,
    probe_pause,
    record_failure,
    start_probe,
)
from hostaway_sync.model.timestamps import MAX_CLOCK_SKEW

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failing(times: int) -> Outage:
    """Return the outage after so many failures, a second apart."""
    outage = record_failure(None, NOW, "503", was_probe=False)
    for number in range(1, times):
        outage = record_failure(outage, NOW + number * SECOND, "503", was_probe=False)
    return outage


def test_circuit_opens_after_many_failures_in_a_row() -> None:
    """The circuit opens at the last of 20 failures, counts as open since the first, and is probed soon."""
    assert failing(FAILURES_TO_OPEN - 1).away_since is None
    outage = failing(FAILURES_TO_OPEN)
    assert (outage.away_since, outage.failures) == (NOW, FAILURES_TO_OPEN)
    assert outage.probe_at == outage.failed_at + FIRST_PAUSE


def test_failures_far_apart_are_no_outage() -> None:
    """A failure long after the last one begins a new row; an open circuit stays open without requests."""
    later = NOW + MAX_FAILURE_GAP + FAILURES_TO_OPEN * SECOND
    assert record_failure(failing(FAILURES_TO_OPEN - 1), later, "x", was_probe=False) == Outage(1, later, later, "x")
    assert record_failure(failing(FAILURES_TO_OPEN), later, "x", was_probe=False).away_since == NOW
    assert record_failure(failing(1), NOW + MAX_FAILURE_GAP, "x", was_probe=False).failures == 2


def test_only_one_probe_runs_at_a_time() -> None:
    """No probe may run before its time or beside another one, except one that a person forces."""
    outage = failing(FAILURES_TO_OPEN)
    assert outage.probe_at is not None
    assert not may_probe(outage, outage.probe_at - SECOND, force_probe=False)
    assert may_probe(outage, outage.probe_at - SECOND, force_probe=True)
    assert may_probe(outage, outage.probe_at, force_probe=False)
    assert may_probe(failing(1), NOW, force_probe=False)
    probing = start_probe(outage, outage.probe_at)
    assert not may_probe(probing, outage.probe_at + PROBE_TIMEOUT - SECOND, force_probe=False)
    assert may_probe(probing, outage.probe_at + PROBE_TIMEOUT, force_probe=False)


def test_failed_probes_double_the_pause() -> None:
    """Each failed probe doubles the pause up to five minutes; the failure of another request does not."""
    outage, pauses = failing(FAILURES_TO_OPEN), []
    moment = NOW
    for _ in range(6):
        assert outage.probe_at is not None
        moment = outage.probe_at
        outage = record_failure(start_probe(outage, moment), moment, "502", was_probe=True)
        assert outage.probe_at is not None
        pauses.append(outage.probe_at - moment)
    assert pauses == [60 * SECOND, 120 * SECOND, 240 * SECOND, *[MAX_PAUSE] * 3]
    assert probe_pause(1_000_000) == MAX_PAUSE
    straggler = record_failure(outage, moment + SECOND, "503", was_probe=False)
    assert (straggler.probe_at, straggler.probes) == (outage.probe_at, outage.probes)


def test_outage_is_reported_with_its_last_failure() -> None:
    """At most 500 characters of it: an answer may be a whole page."""
    assert record_failure(failing(1), NOW, "502", was_probe=False).error == "502"
    for before in (None, failing(1)):
        assert record_failure(before, NOW, "x" * 501, was_probe=False).error == "x" * 500


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"failed_at": NOW + MAX_CLOCK_SKEW},
        {"away_since": NOW, "probe_at": NOW + MAX_PROBE_DELAY + MAX_CLOCK_SKEW},
    ],
)
def test_outage_counts_within_the_skew_of_clocks(changed: dict[str, Any]) -> None:
    """A probe is planned ahead, at most by the longest pause."""
    outage = replace(failing(1), **changed)
    assert discard_future_outage(outage, NOW) == outage


@pytest.mark.parametrize(
    "changed",
    [
        {"failing_since": NOW + MAX_CLOCK_SKEW + SECOND},
        {"failed_at": NOW + MAX_CLOCK_SKEW + SECOND},
        {"away_since": NOW + MAX_CLOCK_SKEW + SECOND},
        {"probe_at": NOW + MAX_PROBE_DELAY + MAX_CLOCK_SKEW + SECOND},
    ],
)
def test_outage_from_the_future_is_ignored(changed: dict[str, Any]) -> None:
    """A clock that was ahead stored it: the wait for it could take years."""
    assert discard_future_outage(replace(failing(1), **changed), NOW) is None
