"""Dead letters: jobs that failed for good, kept with all attempts until a person resolves them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.messages import Proof
from hostaway_sync.model.records import Resource
from hostaway_sync.store import audit_log, job_attempts, jobs
from hostaway_sync.store.automations import deliveries as automation_deliveries
from hostaway_sync.store.automations import work as automation_work
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.messages import outbox
from hostaway_sync.store.privacy import forgotten, payload_rule
from hostaway_sync.store.tables import dead_letters
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.store.job_attempts import RecordedAttempt
    from hostaway_sync.store.postgres.database import Database

DELIVERY: Final = "delivery"
AUTOMATION: Final = "automation"
_RETRIED, _DISCARDED = "retried", "discarded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that failed for good; its fields are the columns of the table `dead_letters`."""

    dead_letter_id: int
    kind: str
    account_id: int
    target_resource: str | None
    target_id: int | None
    job: str
    deliveries: int
    payload: Any
    headers: Any
    error: str
    traceback: str | None
    history: list[dict[str, Any]]
    created_at: datetime
    resolved_at: datetime | None
    resolution: str | None


# In the order of the fields of `DeadLetter`.
_COLUMNS: Final[tuple[sa.ColumnElement[Any], ...]] = (
    dead_letters.c.dead_letter_id,
    dead_letters.c.kind,
    dead_letters.c.account_id,
    dead_letters.c.target_resource,
    dead_letters.c.target_id,
    dead_letters.c.job,
    dead_letters.c.deliveries,
    dead_letters.c.payload,
    dead_letters.c.headers,
    dead_letters.c.error,
    dead_letters.c.traceback,
    dead_letters.c.history,
    dead_letters.c.created_at,
    dead_letters.c.resolved_at,
    dead_letters.c.resolution,
)


def add_dead_letter(connection: sa.Connection, job: Job, attempt: RecordedAttempt, *, until: datetime) -> int | None:
    """Store a dead letter for a job whose last attempt is stored; it is retried only when a person asks for it.

    Args:
        connection: the connection of the transaction that ends the job.
        job: the job that failed.
        attempt: its last attempt.
        until: deliveries stored after this time have had fewer attempts, and go on waiting.

    Returns:
        The id of the dead letter; None when no delivery was waiting any more.
    """
    found = inbox.DeliveryEvidence(0, job.to_arguments(), None)
    if job.target is not None:
        payload_rule.delay_rewrites(connection)
        waiting = inbox.find_evidence(connection, job.account_id, job.target, until=until)
        if waiting is None:
            return None
        found = waiting
    values: dict[str, Any] = {
        "attempt_id": attempt.attempt_id,
        "kind": _kind_of(job),
        "account_id": job.account_id,
        "target_resource": job.target.resource.value if job.target else None,
        "target_id": job.target.object_id if job.target else None,
        "job": job.key,
        "deliveries": found.deliveries,
        "payload": sa.null() if found.payload is None else found.payload,
        "headers": sa.null() if found.headers is None else found.headers,
        "error": attempt.error,
        "traceback": attempt.traceback,
        "history": job_attempts.read_history(connection, job.key, since=job.began_at or attempt.started_at),
    }
    statement = insert(dead_letters).values(values).on_conflict_do_nothing().returning(dead_letters.c.dead_letter_id)
    number: int | None = connection.scalar(statement)
    if number is not None and job.target is not None:
        _leave_out_guests(connection, number, job.account_id, job.target)
        inbox.mark_dead(connection, job.account_id, job.target, number, until=until)
    return number


def _leave_out_guests(connection: sa.Connection, number: int, account_id: int, target: RefreshTarget) -> None:
    """Empty a letter that may be about a forgotten guest; after the insert, which locks the account's row.

    The guest may have been forgotten after the payload was read here, and before the letter was stored.
    """
    mine = dead_letters.c.dead_letter_id == number
    payload = connection.scalar(sa.select(sa.cast(dead_letters.c.payload, sa.Text)).where(mine))
    if payload is not None and forgotten.may_be_about_them(connection, account_id, target, payload):
        connection.execute(sa.update(dead_letters).where(mine).values(forgotten.EMPTIED_LETTER))


