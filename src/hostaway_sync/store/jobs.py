"""Background jobs as rows of Procrastinate's table, deferred in the transaction that makes them necessary.

    todo ──→ doing ──→ deleted               todo: at most one job with the same key
               └─ given back: a new todo

A worker that starts a job, the leader, may start a batch of similar jobs with it. Each of them is `doing` by itself,
and is given back when the worker dies, or when the leader has ended without it.

Procrastinate has a call that defers a job. Ours is one statement instead of two with a savepoint. It also locks a
waiting job with the same key, so that no worker starts that one before our transaction is visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables.queue import jobs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from hostaway_sync.store.postgres.database import Database

REFRESH: Final = "refresh"
SYNC: Final = "sync"
SEND: Final = "send"
DISPATCH: Final = "dispatch"
DELIVER: Final = "deliver"
NO_ACCOUNT: Final = 0
"""The account of jobs that are about none."""
ALL_AUTOMATIONS: Final = 0
"""The automation of the job that looks through the changes for all of them."""
# A batch is looked for among this many due jobs; the arguments of each member then name the row of its leader.
_BATCH_WINDOW = 100
LED_BY: Final = "led_by"
# A person or a webhook waits for a refresh and a message, another program for an event; nothing waits for a sync.
_PRIORITIES: Final = {REFRESH: 10, SEND: 10, DISPATCH: 10, DELIVER: 5, SYNC: 0}

# The status is an enumeration: a text parameter would have to be cast, and the cast to name the schema.
_TODO = jobs.c.status == sa.literal_column("'todo'")
DOING: Final = jobs.c.status == sa.literal_column("'doing'")
# States that Procrastinate sets itself where our own code could not decide.
DROPPED: Final = jobs.c.status.in_([sa.literal_column("'failed'"), sa.literal_column("'aborted'")])


@dataclass(frozen=True, slots=True)
class Job:
    """A background job: a refresh, a sync, a message to send or events to tell, and the number of its next attempt.

    Attributes:
        account_id: the account that the job belongs to; `NO_ACCOUNT`: it belongs to none.
        target: the object to read again; None for jobs of other kinds.
        full: the sync reads everything.
        resources: the names of those that the sync reads; none: all that are mirrored.
        attempt: number of the next attempt; 1 is the first.
        retry_at: when the next attempt was planned; an earlier attempt is an extra one. None: at once.
        began_at: when the first attempt started; None before it.
        intent_id: the ledger's row of the message to send or to look for.
        looks: how many such jobs have looked for the message and not found it.
        automation_id: the automation that is told of what waits; `ALL_AUTOMATIONS`: find out who is to be told.
        change_id: of one event for it; such a job is never queued, its key names attempts and dead letters.
    """

    account_id: int
    target: RefreshTarget | None = None
    full: bool = False
    attempt: int = 1
    retry_at: datetime | None = None
    began_at: datetime | None = None
    intent_id: int | None = None
    looks: int = 0
    automation_id: int | None = None
    change_id: int | None = None
    resources: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Name of the Procrastinate task and of its queue."""
        if self.automation_id is not None:
            return DISPATCH if self.automation_id == ALL_AUTOMATIONS else DELIVER
        if self.intent_id is not None:
            return SEND
        return SYNC if self.target is None else REFRESH

    @property
    def key(self) -> str:
        """Name of the work, which at most one waiting job has."""
        if self.automation_id is not None:
            parts = (self.automation_id or None, self.change_id)
            return ":".join((self.kind, *(str(part) for part in parts if part is not None)))
        if self.intent_id is not None:
            return f"{SEND}:{self.account_id}:{self.intent_id}"
        if self.target is None:
            return f"{SYNC}:{self.account_id}"
        return f"{REFRESH}:{self.account_id}:{self.target.resource}:{self.target.object_id}"

    @property
    def batch_prefix(self) -> str | None:
        """Common prefix of the keys of jobs that may be done in one batch with this one; None: it is done alone.

        Only refreshes of reservations are batched. A job that was tried before is done alone: it harms no other.
        """
        is_first = self.attempt == 1 and self.began_at is None
        if not is_first or self.target is None or self.target.resource is not Resource.RESERVATIONS:
            return None
        return f"{REFRESH}:{self.account_id}:{self.target.resource}:"

    @property
    def required_target(self) -> RefreshTarget:
        """The object to read again, of a job that is a refresh."""
        assert self.target is not None  # noqa: S101  (every refresh has one)
        return self.target

    def to_arguments(self) -> dict[str, Any]:
        """Return the job as a JSON object, which `from_arguments` reads."""
        written: dict[str, Any] = {"account_id": self.account_id, "attempt": self.attempt}
        if self.target is not None:
            written |= {"resource": self.target.resource.value, "object_id": self.target.object_id}
        if self.full:
            written["full"] = True
        if self.resources:
            written["resources"] = list(self.resources)
        if self.intent_id is not None:
            written |= {"intent_id": self.intent_id, "looks": self.looks}
        if self.automation_id is not None:
            written["automation_id"] = self.automation_id
        if self.change_id is not None:
            written["change_id"] = self.change_id
        for name in ("retry_at", "began_at"):
            moment: datetime | None = getattr(self, name)
            if moment is not None:
                written[name] = moment.isoformat()
        return written

    @staticmethod
    def from_arguments(written: Mapping[str, Any]) -> Job:
        """Return the job that `to_arguments` wrote."""
        target = RefreshTarget(Resource(written["resource"]), written["object_id"]) if "resource" in written else None
        moments = {name: datetime.fromisoformat(written[name]) for name in ("retry_at", "began_at") if name in written}
        return Job(
            written["account_id"],
            target,
            written.get("full", False),
            written["attempt"],
            intent_id=written.get("intent_id"),
            looks=written.get("looks", 0),
            automation_id=written.get("automation_id"),
            change_id=written.get("change_id"),
            resources=tuple(written.get("resources", ())),
            retry_at=moments.get("retry_at"),
            began_at=moments.get("began_at"),
        )


