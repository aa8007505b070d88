from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.programs.program import COVERAGE, SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def run(streams: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with its streams redirected as a shell does it."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "hostaway_sync", *arguments],
        env=environment | COVERAGE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="latin-1",
        timeout=60,
        check=False,
    )
    assert not any(word in done.stdout + done.stderr for word in (*SECRETS, "Traceback", "ignored")), done
    return done


def test_healthy_run_needs_no_open_stream(sync_env: Build) -> None:
    """With all three closed, the connection to the database does not become a stream, and all rows are mirrored."""
    env = sync_env()
    assert run(">&- 2>&- <&-", "sync", "70001", **env.environment()).returncode == 0
    assert env.differences() == {}


@pytest.mark.parametrize("streams", [">&-", "2>&-", "2>/dev/full"])
def test_unwritable_stream_is_no_failure_without_output(streams: str) -> None:
    """The program succeeds where it prints nothing."""
    done = run(streams, "--version")
    assert (done.returncode, done.stderr) == (0, "")


def test_full_disk_prints_one_sentence() -> None:
    """Lost output is a failure."""
    done = run(">/dev/full", "--version")
    assert (done.returncode, done.stderr) == (1, "hostaway-sync: the system refuses: No space left on device\n")


def test_broken_pipe_ends_with_1_in_silence() -> None:
    """As with `head`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hostaway_sync", "migrate", "--sql"],
        env=COVERAGE,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("streams", ["<&-", "0>/dev/null"])
def test_closed_stdin_for_a_secret_is_a_usage_error(streams: str) -> None:
    """The sentence says that nothing was piped in."""
    done = run(streams, "account", "add", "70001", "--secret-stdin")
    assert done.returncode == 2
    assert done.stderr.startswith("hostaway-sync: the client secret ")


@pytest.mark.parametrize(("name", "secret"), [("\udcff", "s"), ("n", "\udcff")])
def test_arguments_that_are_no_utf8_are_a_usage_error(name: str, secret: str) -> None:
    """They are refused before anything is opened."""
    done = run("", "account", "add", "70001", "--name", name, HOSTAWAY_SYNC_CLIENT_SECRET=secret)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is not UTF-8 text" in done.stderr


def test_output_encoding_without_a_letter_is_no_failure(sync_env: Build) -> None:
    """A table shows an escape in its place, and JSON stays the same document."""
    env = sync_env()
    sql.execute(env.database, "UPDATE accounts SET name = 'Café 😊'")
    latin = env.environment() | {"PYTHONIOENCODING": "latin-1"}
    table = run("", "account", "list", **latin)
    assert table.returncode == 0
    assert "Café \\U0001f60a" in table.stdout
    (document,) = json.loads(run("", "account", "list", "--json", **latin).stdout)
    assert document["name"] == "Café 😊"


def test_unusable_data_directory_is_a_configuration_error() -> None:
    """The demo prints the same single sentence as every other command."""
    done = run("", "demo", HOSTAWAY_SYNC_DATA_DIR="/proc/x")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.count("\n") == 1
    assert "HOSTAWAY_SYNC_DATA_DIR" in done.stderr


def test_missing_ca_certificates_are_a_configuration_error(sync_env: Build, tmp_path: Path) -> None:
    """One sentence names the variable."""
    environment = sync_env().environment(API_URL="https://127.0.0.2/v1") | {"SSL_CERT_FILE": str(tmp_path / "nowhere")}
    done = run("", "sync", "70001", **environment)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.count("\n") == 1
    assert "SSL_CERT_FILE" in done.stderr
