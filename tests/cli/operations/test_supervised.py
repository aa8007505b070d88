from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

RECEIVER = ["serve-webhooks", "--port", "0"]


@pytest.mark.parametrize("words", [["worker"], RECEIVER, [*RECEIVER, "--no-worker"]], ids=" ".join)
def test_services_notify_systemd(sync_env: Callable[..., SyncEnv], tmp_path: Path, words: list[str]) -> None:
    """A service says when it is ready, that it lives as often as systemd asks, and that it stops at the signal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "n"))
        ear.settimeout(60)
        asked = {"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "400000"}
        process = start_beside(sync_env().environment() | asked, *words, stderr=subprocess.PIPE)
        try:
            said = [ear.recv(100)]
            while said.count(b"WATCHDOG=1") < 3 or b"READY=1" not in said:
                said.append(ear.recv(100))
            process.send_signal(signal.SIGTERM)
            while said[-1] != b"STOPPING=1":
                said.append(ear.recv(100))
            assert process.communicate(timeout=60)[1] == ""
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 143
    assert set(said) == {b"READY=1", b"WATCHDOG=1", b"STOPPING=1"}
