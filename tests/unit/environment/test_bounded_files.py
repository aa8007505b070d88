"""Files that a variable names and that may never end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hostaway_sync.environment import bounded_files
from hostaway_sync.environment.variables import Environment, read_environment
from hostaway_sync.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a directory without `.env`, with short waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bounded_files, "READ_TIMEOUT_S", 0.3)


def key_from(path: Path | str) -> Environment:
    """Read the environment with a key in a file."""
    return read_environment({"HOSTAWAY_SYNC_MASTER_KEY_FILE": str(path)}, ["master_key"], ["master_key"])


def settings_from(path: Path | str) -> Environment:
    """Read the environment with an environment file."""
    return read_environment({"HOSTAWAY_SYNC_ENV_FILE": str(path)}, ["master_key"], ["master_key"])


@pytest.mark.parametrize("read", [key_from, settings_from])
def test_pipe_is_read_to_its_end(read: type) -> None:
    """A shell passes one for `<(command)`; the command may have ended or not."""
    for is_early in (True, False):
        reader, writer = os.pipe()
        words = b"k" * 3000 if read is key_from else b"HOSTAWAY_SYNC_MASTER_KEY=" + b"k" * 3000

        def write(writer: int = writer, words: bytes = words) -> None:
            os.write(writer, words)
            os.close(writer)

        thread = threading.Timer(0 if is_early else 0.05, write)
        thread.start()
        if is_early:
            thread.join()
        assert read(f"/dev/fd/{reader}").values == {"master_key": "k" * 3000}
        thread.join()
        os.close(reader)


@pytest.mark.parametrize("read", [key_from, settings_from])
@pytest.mark.parametrize("has_writer", [True, False])
def test_silent_pipe_times_out(tmp_path: Path, read: type, *, has_writer: bool) -> None:
    """With a program at its other end, and without one."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR) if has_writer else None
    with pytest.raises(ConfigurationError, match=r"_FILE .*pipe cannot be read: no program wrote all of it within"):
        read(path)
    if end is not None:
        os.close(end)


@pytest.mark.parametrize("read", [key_from, settings_from])
def test_endless_or_huge_file_is_refused(tmp_path: Path, read: type) -> None:
    """A device, or a file larger than any file of settings."""
    large = tmp_path / "large"
    large.write_bytes(b"a" * (bounded_files.MAX_BYTES + 1))
    for path in (Path("/dev/zero"), large):
        with pytest.raises(ConfigurationError, match=r"_FILE .* cannot be read: it is larger than 1 MB"):
            read(path)


def test_dev_null_is_an_empty_file(tmp_path: Path) -> None:
    """Operators use `/dev/null` for no file; links are followed."""
    (tmp_path / "link").symlink_to("/dev/null")
    assert settings_from("/dev/null").values == {}
    assert settings_from(tmp_path / "link").values == {}
    with pytest.raises(ConfigurationError, match="Is a directory"):
        settings_from(tmp_path)
