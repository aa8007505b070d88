"""Deferred work, as rows of the queue's table: put there in the transaction of whatever makes it necessary.

    todo ──→ doing ──→ gone                  todo: at most one a key, whoever defers
               └─ given back: a new todo

A worker that begins a job may begin others along with it, to do them together: each is `doing` by itself, and is given
back when the worker dies, or when the job that took it along has ended without it.

The engine has a call for this. Ours is one statement instead of two with a savepoint, and closes a gap: it locks the
job that waits already, so that no worker can start it before what we commit is there to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables.queue import job_events, jobs, workers
from hostaway_sync.store.time_marks import is_within

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import timedelta

    from hostaway_sync.store.postgres.database import Database

REFRESH: Final = "refresh"
SYNC: Final = "sync"
SEND: Final = "send"
# So far ahead is looked for what may be taken along; its arguments then name the row of the job that took it.
_NEAR = 100
_LED_BY = "led_by"
# Whoever changed something waits for it; a sync waits for nobody.
_PRIORITIES: Final = {REFRESH: 10, SEND: 10, SYNC: 0}

# The engine's status is an enumeration: a text of ours would have to be cast, and the cast to name its schema.
_TODO = jobs.c.status == sa.literal_column("'todo'")
_DOING = jobs.c.status == sa.literal_column("'doing'")
# The engine's own ways out, when it could not have us decide.
_DROPPED = jobs.c.status.in_([sa.literal_column("'failed'"), sa.literal_column("'aborted'")])


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of deferred work, and how far along its attempts are.

    Attributes:
        account_id: whose.
        target: the object to read again; None, without an intent either: the account is to be synced.
        full: the sync is to read everything.
        attempt: number of the attempt that comes next; 1 is the first.
        retry_at: when that was to be; a try before then is an extra one. None: at once.
        began_at: when the first attempt started; None before it.
        intent_id: the row of the ledger whose message is to be sent, or looked for.
        looks: how often it was looked for in vain by such jobs.
    """

    account_id: int
    target: RefreshTarget | None = None
    full: bool = False
    attempt: int = 1
    retry_at: datetime | None = None
    began_at: datetime | None = None
    intent_id: int | None = None
    looks: int = 0

    @property
    def kind(self) -> str:
        """Name of the engine's task, and of its queue."""
        if self.intent_id is not None:
            return SEND
        return SYNC if self.target is None else REFRESH

    @property
    def key(self) -> str:
        """What no two waiting jobs share."""
        if self.intent_id is not None:
            return f"{SEND}:{self.account_id}:{self.intent_id}"
        if self.target is None:
            return f"{SYNC}:{self.account_id}"
        return f"{REFRESH}:{self.account_id}:{self.target.resource}:{self.target.object_id}"

    @property
    def batch_prefix(self) -> str | None:
        """What the keys of jobs begin with that may be done together with this one; None: it is done alone.

        Bookings are stored as well many at once. What has failed before keeps nothing else waiting.
        """
        if self.target is None or self.target.resource is not Resource.RESERVATIONS or self.attempt > 1:
            return None
        return f"{REFRESH}:{self.account_id}:{self.target.resource}:"

    @property
    def required_target(self) -> RefreshTarget:
        """The object of a job that has one."""
        assert self.target is not None  # noqa: S101  (that is what makes it a job of this kind)
        return self.target

    def to_arguments(self) -> dict[str, Any]:
        """Give the job as JSON holds it; `from_arguments` reads it."""
        written: dict[str, Any] = {"account_id": self.account_id, "attempt": self.attempt}
        if self.target is not None:
            written |= {"resource": self.target.resource.value, "object_id": self.target.object_id}
        if self.full:
            written["full"] = True
        if self.intent_id is not None:
            written |= {"intent_id": self.intent_id, "looks": self.looks}
        for name in ("retry_at", "began_at"):
            moment: datetime | None = getattr(self, name)
            if moment is not None:
                written[name] = moment.isoformat()
        return written

    @staticmethod
    def from_arguments(written: Mapping[str, Any]) -> Job:
        """Read what `to_arguments` wrote."""
        target = RefreshTarget(Resource(written["resource"]), written["object_id"]) if "resource" in written else None
        moments = {name: datetime.fromisoformat(written[name]) for name in ("retry_at", "began_at") if name in written}
        return Job(
            written["account_id"],
            target,
            written.get("full", False),
            written["attempt"],
            intent_id=written.get("intent_id"),
            looks=written.get("looks", 0),
            retry_at=moments.get("retry_at"),
            began_at=moments.get("began_at"),
        )


