"""Each wait for a file that another process locks ends, with a sentence that names file and process."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.programs.os_users import only_root

from hostaway_sync.environment import file_locks
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.observability import prometheus
from hostaway_sync.store.embedded import location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A user who may read a directory, or open a file, may lock it: there is no other right to it.
LOCKING = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Make another process lock a file or directory; return its number."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    try:
        yield process.pid
    finally:
        process.communicate(timeout=60)


def alone(path: Path) -> None:
    """Lock a file exclusively, as the embedded server does while it starts."""
    with file_locks.lock_exclusive(path, 0):
        pass


def shared(path: Path) -> None:
    """Lock a file shared, as all users of the embedded server do."""
    os.close(file_locks.lock_shared(path, 0))


def metrics(path: Path) -> None:
    """Write metrics into a directory, which others must be able to read."""
    prometheus.write_textfile(path, [], [])


WAITS: dict[str, tuple[Callable[[Path], None], bool]] = {
    "alone": (alone, False),
    "shared": (shared, False),
    "metrics": (metrics, True),
}


@pytest.mark.parametrize("wait", WAITS)
def test_every_wait_ends_and_names_file_and_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    """Once the other process has released it, the file can be locked."""
    monkeypatch.setattr(prometheus, "LOCK_TIMEOUT_S", 0.0)
    use, is_directory = WAITS[wait]
    path = tmp_path / "locked"
    if is_directory:
        path.mkdir()
    else:
        os.close(file_locks.open_lock(path))
    with locked(path) as number:
        with pytest.raises(ConfigurationError) as caught:
            use(path)
        assert str(path) in str(caught.value)
        assert f"process {number} " in str(caught.value) or not os.path.exists("/proc/locks")  # noqa: PTH110  (short)
    use(path)


@only_root
def test_roots_first_start_waits_no_longer_than_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users may read the system's directory: the one who locks it is named."""
    monkeypatch.setattr(location, "SYSTEM_DIRECTORY", tmp_path / "system")
    monkeypatch.setattr(location, "PATIENCE_S", 0.0)
    with location.lock_system_directory():
        pass
    with (
        locked(tmp_path / "system") as number,
        pytest.raises(ConfigurationError, match=f"process {number} has held .*system"),
        location.lock_system_directory(),
    ):
        pass


def test_hidden_lock_holder_is_reported_as_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not show it, as on macOS, the sentence says how to find it."""
    monkeypatch.setattr(file_locks, "_LOCKS", tmp_path / "nothing")
    path = tmp_path / "locked"
    os.close(file_locks.open_lock(path))
    with locked(path), pytest.raises(ConfigurationError, match=rf"another process, .*{path}.*`fuser`"):
        alone(path)
