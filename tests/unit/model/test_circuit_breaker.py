from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hostaway_sync.model.circuit_breaker import (
    FIRST_PROBE,
    IN_A_ROW,
    LONGEST_PAUSE,
    OPENS_AFTER,
    PROBE_LASTS,
    Outage,
    after_failure,
    may_probe,
    pause,
    while_probing,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failing(times: int) -> Outage:
    """Give what is known after so many failures, a second apart."""
    outage = after_failure(None, NOW, "503", was_probe=False)
    for number in range(1, times):
        outage = after_failure(outage, NOW + number * SECOND, "503", was_probe=False)
    return outage


def test_source_is_away_after_many_failures_in_a_row() -> None:
    """One failure fewer changes nothing; then it is away since the first of them, and asked again soon."""
    assert failing(OPENS_AFTER - 1).away_since is None
    outage = failing(OPENS_AFTER)
    assert (outage.away_since, outage.failures) == (NOW, OPENS_AFTER)
    assert outage.probe_at == outage.failed_at + FIRST_PROBE


def test_failures_far_apart_are_no_outage() -> None:
    """A failure long after the last one begins a new row; what is away stays away however long nobody asks."""
    later = NOW + IN_A_ROW + OPENS_AFTER * SECOND
    assert after_failure(failing(OPENS_AFTER - 1), later, "x", was_probe=False) == Outage(1, later, later, "x")
    assert after_failure(failing(OPENS_AFTER), later, "x", was_probe=False).away_since == NOW


def test_one_probes_at_a_time() -> None:
    """Before its moment nobody may ask, then one; while that one asks, nobody; but a person always may."""
    outage = failing(OPENS_AFTER)
    assert outage.probe_at is not None
    assert not may_probe(outage, outage.probe_at - SECOND, force_probe=False)
    assert may_probe(outage, outage.probe_at - SECOND, force_probe=True)
    assert may_probe(outage, outage.probe_at, force_probe=False)
    assert may_probe(failing(1), NOW, force_probe=False)
    probing = while_probing(outage, outage.probe_at)
    assert not may_probe(probing, outage.probe_at + PROBE_LASTS - SECOND, force_probe=False)
    assert may_probe(probing, outage.probe_at + PROBE_LASTS, force_probe=False)


def test_probes_become_rarer() -> None:
    """Each probe in vain doubles the pause, up to five minutes; a straggler's failure moves nothing."""
    outage, pauses = failing(OPENS_AFTER), []
    moment = NOW
    for _ in range(6):
        assert outage.probe_at is not None
        moment = outage.probe_at
        outage = after_failure(while_probing(outage, moment), moment, "502", was_probe=True)
        assert outage.probe_at is not None
        pauses.append(outage.probe_at - moment)
    assert pauses == [60 * SECOND, 120 * SECOND, 240 * SECOND, *[LONGEST_PAUSE] * 3]
    assert pause(1_000_000) == LONGEST_PAUSE
    straggler = after_failure(outage, moment + SECOND, "503", was_probe=False)
    assert (straggler.probe_at, straggler.probes) == (outage.probe_at, outage.probes)
