"""The program's webhook receiver as systemd runs it, and requests to it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.programs.forked import start_beside
from tests.support.programs.program import COVERAGE
from tests.support.servers.http_server import PATIENCE, head, read_answer
from tests.support.servers.receiver import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.sync_env import SyncEnv


class WebhookProgram:
    """A receiver as systemd runs it, and its log."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.address = "127.0.0.1", port
        self.base = f"http://127.0.0.1:{port}"

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(self.address, timeout=PATIENCE)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it and return its exit code and its last output."""
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed


@contextmanager
def serve_webhooks(
    env: SyncEnv, *, worker: bool = False, open_files: int | None = None, **settings: str
) -> Iterator[WebhookProgram]:
    """Run `serve-webhooks` on a free port; with `open_files` it may have so many open files at most."""
    arguments = ["serve-webhooks", "--port", "0", *([] if worker else ["--no-worker"])]
    environment = env.environment(**{"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"} | settings)
    if open_files:
        command = ["/bin/sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh", sys.executable, "-m", "hostaway_sync"]
        process = subprocess.Popen(
            command + arguments,
            env=environment | COVERAGE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    else:
        process = start_beside(environment, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        words = ""
        while "listening" not in words:
            line = process.stdout.readline()
            assert line, process.wait()
            words = json.loads(line)["event"]
        assert words.startswith("receiver: listening on 127.0.0.1 port ")
        yield WebhookProgram(process, int(words.split()[-1]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def registered_webhook(env: SyncEnv) -> dict[str, Any]:
    """Return the webhook that the source has."""
    (hook,) = env.sandbox.accounts[env.account_id].hooks.all()
    return hook


def write_delivery(env: SyncEnv) -> tuple[bytes, bytes]:
    """Return head and body of a delivery to the registered address."""
    hook, body = registered_webhook(env), event()
    login = b64encode(f"{hook['login']}:{hook['password']}".encode()).decode()
    path = urlsplit(hook["url"]).path
    return head("POST", path, login=f"Basic {login}", Content_Length=str(len(body))), body


def check_health(receiver: WebhookProgram) -> None:
    """Check that it answers."""
    with receiver.connect() as connection:
        connection.sendall(head("GET", "/health"))
        assert read_answer(connection).status == 200
