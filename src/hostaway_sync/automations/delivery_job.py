"""The job of one automation: tell its consumer of what waits, in the order of each record.

One process at a time tells a consumer. A job ends after a while, and is deferred again where more waits: so a consumer
that is slow holds up no other one. Nothing is noted before the consumer has answered: who dies in between tells again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from hostaway_sync.automations import payload
from hostaway_sync.automations.decision import decide_delivery, find_disable_reason, find_pause
from hostaway_sync.store import dead_letters, job_attempts, jobs
from hostaway_sync.store.automations import changes, core_rows, deliveries, registry, work
from hostaway_sync.store.automations.core_rows import RecordKey
from hostaway_sync.store.automations.states import DeliveryState
from hostaway_sync.store.job_attempts import RecordedAttempt
from hostaway_sync.store.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import sqlalchemy as sa

    from hostaway_sync.automations.answer import Answer
    from hostaway_sync.automations.consumers import Consumers
    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.secrets import SecretReader
    from hostaway_sync.store.automations.states import Automation, ConsumerSecrets, Delivery
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)

_PAGE: Final = 50
# A job is over after so long, so that others get their turn.
_ROUND: Final = timedelta(seconds=20)
# After so many failures in a row a round ends; a consumer that does not answer at all is left alone.
_MOST_FAILURES: Final = 20
_MOST_SILENCES: Final = 3
_TAKEN: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """What tells consumers, and how it goes on after a failure.

    Attributes:
        core: the schema of the views.
        consumers: tells them.
        vault: opens the secrets that requests are signed with.
        policy: the ladder of the queue.
        jitter: draws from 0 to 1.
        monotonic: seconds, for the length of a round.
    """

    core: str
    consumers: Consumers
    vault: Callable[[], SecretReader]
    policy: JobRetryPolicy
    jitter: Callable[[], float]
    monotonic: Callable[[], float]


@dataclass(slots=True)
class _Round:
    """What happened in one job: failures in a row, and those of them in which the consumer did not answer."""

    failures: int = 0
    silences: int = 0

    def count(self, answer: Answer) -> None:
        self.failures = 0 if answer.is_delivered else self.failures + 1
        self.silences = self.silences + 1 if answer.is_away else 0

    @property
    def is_silent(self) -> bool:
        return self.silences >= _MOST_SILENCES

    @property
    def is_over(self) -> bool:
        return self.is_silent or self.failures >= _MOST_FAILURES


@dataclass(frozen=True, slots=True)
class _Event:
    """What is told: the id of the event, and the event itself as JSON."""

    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _FailedTry:
    """A try that failed: of which event, how, and when it began."""

    delivery: Delivery
    answer: Answer
    error: str
    began_at: datetime
    attempt_id: UUID = field(default_factory=uuid4)

    @property
    def job(self) -> Job:
        """The event as a job, which attempts and dead letters name."""
        one = self.delivery
        return Job(
            one.account_id,
            attempt=one.attempts + 1,
            began_at=one.began_at or self.began_at,
            automation_id=one.automation_id,
            change_id=one.change_id,
        )


def run_delivery_job(database: Database, config: DeliveryConfig, job: Job) -> None:
    """Tell one automation of what waits for it, and defer the next job where something is left."""
    assert job.automation_id is not None  # noqa: S101  (every job of this kind has one)
    with database.claim(f"automation {job.automation_id}") as is_ours:
        if is_ours:
            so_far = _tell_what_waits(database, config, job.automation_id)
            end = partial(_end_round, automation_id=job.automation_id, is_silent=so_far.is_silent, config=config)
            database.transaction(end)
        else:
            database.transaction(partial(_defer_after, job=job, wait=_TAKEN))


def _tell_what_waits(database: Database, config: DeliveryConfig, automation_id: int) -> _Round:
    until = config.monotonic() + _ROUND.total_seconds()
    so_far = _Round()
    while True:
        automation, due = database.transaction(partial(_find_due, automation_id=automation_id))
        if automation is None or not due:
            return so_far
        # Read anew for each page: a secret that was replaced meanwhile is still valid for days.
        secrets = registry.open_secrets(database, config.vault(), automation_id)
        for delivery in due:
            answer = _tell(database, config, automation, delivery, secrets)
            if answer is not None:
                so_far.count(answer)
            if so_far.is_over or config.monotonic() >= until:
                return so_far


def _find_due(connection: sa.Connection, automation_id: int) -> tuple[Automation | None, list[Delivery]]:
    automation = registry.find_automation(connection, automation_id)
    if automation is None or not automation.is_active:
        return None, []
    return automation, deliveries.find_due(connection, automation_id, limit=_PAGE)


def _tell(
    database: Database,
    config: DeliveryConfig,
    automation: Automation,
    delivery: Delivery,
    secrets: ConsumerSecrets,
) -> Answer | None:
    """Tell of one event and note what came of it; None: it is not to be told any more."""
    read = partial(_read_event, delivery=delivery, core=config.core, source=database.schema)
    began_at, event = database.transaction(read)
    if event is None:
        return None
    answer = config.consumers.tell(automation.request, event.event_id, delivery.event, event.body, secrets)
    if answer.error is None:
        database.transaction(partial(_note_success, delivery=delivery, answer=answer))
    else:
        failed = _FailedTry(delivery, answer, answer.error, began_at)
        database.transaction(partial(_note_failure, automation=automation, failed=failed, config=config))
    return answer


def _read_event(
    connection: sa.Connection, delivery: Delivery, core: str, source: str
) -> tuple[datetime, _Event | None]:
    """Return the time and what is told; None: the automation was disabled, or the change or its account is gone."""
    now = jobs.read_clock(connection)
    if not deliveries.is_wanted(connection, delivery):
        return now, None
    change = changes.read_change(connection, delivery.change_id)
    if change is None:
        deliveries.drop(connection, delivery)
        return now, None
    record = RecordKey(delivery.account_id, delivery.resource, delivery.record_id)
    row = core_rows.read_rows(connection, core, source, [record]).get(record)
    return now, _Event(payload.event_id(change), payload.build_payload(delivery.event, change, row))


def _note_success(connection: sa.Connection, delivery: Delivery, answer: Answer) -> None:
    deliveries.note_delivered(connection, delivery, status=answer.status, output=answer.output)
    registry.note_success(connection, delivery.automation_id)


def _note_failure(
    connection: sa.Connection, *, automation: Automation, failed: _FailedTry, config: DeliveryConfig
) -> None:
    now, answer, job = jobs.read_clock(connection), failed.answer, failed.job
    decision = decide_delivery(answer, job.attempt, config.policy, jitter=config.jitter())
    retry_at = None if decision.retry_in is None else now + decision.retry_in
    is_noted = deliveries.note_failed(
        connection,
        failed.delivery,
        failed.error,
        status=answer.status,
        output=answer.output,
        began_at=failed.began_at,
        retry_at=retry_at,
    )
    if not is_noted:
        return  # its account was erased meanwhile, or the automation removed
    sentence = f"automation {automation.name}: {failed.error}"
    attempt = RecordedAttempt(failed.attempt_id, failed.began_at, now, sentence, None)
    job_attempts.record_attempt(connection, job, attempt, next_at=retry_at)
    if decision.state is DeliveryState.DEAD:
        dead_letters.add_dead_letter(connection, job, attempt, until=failed.began_at)
        log.error("%s: dead letter after %d attempts: %s", job.key, job.attempt, sentence)
    failing_since = registry.note_failure(connection, automation.automation_id)
    reason = find_disable_reason(answer, failing_since, now)
    if reason is not None and registry.disable(connection, automation.automation_id, error=reason):
        log.error("automation %s: disabled: %s", automation.name, reason)


def _end_round(connection: sa.Connection, automation_id: int, *, is_silent: bool, config: DeliveryConfig) -> None:
    """Defer the next job, where something waits."""
    automation = registry.find_automation(connection, automation_id)
    moment = deliveries.find_next_moment(connection, automation_id)
    if automation is None or not automation.is_active or moment is None:
        return
    if is_silent:
        rounds = automation.failed_rounds + 1
        until = jobs.read_clock(connection) + find_pause(rounds, config.policy)
        registry.note_pause(connection, automation_id, rounds=rounds, until=until)
        moment = max(moment, until)
    jobs.defer_retry(connection, work.name_delivery_job(automation_id), at=moment)


def _defer_after(connection: sa.Connection, job: Job, wait: timedelta) -> None:
    jobs.defer_retry(connection, job, at=jobs.read_clock(connection) + wait)