def list_dead_letters(database: Database, *, account_id: int | None, resolved_too: bool) -> list[DeadLetter]:
    """Return dead letters, oldest first: of one account or of all; the resolved ones only with `resolved_too`."""
    query = sa.select(*_COLUMNS).order_by(dead_letters.c.dead_letter_id)
    if account_id is not None:
        query = query.where(dead_letters.c.account_id == account_id)
    if not resolved_too:
        query = query.where(dead_letters.c.resolved_at.is_(None))
    return database.transaction(lambda connection: [DeadLetter(*row) for row in connection.execute(query)])


def get_dead_letter(database: Database, dead_letter_id: int) -> DeadLetter:
    """Return one dead letter.

    Raises:
        HostawaySyncError: there is no dead letter with this id.
    """
    query = sa.select(*_COLUMNS).where(dead_letters.c.dead_letter_id == dead_letter_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        raise _unknown(dead_letter_id)
    return DeadLetter(*row)


def retry_dead_letter(database: Database, dead_letter_id: int) -> None:
    """Defer the job of a dead letter again, with all attempts, and mark its deliveries as waiting.

    Raises:
        HostawaySyncError: there is no dead letter with this id, or it was resolved before.
    """

    def resolve(connection: sa.Connection) -> None:
        letter = _resolve(connection, dead_letter_id, _RETRIED)
        if letter.kind == AUTOMATION:
            _tell_again(connection, Job.from_arguments(letter.payload))
            return
        inbox.reopen_deliveries(connection, dead_letter_id)
        jobs.defer_job(connection, _first_attempt(letter))

    database.transaction(resolve)


def discard_dead_letter(database: Database, dead_letter_id: int) -> None:
    """Mark a dead letter as discarded; its row stays until it is pruned.

    Raises:
        HostawaySyncError: there is no dead letter with this id, or it was resolved before.
    """

    def resolve(connection: sa.Connection) -> None:
        letter = _resolve(connection, dead_letter_id, _DISCARDED)
        if letter.kind == jobs.SEND:
            intent_id = Job.from_arguments(letter.payload).intent_id or 0
            outbox.withdraw_intent(connection, intent_id, "its dead letter was discarded", proof=Proof.PERSON)
        inbox.abandon_deliveries(connection, dead_letter_id)

    database.transaction(resolve)


def _tell_again(connection: sa.Connection, job: Job) -> None:
    automation_id, change_id = job.automation_id or 0, job.change_id or 0
    if not automation_deliveries.revive(connection, automation_id, change_id):
        raise HostawaySyncError(f"what {job.key} was about is not kept any more: discard its dead letter")
    automation_work.defer_deliveries(connection, [automation_id])


def _kind_of(job: Job) -> str:
    if job.target is not None:
        return DELIVERY
    return AUTOMATION if job.kind == jobs.DELIVER else job.kind


def _resolve(connection: sa.Connection, dead_letter_id: int, resolution: str) -> DeadLetter:
    query = sa.select(*_COLUMNS).where(dead_letters.c.dead_letter_id == dead_letter_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _unknown(dead_letter_id)
    letter = DeadLetter(*row)
    if letter.resolved_at is not None:
        raise HostawaySyncError(f"dead letter {dead_letter_id} was {letter.resolution} already")
    connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.dead_letter_id == dead_letter_id)
        .values(resolved_at=sa.func.now(), resolution=resolution)
    )
    audit_log.note_caller(connection, letter.account_id, {"dead_letter": dead_letter_id, "resolution": resolution})
    return letter


def _first_attempt(letter: DeadLetter) -> Job:
    if letter.target_resource is None or letter.target_id is None:
        return replace(Job.from_arguments(letter.payload), attempt=1, retry_at=None, began_at=None)
    return Job(letter.account_id, RefreshTarget(Resource(letter.target_resource), letter.target_id))


def _unknown(dead_letter_id: int) -> HostawaySyncError:
    return HostawaySyncError(f"there is no dead letter {dead_letter_id}")
