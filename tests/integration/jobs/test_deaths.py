"""A killed worker interrupts all its jobs: only the job that kills it is given up."""

from __future__ import annotations

from datetime import timedelta
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.deliveries import MANY_RETRIES, ONE_RETRY, deliver, drain
from tests.support.programs.worker_programs import no_op_handlers, start_worker_program
from tests.support.records import add_account

from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.queue import maintenance
from hostaway_sync.store.jobs import Job

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# A worker that dies when it reads object 7, unless it has no job.
POISONED = """
import os, signal, sys
from datetime import timedelta
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store.postgres.database import Database
from tests.support.deliveries import refreshing, worker

def read(object_id):
    if object_id == 7:
        os.kill(os.getpid(), signal.SIGKILL)

database = Database(sys.argv[1], schema="hostaway")
policy = JobRetryPolicy(death_ladder=(timedelta(0),) * 2)
with worker(database, refreshing(database, read), policy=policy) as working:
    working.wait()
"""
HOUR = timedelta(hours=1)


@pytest.fixture
def box(database: Database) -> Database:
    """Return a database with account 1."""
    add_account(database)
    return database


def die(box: Database) -> int:
    """Run a worker to its end, and return how it ended."""
    process = start_worker_program(POISONED, box)
    process.communicate(timeout=60)
    return process.returncode


def letters(box: Database) -> list[str]:
    """Return the jobs of the dead letters."""
    return [job for (job,) in sql.rows(box, "SELECT job FROM dead_letters")]


def test_job_that_kills_its_workers_becomes_a_dead_letter(box: Database) -> None:
    """Other deliveries are processed between its deaths; none of them is given up."""
    deliver(box, 1, object_id=7)
    for death in range(3):
        assert die(box) == -SIGKILL
        assert letters(box) == []
        # Another worker did another job meanwhile.
        deliver(box, 1, object_id=100 + death)
        sql.execute(
            box,
            "UPDATE webhook_log SET status = 'processed', processed_at = clock_timestamp()"
            f" WHERE object_id = {100 + death}",
        )
    assert die(box) == 0
    assert letters(box) == [Job(1, RefreshTarget(Resource.RESERVATIONS, 7)).key]


def test_deaths_without_a_success_between_give_nothing_up(box: Database) -> None:
    """The machine or the database may be what kills; when it is repaired, the job is done."""
    deliver(box, 1, object_id=7)
    for _ in range(5):
        assert die(box) == -SIGKILL
    assert letters(box) == []
    drain(box, no_op_handlers(box), policy=MANY_RETRIES)
    assert sql.rows(box, "SELECT status FROM webhook_log") == [("processed",)]


def test_deaths_use_up_no_attempts(box: Database) -> None:
    """After deaths, a job still has every attempt of its policy."""
    deliver(box, 1, object_id=7)
    for _ in range(2):
        die(box)
    maintenance.rescue_stalled_jobs(box, ONE_RETRY, ["refresh"], silent_for=HOUR)
    ((arguments,),) = sql.rows(box, "SELECT args FROM procrastinate_jobs")
    assert arguments["attempt"] == 1
    assert [number for (number,) in sql.rows(box, "SELECT number FROM job_attempts")] == [1, 1]
