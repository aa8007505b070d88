"""Files that another user of the machine put where the program looks: `.env`, the demo's directory, locks."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.support.programs.os_users import NOBODY, only_root, open_room, program_as
from tests.support.servers.recording_server import RecordingServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

SETTING = "HOSTAWAY_SYNC_LOG_LEVEL=nonsense\n"
READ = "HOSTAWAY_SYNC_LOG_LEVEL"


@pytest.fixture
def room() -> Iterator[Path]:
    """Return a directory that every user may enter."""
    with open_room() as directory:
        yield directory


def dotenv(room: Path, text: str, *, owner: int = 0, mode: int = 0o600) -> Path:
    """Write a `.env`."""
    path = room / ".env"
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


@only_root
def test_another_users_env_file_redirects_nothing(sync_env: Callable[..., SyncEnv], room: Path) -> None:
    """Root runs in another user's directory: no request goes to that user's address, and a sentence says why."""
    built = sync_env(store=False)
    environment = built.environment()
    del environment["HOSTAWAY_SYNC_API_URL"]
    environment["HOSTAWAY_SYNC_CLIENT_SECRET"] = "taken"  # noqa: S105  (what must not be taken)
    with serving(RecordingServer()) as listener:
        path = dotenv(room, f"HOSTAWAY_SYNC_API_URL={listener.url}/v1\n", owner=NOBODY)
        done = program_as(0, "account", "add", "70001", directory=room, environment=environment)
        assert (done.returncode, listener.heard) == (78, []), done.stderr
        assert f"{path} belongs to user nobody ({NOBODY})" in done.stderr
        assert f"`chown root {path} && chmod go-w {path}`" in done.stderr
        # A file that root wrote is read, and its address is used.
        os.chown(path, 0, 0)
        program_as(0, "account", "add", "70001", directory=room, environment=environment)
        assert b"taken" in listener.heard[0].body


@only_root
@pytest.mark.parametrize(
    ("user", "owner", "mode", "is_read"),
    [
        (0, 0, 0o600, True),
        (0, 0, 0o664, True),
        (0, NOBODY, 0o644, False),
        (0, 0, 0o666, False),
        (NOBODY, NOBODY, 0o600, True),
        (NOBODY, NOBODY, 0o664, True),
        (NOBODY, 0, 0o644, True),
        (NOBODY, 0, 0o600, False),
        (NOBODY, 12345, 0o644, False),
        (NOBODY, 12345, 0o600, False),
        (NOBODY, NOBODY, 0o606, False),
    ],
)
def test_env_file_is_read_or_refused_by_its_owner(room: Path, user: int, owner: int, mode: int, is_read: bool) -> None:  # noqa: FBT001
    """A file that only root and the user could write is read; any other is refused, never skipped."""
    path = dotenv(room, SETTING, owner=owner, mode=mode)
    done = program_as(user, "account", "list", directory=room, environment={"HOSTAWAY_SYNC_DATA_DIR": str(room)})
    assert done.returncode == 78, done.stderr
    assert (READ in done.stderr) == is_read, done.stderr
    assert is_read or str(path) in done.stderr
    assert not (room / "postgresql").exists()


@only_root
@pytest.mark.parametrize("leads_to", ["real", "nowhere", "/dev/zero"])
def test_env_file_that_is_a_link_is_refused(room: Path, leads_to: str) -> None:
    """Also where the link leads to a file of the same user."""
    (room / "real").write_text(SETTING)
    (room / ".env").symlink_to(leads_to)
    done = program_as(0, "account", "list", directory=room, environment={})
    assert done.returncode == 78
    assert f"{room}/.env is a link, made by user root (0)" in done.stderr
    assert "HOSTAWAY_SYNC_ENV_FILE" in done.stderr
    assert READ not in done.stderr


@only_root
def test_unreadable_working_directory_has_no_env_file(room: Path) -> None:
    """`sudo -u` runs a program in the directory of the user who called it."""
    with open_room(0o700) as closed:
        dotenv(closed, SETTING, mode=0o644)
        environment = {"HOSTAWAY_SYNC_DATA_DIR": str(room / "none"), "HOSTAWAY_SYNC_LOG_FORMAT": "nonsense"}
        done = program_as(NOBODY, "account", "list", directory=closed, environment=environment)
    assert done.returncode == 78
    assert READ not in done.stderr
    assert "HOSTAWAY_SYNC_LOG_FORMAT" in done.stderr


@only_root
def test_named_env_file_may_be_a_link(room: Path) -> None:
    """HOSTAWAY_SYNC_ENV_FILE replaces `.env`, and may name a link, a pipe, or another user's file."""
    dotenv(room, "HOSTAWAY_SYNC_LOG_FORMAT=nonsense\n", owner=NOBODY, mode=0o666)
    (room / "data").write_text(SETTING)
    os.chown(room / "data", NOBODY, NOBODY)
    (room / "link").symlink_to("data")
    done = program_as(0, "account", "list", directory=room, environment={"HOSTAWAY_SYNC_ENV_FILE": str(room / "link")})
    assert (done.returncode, READ in done.stderr) == (78, True), done.stderr
    assert "HOSTAWAY_SYNC_LOG_FORMAT" not in done.stderr
    done = program_as(0, "account", "list", directory=room, environment={"HOSTAWAY_SYNC_ENV_FILE": "nowhere"})
    assert done.returncode == 78
    assert "HOSTAWAY_SYNC_ENV_FILE nowhere cannot be read: No such file" in done.stderr


