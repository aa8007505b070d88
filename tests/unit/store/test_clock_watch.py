from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.store.postgres.clock_watch import ClockWatch

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECONDS = st.floats(0, 3600)
# Corrected clocks run a little faster or slower: seconds of the server for each second here.
RATES = st.floats(0.9995, 1.0005)


def _readings(wait: float, there: float, way: float, rate: float, step: float) -> timedelta:
    """Read the clock twice: `way` and `there` pass on the way and at the server, `wait` between the two."""
    here, jumped = [0.0], [0.0]
    watch = ClockWatch(seconds=lambda: here[0])

    def read() -> timedelta:
        asked_at = watch.seconds()
        here[0] += way
        clock = START + timedelta(seconds=here[0] * rate + jumped[0])
        here[0] += there
        return watch.step(clock, asked_at=asked_at)

    assert read() == timedelta()
    here[0] += wait
    jumped[0] = step
    return read()


@given(SECONDS, st.floats(0, 30), st.floats(0, 30), RATES)
def test_no_delay_looks_like_a_clock_step(wait: float, there: float, way: float, rate: float) -> None:
    """However long a query waits for its answer, or the program between two of them."""
    assert _readings(wait, there, way, rate, step=0) == timedelta()


@given(SECONDS, st.floats(0, 0.1), st.floats(0, 0.1), RATES, st.floats(10, 1e6))
def test_clock_step_forward_is_noticed(wait: float, there: float, way: float, rate: float, step: float) -> None:
    """Also an hour after the last query."""
    assert _readings(wait, there, way, rate, step) > timedelta(seconds=step - 5)


@given(SECONDS, SECONDS)
def test_clock_step_back_is_ignored(wait: float, step: float) -> None:
    """The request budget itself handles it."""
    assert _readings(wait, 0, 0, 1, -step) == timedelta()
