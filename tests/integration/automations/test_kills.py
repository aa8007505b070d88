from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.support import sql
from tests.support.automations import add_automation, drain, ids, let_time_pass, open_mirror, write_changes
from tests.support.deliveries import eventually
from tests.support.processes import kill_process, start_program
from tests.support.servers.consumer import Answer, Consumer, Heard, consuming
from tests.support.store.table_locks import TableGate

from hostaway_sync.queue import outcomes
from hostaway_sync.queue.outcomes import FailedAttempt
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store.automations import work
from hostaway_sync.store.stalled_jobs import StalledJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

RECORDS = 20


def test_a_change_whose_process_died_after_its_commit_is_told(sync_env: Build) -> None:
    """Nobody deferred a job for it: the next worker finds it."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        (number,) = write_changes(env.database, {})
        sql.execute(env.database, "DELETE FROM procrastinate_jobs")
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{number}"]


def test_a_run_killed_between_a_change_and_its_delivery_loses_none(sync_env: Build) -> None:
    """SIGKILL after the commit of the change and before its job is deferred; a worker that starts later tells it."""
    env = sync_env(listings=1, reservations=3)
    env.mirrored()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url, events=("reservation.updated",))
        env.sandbox.world.update_reservation(min(env.truth("reservations")), hostNote="late")
        gate = TableGate(env, "GET /reservations", 1, "procrastinate_jobs")
        run = start_program(env.environment(), "sync", str(env.account_id))
        gate.wait(run)
        kill_process(run)
        gate.open()
        query = "SELECT change_id FROM changes WHERE resource = 'reservations'"
        ((number,),) = sql.rows(env.database, query)
        worker = start_program(env.environment(AUTOMATION_HOSTS=consumer.url), "worker")
        eventually(lambda: not mirror.automations.get("crm").waiting and consumer.heard, "the request of the worker")
        kill_process(worker)
        assert mirror.sync.run(env.account_id).api_calls
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{number}"]


def test_a_worker_killed_before_it_noted_the_answer_tells_again(sync_env: Build) -> None:
    """With the same id: the next worker takes over at once, and notes it."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        (number,) = write_changes(env.database, {})
        is_dead = threading.Event()
        consumer.answer = lambda _: Answer(200 if is_dead.wait(60) else 204)
        process = start_program(env.environment(AUTOMATION_HOSTS=consumer.url), "worker")
        eventually(lambda: consumer.heard, "the request of the worker")
        kill_process(process)
        is_dead.set()
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{number}"] * 2
        (told,) = mirror.automations.deliveries("crm", limit=9)
        assert (told.state.value, told.attempts, told.status) == ("delivered", 0, 200)


def test_a_job_of_no_account_is_tried_for_ever(database: Database) -> None:
    """Whether it fails or its worker dies: it waits again, a while longer each time, and leaves no attempt."""
    policy, job = JobRetryPolicy(), work.DISPATCH_JOB
    outcomes.record_failure(database, job, FailedAttempt(ValueError("odd"), timedelta(0)), policy, jitter=0.5)
    waits = "SELECT args, extract(epoch FROM scheduled_at - now())::int FROM procrastinate_jobs"
    assert sql.rows(database, waits) == [(job.to_arguments(), 30)]
    sql.execute(database, "DELETE FROM procrastinate_jobs")
    for deaths, wait in ((1, 0), (2, 2), (99, 600)):
        stalled = StalledJob(0, replace(job, attempt=deaths), None)
        database.transaction(partial(outcomes.rescue_job, stalled=stalled, policy=policy, jitter=0.5))
        assert sql.rows(database, waits) == [({"account_id": 0, "attempt": deaths + 1, "automation_id": 0}, wait)]
        sql.execute(database, "DELETE FROM procrastinate_jobs")
    assert sql.rows(database, "SELECT * FROM job_attempts") == []


@pytest.mark.parametrize("number", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_killed_workers_and_a_dead_consumer_lose_and_disorder_nothing(sync_env: Build, number: int) -> None:
    """Each living consumer is told of all changes, of few of them twice, and of each record's in their order."""
    env = sync_env()
    with consuming() as one, consuming() as two, consuming() as three, consuming() as four, consuming() as dead:
        consumers = (one, two, three, four)
        dead.answer = lambda _: Answer(503)
        with open_mirror(env, *consumers, dead) as mirror:
            for place, consumer in enumerate((*consumers, dead)):
                add_automation(mirror, f"c{place}", consumer.url)
            written = write_changes(env.database, *({"record_id": str(n % RECORDS)} for n in range(number)))
            hosts = ",".join(consumer.url for consumer in (*consumers, dead))
            for share in (1, 2):
                process = start_program(env.environment(AUTOMATION_HOSTS=hosts), "worker")
                eventually(lambda share=share: len(one.heard) >= number * share // 3, "a third of the requests")  # type: ignore[misc]  # mypy infers no type
                kill_process(process)
            while mirror.automations.get("c0").waiting:
                assert drain(mirror)
                let_time_pass(env.database)
            wanted = [f"evt_{one_change}" for one_change in written]
            for consumer in consumers:
                assert_in_order(consumer, wanted)
            assert mirror.automations.get("c4").waiting == number


def assert_in_order(consumer: Consumer, wanted: list[str]) -> None:
    """Check that all was heard, each record's events in their order, and hardly anything twice."""
    heard = ids(consumer)
    assert set(heard) == set(wanted)
    assert len(heard) <= len(wanted) + 2  # one for each worker that was killed
    first_heard = list(dict.fromkeys(heard))
    of_record: dict[str, list[str]] = {}
    for name in first_heard:
        of_record.setdefault(str(wanted.index(name) % RECORDS), []).append(name)
    for names in of_record.values():
        assert names == sorted(names, key=wanted.index)


def test_a_secret_that_is_rotated_under_way_refuses_nothing(sync_env: Build) -> None:
    """With the old secret and with the new one each request can be verified; later only with the new one."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        old = add_automation(mirror, "crm", consumer.url)
        assert old is not None
        new: list[str] = []

        def rotate(_: Heard) -> Answer:
            if not new:
                new.append(rotated(mirror))
            return Answer()

        consumer.answer = rotate
        write_changes(env.database, {}, {}, {"record_id": "2"})
        assert drain(mirror)
        assert [verifies(old, heard) for heard in consumer.heard] == [True] * 3
        assert [verifies(new[0], heard) for heard in consumer.heard] == [False, False, True]
        sql.execute(env.database, "UPDATE automations SET previous_until = now()")
        write_changes(env.database, {})
        assert drain(mirror)
        assert (verifies(old, consumer.heard[-1]), verifies(new[0], consumer.heard[-1])) == (False, True)


def rotated(mirror: Mirror) -> str:
    """Rotate the secret, and return the new one."""
    return mirror.automations.rotate("crm").secret.get_secret_value()


def verifies(secret: str, heard: Heard) -> bool:
    """Whether a consumer with a secret accepts a request."""
    try:
        Webhook(secret).verify(heard.body, heard.headers)
    except WebhookVerificationError:
        return False
    return True