def read_clock(connection: sa.Connection) -> datetime:
    """Give the database's clock."""
    moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return moment


def defer_job(connection: sa.Connection, job: Job) -> None:
    """Have a job done as soon as may be; one that waits for its next attempt is pulled forward, and stays as it is."""
    statement = insert(jobs).values(_row(job))
    values: dict[str, Any] = {"scheduled_at": None}
    if job.full:
        values["args"] = jobs.c.args.op("||")(sa.literal({"full": True}, jobs.c.args.type))
    connection.execute(_unless_waiting(statement, values))


def defer_retry(connection: sa.Connection, job: Job, *, at: datetime | None = None) -> None:
    """Have a job tried again, not before `at`; one with its key that waits already comes no later for it.

    The attempts so far count for the one that waits: work that fails again and again must come to its end.
    """
    statement = insert(jobs).values(_row(job) | {"scheduled_at": at})
    # NULL means now, and LEAST would pass over it.
    sooner = sa.case(
        (jobs.c.scheduled_at.is_(None), sa.null()),
        (statement.excluded.scheduled_at.is_(None), sa.null()),
        else_=sa.func.least(jobs.c.scheduled_at, statement.excluded.scheduled_at),
    )
    # Whichever has had more attempts counts: one may be given back by a worker that was thought dead. Full stays full.
    ours, theirs = statement.excluded.args, jobs.c.args
    has_more = theirs["attempt"].as_integer() > ours["attempt"].as_integer()
    carried = sa.case((has_more, ours.op("||")(theirs)), else_=theirs.op("||")(ours))
    connection.execute(_unless_waiting(statement, {"scheduled_at": sooner, "args": carried}))


def has_due_jobs(database: Database, kinds: Collection[str]) -> bool:
    """Say whether anything could be started now."""
    query = sa.select(sa.exists().where(_TODO, _is_due(), jobs.c.queue_name.in_(kinds)))
    return bool(database.transaction(lambda connection: connection.scalar(query)))


@dataclass(frozen=True, slots=True)
class StartedJob:
    """A job that is being done.

    Attributes:
        row_id: its row, to be given to `delete_jobs`.
        job: what is to be done.
    """

    row_id: int
    job: Job


