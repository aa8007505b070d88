from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync import errors
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.queue.retry_policy import Action, JobRetryPolicy, RetryDecision
from hostaway_sync.store.jobs import Job

NOTHING = timedelta(0)
MINUTE = timedelta(minutes=1)
AWAY = errors.SourceUnavailable("away")
POLICY = JobRetryPolicy()


def after(error: Exception, attempt: int = 1, *, early: timedelta = NOTHING, jitter: float = 0.5) -> RetryDecision:
    """Return the decision of the usual policy."""
    return POLICY.decide_after_error(error, attempt, early=early, jitter=jitter)


def test_waits_grow_until_the_job_is_dead() -> None:
    """Half a minute, two, ten, then one hour, four, twelve; the attempt after that is the last."""
    waits = [after(AWAY, attempt).delay for attempt in range(1, 7)]
    assert waits == [timedelta(seconds=seconds) for seconds in (30, 120, 600, 3_600, 14_400, 43_200)]
    assert after(AWAY, 7) == RetryDecision(Action.DEAD, is_exhausted=True)


def test_waits_are_spread_from_four_to_six_fifths() -> None:
    """By the number that the caller draws."""
    waits = [after(AWAY, jitter=jitter).delay.total_seconds() for jitter in (0, 0.25, 1)]
    assert waits == pytest.approx([24, 27, 36])


@given(attempt=st.integers(1, 6), jitter=st.floats(0, 1))
def test_jitter_spreads_by_a_fifth(attempt: int, jitter: float) -> None:
    """No wait is more than a fifth shorter or longer than planned."""
    designed = POLICY.ladder[attempt - 1]
    assert 0.8 * designed <= after(AWAY, attempt, jitter=jitter).delay <= 1.2 * designed


@pytest.mark.parametrize("attempt", [1, 7, 70])
def test_temporary_obstacles_count_as_no_attempt(attempt: int) -> None:
    """A held lease waits for half a minute, a spent budget for as long as the source said, however often."""
    held = after(errors.LeaseHeld("held"), attempt)
    assert held == RetryDecision(Action.SNOOZE, timedelta(seconds=30), is_counted=False)
    limited = after(errors.RateLimited("429", retry_in=MINUTE), attempt)
    assert limited == RetryDecision(Action.SNOOZE, MINUTE, is_counted=False)


@pytest.mark.parametrize(
    "error",
    [
        errors.CredentialsRejected("wrong"),
        errors.RequestRejected("400"),
        errors.AccountError("gone"),
        errors.NotFound(""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_permanent_error_is_dead_at_once(error: Exception) -> None:
    """It waits for a person, as does an error that the job's own code should have handled."""
    assert after(error) == RetryDecision(Action.DEAD)


@pytest.mark.parametrize(
    "error",
    [errors.SecretError("no key"), errors.ConfigurationError("x"), errors.LeaseLost("lost"), ValueError("bug")],
    ids=lambda error: type(error).__name__,
)
def test_faults_of_the_worker_are_retried(error: Exception) -> None:
    """Wrong settings, a lost lease and a bug may be repaired before the attempts are used up."""
    assert after(error).action is Action.RETRY


def test_extra_attempt_is_not_counted() -> None:
    """A job that was made due early and failed returns to its planned time, even before its last attempt."""
    assert after(AWAY, 7, early=MINUTE) == RetryDecision(Action.RETRY, MINUTE, is_counted=False)
    assert after(AWAY, 7, early=-MINUTE).action is Action.DEAD


def test_death_of_a_worker_counts_as_no_attempt() -> None:
    """The first is retried at once, further ones with growing waits, which have an end."""
    waits = [POLICY.decide_after_death([False] * deaths, jitter=0.5) for deaths in range(60)]
    assert {(one.action, one.is_counted) for one in waits} == {(Action.RETRY, False)}
    assert [one.delay.total_seconds() for one in waits[:8]] == [0, 2, 10, 30, 60, 120, 600, 600]
    assert waits[-1].delay == timedelta(minutes=10)


def test_a_job_is_given_up_after_six_proofs() -> None:
    """Deaths while nothing else succeeded prove nothing."""
    nearly, enough = [True] * 5 + [False] * 9, [False] * 3 + [True] * 6
    assert POLICY.decide_after_death(nearly, jitter=0.5).action is Action.RETRY
    assert POLICY.decide_after_death(enough, jitter=0.5) == RetryDecision(Action.DEAD, is_exhausted=True)


@given(st.lists(st.booleans(), max_size=30))
def test_only_deaths_between_successes_of_others_count(others: list[bool]) -> None:
    """Without a success between two deaths, the machine or the database may be the cause."""
    decision = POLICY.decide_after_death(others, jitter=0.5)
    assert (decision.action is Action.DEAD) == (sum(others) >= 6)
    assert decision.is_exhausted == (decision.action is Action.DEAD)


@given(
    account_id=st.integers(1, 2**63 - 1),
    target=st.none() | st.builds(RefreshTarget, st.sampled_from(Resource), st.integers(1, 2**63 - 1)),
    full=st.booleans(),
    attempt=st.integers(1, 9),
    moments=st.tuples(*[st.none() | st.datetimes(timezones=st.just(UTC))] * 2),
)
def test_job_survives_a_round_trip_through_json(
    account_id: int,
    target: RefreshTarget | None,
    full: bool,  # noqa: FBT001  (drawn)
    attempt: int,
    moments: tuple[datetime | None, datetime | None],
) -> None:
    """Its arguments hold all of it."""
    job = Job(account_id, target, full, attempt, *moments)
    assert Job.from_arguments(job.to_arguments()) == job


def test_job_whose_worker_died_is_done_alone() -> None:
    """In a batch it would interrupt nine others if its worker dies again."""
    job = Job(1, RefreshTarget(Resource.RESERVATIONS, 7))
    assert job.batch_prefix == "refresh:1:reservations:"
    assert replace(job, began_at=datetime(2026, 11, 30, tzinfo=UTC)).batch_prefix is None
    assert replace(job, attempt=2).batch_prefix is None
