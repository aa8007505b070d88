from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.servers.http_server import PATIENCE, read_answer
from tests.support.servers.webhook_program import (
    WebhookProgram,
    check_health,
    registered_webhook,
    serve_webhooks,
    write_delivery,
)

from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_webhook_is_registered_checked_listed_and_removed(sync_env: Build, program: Program) -> None:
    """Silent by default, documents with --json, and never a secret."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        done = program(env, "webhooks", "register", "70001", "--url", receiver.base)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        hook = registered_webhook(env)
        secret = hook["url"].rpartition("/")[2]
        env.sandbox.world.create_reservation()
        assert set(env.sandbox.deliver()) == {200}
        checked = program(env, "webhooks", "check", "70001", "--json")
        assert (checked.returncode, checked.stderr) == (0, "")
        assert json.loads(checked.stdout) == [
            {
                "account_id": 70001,
                "is_registered": True,
                "is_enabled": True,
                "problems": [],
                "others": [],
                "audit": {"has_log": True, "announced": 1, "lost": 0, "is_whole": True, "is_first": True},
            }
        ]
        listed = program(env, "webhooks", "list", "--json")
        (row,) = json.loads(listed.stdout)
        assert row["address"] == receiver.base + "/…"
        assert (row["account_id"], row["hook_id"], row["kind"], row["is_enabled"]) == (70001, 4711, "ours", True)
        assert "ours" in program(env, "webhooks", "list", "70001").stdout
        again = program(env, "webhooks", "register", "70001", "--url", receiver.base, "--json")
        assert json.loads(again.stdout)["is_new"] is False
        gone = program(env, "webhooks", "unregister", "70001")
        assert (gone.returncode, gone.stdout, gone.stderr) == (0, "", "")
        code, printed = receiver.end()
    assert code == 143
    assert "reservation.created" in printed
    for output in (printed, checked.stdout, listed.stdout, again.stdout):
        assert secret not in output
        assert hook["password"] not in output
    assert sql.rows(env.database, "SELECT DISTINCT event FROM webhook_log") == [("reservation.created",)]
    told = sql.rows(
        env.database, "SELECT changes ->> 'webhook' FROM audit_log WHERE action = 'updated' ORDER BY audit_id"
    )
    assert told == [("registered",), ("registered",), ("unregistered",)]


def test_unreachable_receiver_prints_two_sentences(sync_env: Build, program: Program) -> None:
    """What Hostaway said, and what to check."""
    env = sync_env()
    done = program(env, "webhooks", "register", "70001", "--url", "https://nobody.example")
    assert (done.returncode, done.stdout) == (1, "")
    assert "serve-webhooks" in done.stderr
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize("url", ["http://sync.example.org", "sync.example.org", ""])
def test_invalid_webhook_address_is_a_usage_error(program: Program, url: str) -> None:
    """Exit 2, before anything is opened."""
    assert program(None, "webhooks", "register", "70001", "--url", url).returncode == 2


def test_webhooks_check_reports_problems_with_exit_1(sync_env: Build, program: Program) -> None:
    """It names webhooks of other software as well."""
    env = sync_env()
    hooks = env.sandbox.accounts[env.account_id].hooks
    hooks.create({"url": "https://other.example/path"})
    done = program(env, "webhooks", "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no webhook" in done.stderr
    assert "https://other.example/…" in done.stderr


def test_one_failing_account_stops_no_other(sync_env: Build, program: Program) -> None:
    """Exit 1, and the other accounts are listed."""
    specs = [AccountSpec(id=number, reservations=3, listings=1) for number in (70001, 70002)]
    env = sync_env(accounts=specs)
    env.sandbox.accounts[70002].hooks.create({"url": "https://other.example/path"})
    env.sandbox.revoke_tokens(70001)
    env.sandbox.reconfigure(70001, secret_deleted=True)
    done = program(env, "webhooks", "list", "--json")
    assert done.returncode == 1
    assert "account 70001" in done.stderr
    assert [row["account_id"] for row in json.loads(done.stdout)] == [70002]


@pytest.mark.parametrize("command", ["list", "check"])
def test_wrong_settings_fail_before_any_account(sync_env: Build, program: Program, command: str) -> None:
    """Exit 78 and one sentence: the setting removes less from payloads than the database demands."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=3, listings=1) for number in (70001, 70002)])
    env.mirrored(payload_fields="*.guestEmail=drop")
    done = program(env, "webhooks", command)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "account 70001" not in done.stderr