def read_clock(connection: sa.Connection) -> datetime:
    """Return the time of the database's clock."""
    moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return moment


def defer_job(connection: sa.Connection, job: Job) -> None:
    """Defer a job for now; a waiting job with the same key is made due at once and keeps its attempt."""
    statement = insert(jobs).values(row_of(job))
    values: dict[str, Any] = {"scheduled_at": None}
    if job.kind == SYNC:
        wider = jobs.c.args if job.resources else jobs.c.args.op("-")("resources")
        values["args"] = wider.op("||")(sa.literal({"full": True} if job.full else {}, jobs.c.args.type))
    connection.execute(_unless_waiting(statement, values))


def defer_job_if(connection: sa.Connection, job: Job, condition: sa.ColumnElement[bool]) -> bool:
    """Defer a job as `defer_job` does, if a condition holds; return whether it does. One statement."""
    row = row_of(job)
    values = [sa.literal(value, jobs.c[name].type) for name, value in row.items()]
    statement = insert(jobs).from_select(list(row), sa.select(*values).where(condition))
    return connection.scalar(_unless_waiting(statement, {"scheduled_at": None}).returning(jobs.c.id)) is not None


def defer_retry(connection: sa.Connection, job: Job, *, at: datetime | None = None) -> None:
    """Defer the next attempt at a job, due at `at`; None: now.

    A waiting job with the same key takes over the number of attempts and becomes due no later than before. So work
    that always fails reaches its last attempt.
    """
    statement = insert(jobs).values(row_of(job) | {"scheduled_at": at})
    # NULL means now, and LEAST ignores NULL.
    sooner = sa.case(
        (jobs.c.scheduled_at.is_(None), sa.null()),
        (statement.excluded.scheduled_at.is_(None), sa.null()),
        else_=sa.func.least(jobs.c.scheduled_at, statement.excluded.scheduled_at),
    )
    # The job with more attempts wins: the other may come from a worker that was thought dead. `full` stays set.
    ours, theirs = statement.excluded.args, jobs.c.args
    has_more = theirs["attempt"].as_integer() > ours["attempt"].as_integer()
    carried = sa.case((has_more, ours.op("||")(theirs)), else_=theirs.op("||")(ours))
    connection.execute(_unless_waiting(statement, {"scheduled_at": sooner, "args": carried}))


def has_due_jobs(database: Database, kinds: Collection[str]) -> bool:
    """Return whether a job of these kinds can be started now."""
    query = sa.select(sa.exists().where(_TODO, _is_due(), jobs.c.queue_name.in_(kinds)))
    return bool(database.transaction(lambda connection: connection.scalar(query)))


