from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.programs.program_log import ProgramLog
from tests.support.servers.receiver import event, renew, running_receiver

from hostaway_sync.observability import logging_setup
from hostaway_sync.observability.log_context import log_context
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

UUID = "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11"


@pytest.fixture
def written() -> Iterator[ProgramLog]:
    """Return every line of ours that is logged during the test."""
    ours = logging.getLogger("hostaway_sync")
    level = ours.level
    handler = ProgramLog()
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield handler
    ours.removeHandler(handler)
    ours.setLevel(level)


def test_log_lines_of_a_run_name_run_account_and_resource(sync_env: Build, written: ProgramLog) -> None:
    """Whichever thread of the run writes them."""
    env = sync_env(accounts=[AccountSpec(number, reservations=9, listings=2) for number in (70001, 70002)])
    env.mirror().sync.run_all()
    runs = {
        str(run_id): account_id
        for run_id, account_id in sql.rows(env.database, "SELECT run_id, account_id FROM sync_runs")
    }
    requests = [line for line in written.about("GET /") if "webhooks" not in line["event"]]
    assert len(requests) > 20
    for line in requests:
        assert runs[line["run_id"]] == line["account_id"]
    for path, resource in {"/listings": "listings", "/reservations": "reservations", "/messages": "messages"}.items():
        assert {line["resource"] for line in requests if line["event"].split(":")[0].endswith(path)} == {resource}
    ends = written.about("success")
    assert sorted(line["account_id"] for line in ends) == [70001, 70002]
    assert all(runs[line["run_id"]] == line["account_id"] for line in ends)


def test_healthy_fleet_prints_one_line_an_account(sync_env: Build, program: Program) -> None:
    """At INFO, in JSON, with the figures as fields; at the default level cron gets none."""
    env = sync_env(accounts=[AccountSpec(number, reservations=1, listings=1) for number in (70001, 70002)])
    done = program(env, "sync-all", LOG_LEVEL="INFO")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert sorted(line["account_id"] for line in lines) == [70001, 70002]
    for line in lines:
        assert (line["level"], line["state"], line["mode"]) == ("info", "success", "full")
        assert line["seen"] == line["changed"] > 0
        assert line.keys() >= {"run_id", "api_calls", "duration_s", "timestamp", "event"}
    done = program(env, "sync-all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("given", [None, UUID, "not well formed"])
def test_request_id_connects_answer_receiver_and_job(sync_env: Build, written: ProgramLog, given: str | None) -> None:
    """One id is in the answer, in the receiver's line, and in the lines of the failed attempts."""
    env = sync_env()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations/{id}", times=None)
    mirror = env.mirror(retry_attempts=1)
    with running_receiver(env.database, container=mirror._container) as receiver:  # noqa: SLF001  (as `serve-webhooks` has it)
        credentials = renew(env.database)
        headers: dict[str, Any] = {} if given is None else {"X_Request_ID": given}
        answer = receiver.deliver(credentials, event(), **headers)
    request_id = answer.headers["x-request-id"]
    ((delivery_id,),) = sql.rows(env.database, "SELECT id FROM webhook_log")
    assert request_id == (given if given == UUID else str(delivery_id))
    with mirror.jobs.start_worker(drain=True) as worker:
        worker.wait()
    (stored,) = written.about("stored: account 70001")
    assert (stored["request_id"], stored["account_id"]) == (request_id, 70001)
    asked = written.about("GET /reservations/41200077")
    (again,) = written.about(": tried again in")
    for line in (*asked, again):
        assert line["request_ids"] == [request_id]
        assert (line["account_id"], line["job"]) == (70001, "refresh:70001:reservations:41200077")


def test_repeated_request_id_loses_no_delivery(sync_env: Build) -> None:
    """A proxy gives two requests the same id: both are stored."""
    env = sync_env()
    with running_receiver(env.database) as receiver:
        credentials = renew(env.database)
        answers = [receiver.deliver(credentials, event(id=number), X_Request_ID=UUID) for number in (1, 2)]
    assert [answer.headers["x-request-id"] for answer in answers] == [UUID, UUID]
    assert sql.rows(env.database, "SELECT count(*) FROM webhook_log") == [(2,)]


def test_console_lines_name_their_account() -> None:
    """The account follows the sentence; a line outside of any run has none."""
    line = logging.LogRecord("hostaway_sync", logging.WARNING, __file__, 1, "so it is", None, None)
    assert "account_id" not in logging_setup.plain_formatter().format(line)
    with log_context(account_id=70001):
        assert "so it is account_id=70001" in logging_setup.plain_formatter().format(line)
