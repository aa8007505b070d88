from __future__ import annotations

import json
import os
import pwd
import stat
import struct
import subprocess
from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.support.programs.os_users import NOBODY, only_root, open_room, run_as

from hostaway_sync.environment.trusted_files import open_plain, open_trusted
from hostaway_sync.errors import UntrustedFile
from hostaway_sync.safe_text import hide_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOMEBODY = 12345
"""A user that the system knows no name of."""

TRIED = """
import json, os, sys
from pathlib import Path
from hostaway_sync.environment.trusted_files import open_trusted
from hostaway_sync.errors import ConfigurationError
def tried(path, flags):
    try:
        os.close(open_trusted(Path(path), flags))
    except ConfigurationError as error:
        return str(error)
    except OSError as error:
        return "OSError: " + error.strerror
    return "opened"
print(json.dumps([tried(*case) for case in json.loads(sys.argv[1])]))
"""

MODES = (0o400, 0o600, 0o640, 0o644, 0o660, 0o664, 0o602, 0o622, 0o666, 0o1777)
KINDS = ("file", "directory", "link", "link to a directory", "pipe")


@pytest.fixture
def room() -> Iterator[Path]:
    """Return a directory that other users may enter."""
    with open_room() as directory:
        yield directory


def make(path: Path, kind: str, owner: int, group: int, mode: int) -> None:
    """Make a file, directory, pipe or link at `path`, and beside it the target of a link."""
    real = path.with_name(f"{path.name}.real") if kind.startswith("link") else path
    if kind in {"directory", "link to a directory"}:
        real.mkdir()
    elif kind == "pipe":
        os.mkfifo(real)
    else:
        real.write_text("")
    os.chown(real, owner, group)
    real.chmod(mode)
    if real != path:
        path.symlink_to(real)
        os.chown(path, owner, group, follow_symlinks=False)


@only_root
@pytest.mark.parametrize("user", [0, NOBODY, SOMEBODY])
def test_files_of_other_owners_or_writers_are_refused(room: Path, user: int) -> None:
    """Owner, mode, group and kind in all combinations, opened by root, by a user, and by one without a name."""
    cases = list(product((0, NOBODY, SOMEBODY), MODES, (True, False), KINDS))
    asked = []
    for number, (owner, mode, is_own_group, kind) in enumerate(cases):
        path = room / str(number)
        group = (0 if owner == 0 else owner) if is_own_group else 4321
        make(path, kind, owner, group, mode)
        asked.append((str(path), os.O_RDONLY | (os.O_DIRECTORY if "directory" in kind else 0)))
    answers = run_as(user, TRIED, json.dumps(asked))
    for (owner, mode, is_own_group, kind), (name, _), answer in zip(cases, asked, answers, strict=True):
        # A user without a known primary group has none: 12345 has no name, and only itself knows its group.
        is_own_group = is_own_group and (owner != SOMEBODY or user == SOMEBODY)  # noqa: PLW2901
        is_foreign = owner not in {0, user}
        is_written = bool(mode & 0o002) or (bool(mode & 0o020) and not is_own_group)
        case = (name, oct(mode), owner, is_own_group, kind, answer)
        if kind in {"file", "directory"} and not is_foreign and not is_written:
            may_read = user in {0, owner} or mode & 0o004 or kind == "directory"
            assert answer == ("opened" if may_read else "OSError: Permission denied"), case
        else:
            owner_name = pwd.getpwuid(owner).pw_name if owner != SOMEBODY else str(owner)
            if answer == "OSError: Permission denied":
                # A pipe, or a file that only other users may write.
                assert not is_foreign, case
                assert user != owner, case
                assert not mode & 0o004, case
                continue
            assert name in answer, case
            assert f"user {owner_name}" in answer, case
            assert "chmod" in answer, case


@only_root
def test_new_lock_is_private_to_its_owner(room: Path) -> None:
    """With any umask, no other user may hold the lock or write to the file."""
    room.chmod(0o777)
    for user in (0, NOBODY):
        path = room / f"lock of {user}"
        code = "import os\nos.umask(0)\n" + TRIED
        assert run_as(user, code, json.dumps([(str(path), os.O_RDWR | os.O_CREAT)])) == ["opened"]
        status = path.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (user, 0o600)


@only_root
def test_another_owner_may_be_allowed(room: Path) -> None:
    """Root works in the directory of a user, with the files of that user and of no other."""
    for owner in (NOBODY, SOMEBODY):
        make(room / str(owner), "file", owner, owner, 0o600)
    os.close(open_trusted(room / str(NOBODY), owners={NOBODY}))
    with pytest.raises(UntrustedFile, match=f"belongs to user {SOMEBODY}, and this program runs as user root"):
        open_trusted(room / str(SOMEBODY), owners={NOBODY})


def test_access_list_with_other_writers_is_refused(tmp_path: Path) -> None:
    """Its named users write by the bits of the group, which may be the owner's own."""
    path = tmp_path / "listed"
    path.write_text("")
    entries = ((0x01, 6, 2**32 - 1), (0x02, 6, SOMEBODY), (0x04, 4, 2**32 - 1), (0x10, 6, 2**32 - 1))
    listed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in (*entries, (0x20, 4, 2**32 - 1)))
    try:
        os.setxattr(path, "system.posix_acl_access", listed)
    except OSError:
        pytest.skip("this file system has no access lists")
    with pytest.raises(UntrustedFile, match=r"may be written by users of its access list .*`chmod go-w"):
        open_trusted(path)
    path.chmod(0o644)
    os.close(open_trusted(path))


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "it's",
        "esc\x1b[31m",
        "line\nbreak",
        "bidi\u202ex",
        "no\udcffutf8",
        "back\\\x07slash'",
        "\x01f",
        "é\u200bü",
    ],
)
def test_suggested_command_names_the_file_exactly(tmp_path: Path, name: str) -> None:
    """Also where the sentence, which leaves out control characters, cannot show the name."""
    path = tmp_path / name
    path.write_text("")
    path.chmod(0o666)
    with pytest.raises(UntrustedFile) as caught:
        open_trusted(path)
    command = hide_private(str(caught.value)).split("`")[1]
    subprocess.run(["/bin/bash", "-c", command], check=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening it for reading would wait for a writer."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UntrustedFile, match="is not a regular file"):
        open_plain(tmp_path / "pipe")


def test_link_is_followed_only_on_demand(tmp_path: Path) -> None:
    """Its owner keeps the file elsewhere, and the caller allows links."""
    (tmp_path / "real").write_text("here")
    (tmp_path / "link").symlink_to("real")
    with os.fdopen(open_plain(tmp_path / "link", follow=True)) as file:
        assert file.read() == "here"
    with pytest.raises(UntrustedFile, match="is a link"):
        open_plain(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UntrustedFile, match="is a link"):
        open_trusted(tmp_path / "dangling", os.O_RDWR | os.O_CREAT)
    assert not (tmp_path / "nowhere").exists()


def test_check_uses_the_opened_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file that gets the name during the check does not change the result."""
    (tmp_path / "bad").write_text("bad")
    (tmp_path / "bad").chmod(0o666)
    (tmp_path / "good").write_text("good")
    (tmp_path / "good").chmod(0o600)
    real_open = os.open

    def exchanged(path: Path, *arguments: int) -> int:
        descriptor = real_open(path, *arguments)
        (tmp_path / "good").replace(tmp_path / "bad")
        return descriptor

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(UntrustedFile, match="may be written by every user"):
        open_trusted(tmp_path / "bad")
