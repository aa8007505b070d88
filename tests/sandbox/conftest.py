from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.servers.sandbox_client import SandboxClient, open_once

from hostaway_sync.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers.sandbox_client import OpenedSandbox, OpenSandbox


@pytest.fixture
def open_sandbox() -> Iterator[OpenSandbox]:
    """Return a function that starts a sandbox and a caller; both end with the test."""
    started: list[tuple[Sandbox, SandboxClient]] = []

    def start(**options: Any) -> tuple[Sandbox, SandboxClient]:
        sandbox = Sandbox(**{"token_delay": 0, "reservations": 120, "listings": 4} | options).start()
        caller = SandboxClient(sandbox, next(iter(sandbox.accounts)))
        started.append((sandbox, caller))
        return sandbox, caller

    yield start
    for sandbox, caller in started:
        caller.close()
        sandbox.stop()


@pytest.fixture(scope="session")
def opened_sandbox() -> OpenedSandbox:
    """Return the context manager that property tests use for each example."""
    return open_once
