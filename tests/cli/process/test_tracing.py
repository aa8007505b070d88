from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING

import pytest
from tests.support.deliveries import eventually
from tests.support.processes import start_program
from tests.support.programs.program import COVERAGE
from tests.support.servers.otlp_collector import OtlpCollector
from tests.support.servers.recording_server import serving

from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SMALL = [AccountSpec(number, reservations=2, listings=1) for number in (70001, 70002)]


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    """Return a collector that listens."""
    with serving(OtlpCollector()) as opened:
        yield opened


def bare(env: SyncEnv, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run code and then `sync 70001`, in an interpreter of its own; return the imported modules of OpenTelemetry."""
    script = f"""
import sys
{code}
from hostaway_sync.__main__ import main
try:
    main()
finally:
    print([name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google", "requests")])
"""
    return subprocess.run(
        [sys.executable, "-c", script, "sync", "70001"],
        env=env.environment() | COVERAGE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_opentelemetry_is_not_imported_while_it_is_off(sync_env: Build) -> None:
    """A whole sync, in a process of its own."""
    env = sync_env(accounts=SMALL)
    env.surroundings |= {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
    done = bare(env)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_endpoint_without_the_extra_prints_one_sentence(sync_env: Build) -> None:
    """It says what to install, and ends with the exit code of wrong settings."""
    env = sync_env(accounts=SMALL)
    env.surroundings[ENDPOINT] = "http://127.0.0.1:1"
    done = bare(env, "sys.modules['opentelemetry'] = None")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
    assert "pip install 'hostaway-sync[otel]'" in done.stderr
    assert "OTEL_SDK_DISABLED=true" in done.stderr


def test_fleet_exports_one_trace_an_account(sync_env: Build, program: Program, collector: OtlpCollector) -> None:
    """It prints nothing about it; where the export fails, stderr has the run's own sentence only."""
    env = sync_env(accounts=SMALL)
    env.surroundings[ENDPOINT] = collector.url
    done = program(env, "sync-all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(run.facts["account_id"] for run in collector.roots()) == [70001, 70002]
    assert {run.service["service.name"] for run in collector.roots()} == {"hostaway-sync"}
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /listings", times=None)
    done = program(env, "sync", "70001", "--full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert collector.named("run")[-1].failure is not None


def test_unreachable_collector_fails_no_run(sync_env: Build, program: Program, collector: OtlpCollector) -> None:
    """Cron mails one line; a log at DEBUG has no address and no traceback."""
    env = sync_env(accounts=SMALL)
    collector.status = 500
    for url in (collector.url, "http://127.0.0.1:1"):
        env.surroundings[ENDPOINT] = url
        done = program(env, "sync", "70001")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1), done.stderr
        assert json.loads(done.stderr)["level"] == "warning"
    done = program(env, "sync", "70001", LOG_LEVEL="DEBUG")
    assert done.returncode == 0
    assert "/v1/traces" not in done.stderr
    assert (
        sum(json.loads(line)["level"] != "debug" for line in done.stderr.splitlines()) == 2
    )  # one of them ends the run


def test_stopped_run_exports_its_progress(sync_env: Build, collector: OtlpCollector) -> None:
    """Its span says that it was stopped, and the exit code is that of the signal."""
    env = sync_env(accounts=SMALL)
    env.surroundings[ENDPOINT] = collector.url
    silent = Event()
    env.sandbox.faults.add(faults.silence(silent), route="GET /reservations", times=None)
    process = start_program(env.environment(), "sync", "70001")
    eventually(lambda: env.sandbox.calls["GET /reservations"], "a request that hangs")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    silent.set()
    assert process.exitcode == 128 + signal.SIGTERM
    (run,) = collector.named("run")
    assert (run.failure, run.facts["error.type"]) == ("stopped", "Stopped")
