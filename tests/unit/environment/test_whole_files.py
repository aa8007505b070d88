from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.environment.whole_files import whole_file
from hostaway_sync.errors import UntrustedFile, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Until then the old one is read; it is the owner's alone, and a link leads to what is replaced."""
    file, link = tmp_path / "out", tmp_path / "link"
    file.write_bytes(b"old")
    link.symlink_to(file)
    with whole_file(link, may_replace=True) as made:
        made.stream.write(b"new")
        made.stream.flush()
        assert file.read_bytes() == b"old"
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [link, file]


def test_error_leaves_nothing(tmp_path: Path) -> None:
    """Neither the file nor its hidden name; what a killed process left is written anew."""
    file = tmp_path / "out"
    (tmp_path / ".out.part").write_bytes(b"a long leftover")
    with pytest.raises(ZeroDivisionError), whole_file(file, may_replace=False) as made:
        made.stream.write(b"half" * (1 // 0))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".out.part").write_bytes(b"a long leftover")
    with whole_file(file, may_replace=False) as made:
        made.stream.write(b"new")
    assert file.read_bytes() == b"new"


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    """The second is refused; a file that appeared meanwhile is not replaced unless that was asked for."""
    file = tmp_path / "out"
    with whole_file(file, may_replace=False) as made:
        made.stream.write(b"mine")
        with pytest.raises(UsageError, match="another process is writing"), whole_file(file, may_replace=True):
            pytest.fail("it was opened twice")
    with pytest.raises(UsageError, match="exists"), whole_file(tmp_path / "late", may_replace=False):
        (tmp_path / "late").write_bytes(b"theirs")
    assert (file.read_bytes(), (tmp_path / "late").read_bytes()) == (b"mine", b"theirs")
    assert list(tmp_path.glob(".*")) == []


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    """No directory, pipe or device, and no hidden name that somebody else made a link."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="is not a file"), whole_file(path, may_replace=True):
            pytest.fail("it was opened")
    (tmp_path / ".out.part").symlink_to(tmp_path / "precious")
    with pytest.raises(UntrustedFile, match="is a link"), whole_file(tmp_path / "out", may_replace=True):
        pytest.fail("it was opened")


def test_writers_that_take_turns_leave_whole_files(tmp_path: Path) -> None:
    """Nobody empties the file to which another one has just given its name."""
    file = tmp_path / "out"
    seen: set[bytes] = set()

    def write(sign: bytes) -> None:
        for _ in range(300):
            with suppress(UsageError), whole_file(file, may_replace=True) as made:
                made.stream.write(sign * 1000)
            with suppress(FileNotFoundError):
                seen.add(file.read_bytes())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (b"a", b"b", b"c")))
    assert seen <= {b"a" * 1000, b"b" * 1000, b"c" * 1000}