@dataclass(frozen=True, slots=True)
class StartedJob:
    """A job that a worker has started.

    Attributes:
        row_id: id of its row, for `delete_jobs`.
        job: the work.
    """

    row_id: int
    job: Job


def start_batch(connection: sa.Connection, leader: StartedJob, *, limit: int, concurrency: int) -> list[StartedJob]:
    """Start at most `limit` jobs that may be done in one batch with `leader`, for the worker that has started it.

    Each of the worker's `concurrency` batches gets an equal share of the due jobs.
    """
    near = (
        sa.select(jobs.c.id, jobs.c.queueing_lock, jobs.c.args)
        .where(_TODO, jobs.c.queue_name == leader.job.kind, _is_due())
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(_BATCH_WINDOW)
        .cte("near")
    )
    share = sa.select(sa.func.least(limit, sa.func.count() // concurrency)).select_from(near).scalar_subquery()
    is_alike = sa.func.starts_with(near.c.queueing_lock, leader.job.batch_prefix)
    is_first = sa.and_(near.c.args["attempt"].as_integer() == 1, ~near.c.args.has_key("began_at"))
    # A later delivery for the leader's own object needs a reading of its own, after this one.
    wanted = sa.select(near.c.id).where(is_alike, is_first, near.c.queueing_lock != leader.job.key)
    wanted = wanted.order_by(near.c.id).limit(share)
    free = sa.select(jobs.c.id).where(jobs.c.id.in_(wanted), _TODO).with_for_update(skip_locked=True)
    row = jobs.alias("leader")
    # A leader without a row was given back: no worker would then finish its followers.
    is_leading = sa.exists().where(row.c.id == leader.row_id, row.c.status == sa.literal_column("'doing'"))
    worker = sa.select(row.c.worker_id).where(row.c.id == leader.row_id).scalar_subquery()
    statement = (
        sa.update(jobs)
        .where(jobs.c.id.in_(free), is_leading)
        .values(
            status=sa.literal_column("'doing'"),
            worker_id=worker,
            args=jobs.c.args.op("||")(sa.literal({LED_BY: leader.row_id}, jobs.c.args.type)),
        )
        .returning(jobs.c.id, jobs.c.args)
    )
    return [StartedJob(row.id, Job.from_arguments(row.args)) for row in connection.execute(statement)]


def delete_jobs(connection: sa.Connection, row_ids: Sequence[int]) -> None:
    """Delete the rows of jobs; the caller has deferred what is still to be done."""
    connection.execute(
        sa.delete(jobs).where(jobs.c.id == sa.func.any(sa.literal(list(row_ids), sa.ARRAY(sa.BigInteger))))
    )


def delete_idle_jobs(connection: sa.Connection, account_id: int) -> None:
    """Delete the jobs of an account that no worker works on."""
    of_account = jobs.c.args["account_id"].as_integer() == account_id
    idle = sa.select(jobs.c.id).where(sa.or_(_TODO, DROPPED), of_account)
    # Locked in the order of their keys, as a worker does that gives jobs back: no deadlock.
    ids = connection.scalars(idle.order_by(sa.collate(jobs.c.queueing_lock, "C"), jobs.c.id).with_for_update()).all()
    delete_jobs(connection, ids)


def select_unfinished_keys() -> sa.Select[str]:
    """Return a query for the keys of all jobs that wait or are being worked on."""
    return sa.select(jobs.c.queueing_lock).where(sa.or_(_TODO, DOING), jobs.c.queueing_lock.is_not(None))


def _is_due() -> sa.ColumnElement[bool]:
    return sa.or_(jobs.c.scheduled_at.is_(None), jobs.c.scheduled_at <= sa.func.clock_timestamp())


def row_of(job: Job) -> dict[str, Any]:
    """Return the columns of a new row."""
    return {
        "queue_name": job.kind,
        "task_name": job.kind,
        "priority": _PRIORITIES[job.kind],
        "queueing_lock": job.key,
        "args": job.to_arguments(),
    }


def _unless_waiting(statement: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401  (SQLAlchemy's insert)
    return statement.on_conflict_do_update(index_elements=[jobs.c.queueing_lock], index_where=_TODO, set_=values)