def start_batch(connection: sa.Connection, leader: StartedJob, *, limit: int, concurrency: int) -> list[StartedJob]:
    """Begin at most so many jobs that may be done together with `leader`, for the worker that has begun that one.

    Of what is near each of the lanes has its share: none does everything while the others do nothing.
    """
    near = (
        sa.select(jobs.c.id, jobs.c.queueing_lock, jobs.c.args)
        .where(_TODO, jobs.c.queue_name == leader.job.kind, _is_due())
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(_NEAR)
        .cte("near")
    )
    share = sa.select(sa.func.least(limit, sa.func.count() // concurrency)).select_from(near).scalar_subquery()
    is_alike = sa.func.starts_with(near.c.queueing_lock, leader.job.batch_prefix)
    is_first = near.c.args["attempt"].as_integer() == 1
    # A delivery may have come for the leader's own object: that is read again, but not at once.
    wanted = sa.select(near.c.id).where(is_alike, is_first, near.c.queueing_lock != leader.job.key)
    wanted = wanted.order_by(near.c.id).limit(share)
    free = sa.select(jobs.c.id).where(jobs.c.id.in_(wanted), _TODO).with_for_update(skip_locked=True)
    row = jobs.alias("leader")
    # Whose row has gone was given back: nobody would hear of its followers.
    is_led = sa.exists().where(row.c.id == leader.row_id, row.c.status == sa.literal_column("'doing'"))
    worker = sa.select(row.c.worker_id).where(row.c.id == leader.row_id).scalar_subquery()
    statement = (
        sa.update(jobs)
        .where(jobs.c.id.in_(free), is_led)
        .values(
            status=sa.literal_column("'doing'"),
            worker_id=worker,
            args=jobs.c.args.op("||")(sa.literal({_LED_BY: leader.row_id}, jobs.c.args.type)),
        )
        .returning(jobs.c.id, jobs.c.args)
    )
    return [StartedJob(row.id, Job.from_arguments(row.args)) for row in connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class StalledJob:
    """A job that nobody works on, though it was begun.

    Attributes:
        row_id: its row, to be given to `delete_jobs`.
        job: what it was.
        started_at: when; None when that is not known.
    """

    row_id: int
    job: Job
    started_at: datetime | None


def lock_stalled_job(connection: sa.Connection, kinds: Collection[str], *, silent_for: timedelta) -> StalledJob | None:
    """Lock one job whose worker has died, or has dropped it; None when there is none that nobody else has locked."""
    is_alive = sa.exists().where(workers.c.id == jobs.c.worker_id, is_within(workers.c.last_heartbeat, silent_for))
    leader = jobs.alias("leader")
    led_by = jobs.c.args[_LED_BY].astext
    is_led = sa.or_(led_by.is_(None), sa.exists().where(leader.c.id == sa.cast(led_by, sa.BigInteger)))
    query = (
        sa.select(jobs.c.id, jobs.c.args)
        .where(sa.or_(sa.and_(_DOING, sa.not_(sa.and_(is_alive, is_led))), _DROPPED), jobs.c.task_name.in_(kinds))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    started = sa.select(sa.func.max(job_events.c.at)).where(
        job_events.c.job_id == row.id, job_events.c.type == sa.literal_column("'started'")
    )
    return StalledJob(row.id, Job.from_arguments(row.args), connection.scalar(started))


def delete_jobs(connection: sa.Connection, row_ids: Sequence[int]) -> None:
    """Take jobs away; what they leave to do has been deferred anew."""
    connection.execute(
        sa.delete(jobs).where(jobs.c.id == sa.func.any(sa.literal(list(row_ids), sa.ARRAY(sa.BigInteger))))
    )


def delete_idle_jobs(connection: sa.Connection, account_id: int) -> None:
    """Take away the jobs of an account that nobody works on."""
    of_account = jobs.c.args["account_id"].as_integer() == account_id
    idle = sa.select(jobs.c.id).where(sa.or_(_TODO, _DROPPED), of_account)
    # In the order of their keys, as whoever gives some back.
    ids = connection.scalars(idle.order_by(sa.collate(jobs.c.queueing_lock, "C"), jobs.c.id).with_for_update()).all()
    delete_jobs(connection, ids)


def select_unfinished_keys() -> sa.Select[str]:
    """Give the keys of all jobs that wait or are being worked on, for a query's `IN`."""
    return sa.select(jobs.c.queueing_lock).where(sa.or_(_TODO, _DOING), jobs.c.queueing_lock.is_not(None))


def _is_due() -> sa.ColumnElement[bool]:
    return sa.or_(jobs.c.scheduled_at.is_(None), jobs.c.scheduled_at <= sa.func.clock_timestamp())


def _row(job: Job) -> dict[str, Any]:
    return {
        "queue_name": job.kind,
        "task_name": job.kind,
        "priority": _PRIORITIES[job.kind],
        "queueing_lock": job.key,
        "args": job.to_arguments(),
    }


def _unless_waiting(statement: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401  (SQLAlchemy's insert)
    return statement.on_conflict_do_update(index_elements=[jobs.c.queueing_lock], index_where=_TODO, set_=values)