def test_webhook_of_an_unknown_account_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 1, and what to type."""
    done = program(sync_env(store=False), "webhooks", "check", "70001")
    assert (done.returncode, done.stdout) == (1, "")
    assert "account add 70001" in done.stderr


def test_receiver_does_not_start_on_an_old_schema(sync_env: Build, program: Program) -> None:
    """Exit 78: it could store nothing."""
    env = sync_env()
    with env.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.alembic_version SET version_num = '0001'"))
    done = program(env, "serve-webhooks", "--port", "0", "--no-worker")
    assert done.returncode == 78
    assert "migrate" in done.stderr


def test_occupied_port_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 1, and the number of the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = program(sync_env(), "serve-webhooks", "--port", str(port), "--no-worker")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_during_a_request_body_waits_for_its_end(sync_env: Build, program: Program, number: int) -> None:
    """The delivery is stored and acknowledged, no other is accepted, and the exit code names the signal."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        program(env, "webhooks", "register", "70001", "--url", receiver.base)
        start, body = write_delivery(env)
        with receiver.connect() as connection, receiver.connect() as idle:
            connection.sendall(start + body[:9])
            check_health(receiver)
            receiver.process.send_signal(number)
            assert idle.recv(1) == b""
            connection.sendall(body[9:])
            assert read_answer(connection).status == 200
        assert receiver.process.wait(PATIENCE) == 128 + number
    assert sql.rows(env.database, "SELECT count(*) FROM webhook_log") == [(1,)]


def test_receiver_with_worker_refreshes_delivered_objects(sync_env: Build, program: Program) -> None:
    """It reads and stores the object of a delivery; one signal stops both parts."""
    env = sync_env()
    with serve_webhooks(env, worker=True) as receiver:
        program(env, "webhooks", "register", "70001", "--url", receiver.base)
        number = env.sandbox.world.create_reservation()
        assert set(env.sandbox.deliver()) == {200}
        deadline = time.monotonic() + PATIENCE
        while (
            sql.rows(env.database, "SELECT 1 FROM webhook_log WHERE processed_at IS NULL")
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        assert number in env.rows("reservations")
        code, _ = receiver.end()
    assert code == 143


def test_second_signal_does_not_wait_for_a_body(sync_env: Build, program: Program) -> None:
    """An impatient user need not wait for a body that never comes."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        program(env, "webhooks", "register", "70001", "--url", receiver.base)
        start, body = write_delivery(env)
        with receiver.connect() as connection, receiver.connect() as idle:
            connection.sendall(start + body[:9])
            check_health(receiver)
            os.kill(receiver.process.pid, signal.SIGTERM)
            assert idle.recv(1) == b""
            os.kill(receiver.process.pid, signal.SIGTERM)
            assert receiver.process.wait(PATIENCE) in {143, -15}
    assert sql.rows(env.database, "SELECT count(*) FROM webhook_log") == [(0,)]


def _flood(receiver: WebhookProgram, number: int) -> list[socket.socket]:
    """Open connections and send nothing on them; connections that are not accepted stay pending."""
    flood = []
    for _ in range(number):
        connection = socket.socket()
        connection.settimeout(0)
        connection.connect_ex(receiver.address)
        flood.append(connection)
    return flood


def test_idle_connections_block_no_delivery(sync_env: Build, program: Program) -> None:
    """A new connection replaces the one that is idle for the longest, with one log line a second."""
    env = sync_env()
    with serve_webhooks(env, open_files=160) as receiver:
        program(env, "webhooks", "register", "70001", "--url", receiver.base)
        start, body = write_delivery(env)
        began = time.monotonic()
        flood = _flood(receiver, 300)
        for _ in range(3):
            with receiver.connect() as connection:
                connection.sendall(start + body)
                assert read_answer(connection).status == 200
            flood += _flood(receiver, 100)
        for connection in flood:
            connection.close()
        _, printed = receiver.end()
    lines = [line for line in printed.splitlines() if "the longest idle one is closed" in line]
    assert 1 <= len(lines) <= time.monotonic() - began + 2, printed
    assert "Too many open files" not in printed
    assert sql.rows(env.database, "SELECT count(*) FROM webhook_log") == [(3,)]


def test_receiver_without_descriptors_logs_once_a_second(sync_env: Build) -> None:
    """It says that it can accept no connection, goes on, and does not fill the disk."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        check_health(receiver)
        began = time.monotonic()
        soft, hard = resource.prlimit(receiver.process.pid, resource.RLIMIT_NOFILE)
        is_open = len(list(Path(f"/proc/{receiver.process.pid}/fd").iterdir()))
        resource.prlimit(receiver.process.pid, resource.RLIMIT_NOFILE, (is_open + 3, hard))
        flood = _flood(receiver, 200)
        assert receiver.process.stdout is not None
        assert any("no connection can be accepted now" in line for line in receiver.process.stdout)
        resource.prlimit(receiver.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for connection in flood:
            connection.close()
        check_health(receiver)
        _, printed = receiver.end()
    assert len(printed) < 2_000 * (time.monotonic() - began + 2)
    assert "Traceback" not in printed
