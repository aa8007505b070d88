from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.deliveries import eventually
from tests.support.programs.program import COVERAGE
from tests.support.project import images
from tests.support.servers.webhook_program import serve_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

EVERY = images.DEPLOY / "every.py"


def contained(env: SyncEnv, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a container: the variables of the image, and two files."""
    for name, key in (("database-url", "DATABASE_URL"), ("master-key", "MASTER_KEY")):
        (tmp_path / name).write_text(env.environment()[f"HOSTAWAY_SYNC_{key}"] + "\n")
    files = {
        "HOSTAWAY_SYNC_DATABASE_URL_FILE": str(tmp_path / "database-url"),
        "HOSTAWAY_SYNC_MASTER_KEY_FILE": str(tmp_path / "master-key"),
        "HOSTAWAY_SYNC_API_URL": env.sandbox.url,
    }
    return images.environment() | files | COVERAGE


def test_commands_work_with_the_environment_of_the_image(sync_env: Callable[..., SyncEnv], tmp_path: Path) -> None:
    """The one-off commands succeed with the image's variables and with secrets from files."""
    env = sync_env()
    ending = [words for words in images.commands() if words[1] in {"migrate", "sync-all"}]
    unlike = {tuple(words) for words in ending}
    assert len(unlike) == 4
    for words in sorted(unlike):
        done = subprocess.run(
            [sys.executable, "-m", "hostaway_sync", *words[1:]],
            env=contained(env, tmp_path),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), words
    assert env.differences() == {}


def test_health_check_of_compose_follows_the_receiver(sync_env: Callable[..., SyncEnv]) -> None:
    """It succeeds while the receiver answers, and fails without an answer."""
    with serve_webhooks(sync_env()) as receiver:
        interpreter, option, code = images.receiver_check()
        assert (interpreter, option) == ("python", "-c")
        asking = [sys.executable, "-c", code.replace("8080", str(receiver.address[1]))]
        assert subprocess.run(asking, check=False, timeout=60).returncode == 0
        receiver.end()
    assert subprocess.run(asking, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode != 0


def test_scheduler_repeats_a_command_until_stopped(tmp_path: Path) -> None:
    """It starts at once, and continues after a failed run."""
    paper = tmp_path / "runs"
    command = [sys.executable, "-c", f"open({str(paper)!r}, 'a').write('x'); raise SystemExit(1)"]
    with subprocess.Popen([sys.executable, EVERY, "0.05", *command]) as every:
        eventually(lambda: paper.exists() and len(paper.read_text()) >= 3, "it runs three times")
        every.send_signal(signal.SIGTERM)
        assert every.wait(60) == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_scheduler_stops_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """The signal reaches the current run, and the scheduler waits for its end."""
    began, ended = tmp_path / "began", tmp_path / "ended"
    code = (
        "import pathlib, signal, sys;"
        f"signal.signal(15, lambda *_: sys.exit(pathlib.Path({str(ended)!r}).touch()));"
        f"pathlib.Path({str(began)!r}).touch(); signal.pause()"
    )
    with subprocess.Popen([sys.executable, EVERY, "3600", sys.executable, "-c", code]) as every:
        eventually(began.exists, "the run begins")
        every.send_signal(number)
        assert every.wait(60) == 128 + number
    assert ended.exists()