@only_root
@pytest.mark.parametrize("planted", ["demo", "demo.lock", "directory of another", "lock of another"])
def test_demo_does_not_follow_links_of_another_user(room: Path, planted: str) -> None:
    """In a shared directory, links to a victim's files neither empty nor delete those files."""
    victim = room / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    data = room / "data"
    data.mkdir()
    data.chmod(0o1777)
    if planted == "demo":
        (data / "demo").symlink_to(victim)
    elif planted == "demo.lock":
        (data / "demo.lock").symlink_to(victim / "precious")
    elif planted == "directory of another":
        (data / "demo").mkdir(mode=0o777)
        (data / "demo" / "something").mkdir()
        os.chown(data / "demo", NOBODY, NOBODY)
    else:
        (data / "demo.lock").touch()
        os.chown(data / "demo.lock", NOBODY, NOBODY)
    before = sorted(room.rglob("*"))
    done = program_as(0, "demo", directory=room, environment={"HOSTAWAY_SYNC_DATA_DIR": str(data)})
    assert done.returncode == 78, done.stderr
    assert re.search(r"is a link, made by user root|belongs to user nobody", done.stderr)
    assert "chmod" in done.stderr
    assert "Traceback" not in done.stderr
    assert (victim / "precious").read_text() == "precious"
    assert {*before} - {*room.rglob("*")} == set()


@only_root
@pytest.mark.parametrize("planted", ["directory", "lock"])
def test_embedded_database_refuses_files_of_another_user(room: Path, planted: str) -> None:
    """In a shared data directory root would run a foreign server, or wait for a foreign lock."""
    data = room / "data"
    data.mkdir()
    data.chmod(0o1777)
    (data / "postgresql").mkdir(mode=0o711)
    if planted == "directory":
        os.chown(data / "postgresql", NOBODY, NOBODY)
    else:
        (data / "postgresql" / "users.lock").touch()
        os.chown(data / "postgresql" / "users.lock", NOBODY, NOBODY)
    done = program_as(0, "account", "list", directory=room, environment={"HOSTAWAY_SYNC_DATA_DIR": str(data)})
    assert done.returncode == 78
    assert f"belongs to user nobody ({NOBODY})" in done.stderr
    assert "chmod go-w" in done.stderr
