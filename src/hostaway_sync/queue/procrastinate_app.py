"""Procrastinate as this program sets it up: its connections, its tasks, and how its workers prove that they live."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from procrastinate import App
from procrastinate.manager import JobManager
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from hostaway_sync.queue.notifications import LenientConnector
from hostaway_sync.store import jobs
from hostaway_sync.store.connection import session_settings
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.processes import rights, workers
from hostaway_sync.store.processes.names import name_this_process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import sqlalchemy as sa
    from procrastinate import JobContext
    from procrastinate.connector import BaseConnector
    from psycopg import AsyncConnection

    from hostaway_sync.store.postgres.database import Database

Attempt: TypeAlias = "Callable[[str, int, Job], Awaitable[None]]"
"""Does a job, given its kind, its row id and itself. Procrastinate ends the row when it returns; an error leaves it."""

# For all of Procrastinate's statements, which take a millisecond or two; it listens through one more connection.
_CONNECTIONS = 1
_HARDLY_EVER = "0 0 29 2 *"


def build_app(database: Database, lanes: Iterable[str], attempt: Attempt) -> App:
    """Return an app that hands the jobs of these kinds to `attempt`; it connects when it is opened."""
    # Procrastinate's statements name its tables without a schema, and none of them takes long.
    # Nor do they wait for the disk: a job whose end is undone by a crash of the server is done twice.
    own = {
        "search_path": f"{quote_identifier(database.schema)}, pg_temp",
        "synchronous_commit": "off",
        "lock_timeout": "10s",
        "statement_timeout": "1min",
    }

    async def prepare(connection: AsyncConnection[Any]) -> None:
        # Each call of Procrastinate is one statement, which needs no transaction around it.
        await connection.set_autocommit(True)
        await connection.execute(session_settings.build_settings_statement(connection.info.server_version, own))

    app = App(
        connector=LenientConnector(
            queues=lanes,
            conninfo=_conninfo(database.engine),
            kwargs=session_settings.connect_options(f"{database.application}: queue"),
            pool_factory=_pool,
            configure=prepare,
            min_size=_CONNECTIONS,
            max_size=_CONNECTIONS,
            timeout=5.0,
        )
    )
    app.job_manager = _ProvenWorkers(app.connector, name_this_process())
    for kind in lanes:
        app.task(name=kind, queue=kind, pass_context=True)(_to_task(partial(attempt, kind)))
    # Procrastinate watches its heartbeat and its listener only until the first of its side tasks returns, and the one
    # for periodic tasks returns at once where there are none. A worker without a heartbeat counts as dead.
    app.periodic(cron=_HARDLY_EVER)(app.task(name="nothing", queue=jobs.REFRESH)(_do_nothing))
    return app


class _ProvenWorkers(JobManager):
    """Procrastinate's statements, and a right by which each worker proves that it lives; see `store.processes.workers`.

    Args:
        connector: of the app.
        process: this process, as `name_this_process` names it.
    """

    def __init__(self, connector: BaseConnector, process: str) -> None:
        super().__init__(connector)
        self._process = process

    async def register_worker(self) -> int:
        """Register a worker, and claim its right before it begins a job."""
        worker_id = await super().register_worker()
        await self._claim(worker_id)
        return worker_id

    async def update_heartbeat(self, worker_id: int) -> None:
        """Store the heartbeat of a worker, and renew its right."""
        await super().update_heartbeat(worker_id)
        await self._claim(worker_id)

    async def unregister_worker(self, worker_id: int) -> None:
        """Unregister a worker that ended, and give back its right."""
        await super().unregister_worker(worker_id)
        right = workers.name_worker_right(worker_id)
        await self.connector.execute_query_async(query=workers.RELEASE_SQL, right=right, owner=self._process)

    async def _claim(self, worker_id: int) -> None:
        right = workers.name_worker_right(worker_id)
        arguments = {"right": right, "owner": self._process, "life": rights.CLAIM_LIFETIME}
        await self.connector.execute_query_async(query=workers.CLAIM_SQL, **arguments)


def _conninfo(engine: sa.Engine) -> str:
    """Return the connection string for libpq, which cannot read the escaped spaces of the URL."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    options.pop("context", None)  # adapters of the other connections
    return make_conninfo(*arguments, **options)


async def _do_nothing(timestamp: int) -> None:
    del timestamp


def _pool(**options: Any) -> AsyncConnectionPool:  # noqa: ANN401  (set by Procrastinate)
    """Return a pool that does not test its connections: a broken one ends the session, as it should."""
    return AsyncConnectionPool(**(options | {"check": None}))


def _to_task(work: Callable[[int, Job], Awaitable[None]]) -> Callable[..., Any]:
    async def attempt(context: JobContext, **arguments: Any) -> None:  # noqa: ANN401  (any JSON)
        row_id = context.job.id
        assert row_id is not None  # noqa: S101  (a fetched job has a row)
        await work(row_id, Job.from_arguments(arguments))

    return attempt
