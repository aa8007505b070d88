"""The queue's engine, Procrastinate, as we set it up: what it connects with, and what it gives us to do."""

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
"""Does a job: its kind, its row, and what it is. When it returns the engine ends the row; an error leaves it behind."""

# For all the engine's calls, each of which takes a millisecond or two; it listens through another one beside it.
_CONNECTIONS = 1
_HARDLY_EVER = "0 0 29 2 *"


def build_app(database: Database, lanes: Iterable[str], attempt: Attempt) -> App:
    """Make the engine that gives the jobs of these kinds to `attempt`; it opens its connections when it is opened."""
    # The engine's statements name its tables without a schema, and none of them takes long.
    # Nor do they wait for the disk: a job whose end a crash of the server undoes is done twice.
    own = {
        "search_path": f"{quote_identifier(database.schema)}, pg_temp",
        "synchronous_commit": "off",
        "lock_timeout": "10s",
        "statement_timeout": "1min",
    }

    async def prepare(connection: AsyncConnection[Any]) -> None:
        # Each of the engine's calls is one statement, which needs no transaction around it.
        await connection.set_autocommit(True)
        await connection.execute(session_settings.build_settings_statement(connection.info.server_version, own))

    app = App(
        connector=LenientConnector(
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
        app.task(name=kind, queue=kind, pass_context=True)(_named(partial(attempt, kind)))
    # The engine watches over its heartbeat and its listener only until the first of its side tasks returns, and the
    # one for periodic tasks returns at once where there are none. A worker without a heartbeat counts as dead.
    app.periodic(cron=_HARDLY_EVER)(app.task(name="nothing", queue=jobs.REFRESH)(_nothing))
    return app


class _ProvenWorkers(JobManager):
    """The engine's statements, with the right of each worker to prove that its process lives; see `store.workers`.

    Args:
        connector: of the engine.
        process: this process, as `name_this_process` names it.
    """

    def __init__(self, connector: BaseConnector, process: str) -> None:
        super().__init__(connector)
        self._process = process

    async def register_worker(self) -> int:
        """Register a worker, and claim its right before it begins any job."""
        worker_id = await super().register_worker()
        await self._claim(worker_id)
        return worker_id

    async def update_heartbeat(self, worker_id: int) -> None:
        """Say that a worker lives, and renew its right."""
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
    """Write for libpq where the database is; the URL as a text escapes spaces in a way that libpq does not read."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    options.pop("context", None)  # the other connections' adapters
    return make_conninfo(*arguments, **options)


async def _nothing(timestamp: int) -> None:
    del timestamp


def _pool(**options: Any) -> AsyncConnectionPool:  # noqa: ANN401  (whatever the engine sets)
    """Make a pool that asks no connection whether it lives: one that does not ends the session, as it should."""
    return AsyncConnectionPool(**(options | {"check": None}))


def _named(work: Callable[[int, Job], Awaitable[None]]) -> Callable[..., Any]:
    async def attempt(context: JobContext, **arguments: Any) -> None:  # noqa: ANN401  (whatever JSON holds)
        row_id = context.job.id
        assert row_id is not None  # noqa: S101  (it was fetched)
        await work(row_id, Job.from_arguments(arguments))

    return attempt
