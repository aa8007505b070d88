"""The cluster on disk and the launch of its server. All of it is only for who holds the cluster's `server.lock`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.environment.trusted_files import open_plain
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded.location import SOCKET_NAME

if TYPE_CHECKING:
    from hostaway_sync.store.embedded.binaries import Binaries
    from hostaway_sync.store.embedded.location import ClusterLocation, ServerUser

# The shell is gone at once: the server is nobody's child, and nobody's zombie when it dies.
_LAUNCH = '"$@" </dev/null >>"$0" 2>&1 &'
LONGEST_LOG = 10_000_000
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # In files: systemd removes a user's POSIX shared memory at logout, and containers have little of it.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_LONGEST_VERSION = 20
_BUILTIN_LOCALE_SINCE = 17
_IO_METHOD_SINCE = 18


def prepare_cluster(home: ClusterLocation, binaries: Binaries) -> None:
    """Create the cluster if there is none, and remove what dead processes left behind.

    Raises:
        ConfigurationError: the cluster cannot be created, entered, or run by these binaries.
    """
    if not home.account.can_enter(home.cluster):
        raise ConfigurationError(
            f"User {home.account.uid}, who runs PostgreSQL, can no longer enter {home.cluster}: allow others to pass "
            f"through the directories above it (`chmod o+x`)."
        )
    for unfinished in home.cluster.glob("init-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if not (home.data / "PG_VERSION").exists():
        _create(home, binaries)
    _check_major(home, binaries)
    stale = (home.data / "postmaster.pid", home.sockets / SOCKET_NAME, home.sockets / f"{SOCKET_NAME}.lock")
    for left_behind in stale:
        left_behind.unlink(missing_ok=True)
    if log_size(home) > LONGEST_LOG:
        home.log.replace(home.log.with_suffix(".log.1"))


def launch_server(home: ClusterLocation, binaries: Binaries, server_lock: int) -> None:
    """Start the server and return at once; it inherits the lock, but no terminal, pipe or other file of ours."""
    settings = _SETTINGS | {"unix_socket_directories": str(home.sockets)}
    if binaries.major >= _IO_METHOD_SINCE:
        settings["io_method"] = "sync"
    server: list[str | Path] = [binaries.directory / "postgres", "-D", home.data]
    for name, value in settings.items():
        server += ["-c", f"{name}={value}"]
    # A session of its own keeps the server from our terminal's Ctrl-C.
    home.account.run("/bin/sh", "-c", _LAUNCH, home.log, *server, pass_fds=[server_lock], new_session=True)


def log_size(home: ClusterLocation) -> int:
    """Bytes of the server's log so far."""
    return home.log.stat().st_size if home.log.exists() else 0


def read_log_since(home: ClusterLocation, size: int) -> str:
    """The last lines the server logged after its log had `size` bytes, on one line."""
    if not home.log.exists():
        return "it wrote no log"
    # Its directory belongs to the server's account: a link there must not make root print a file of its own.
    with os.fdopen(open_plain(home.log), "rb") as log:
        log.seek(size)
        return _last_lines(log.read().decode(errors="replace"))


def _create(home: ClusterLocation, binaries: Binaries) -> None:
    """Create the cluster under another name and rename it: a killed `initdb` leaves no half cluster behind."""
    account = home.account
    if not account.has_name():
        raise ConfigurationError(
            f"User id {account.uid} has no name on this machine, and PostgreSQL needs one: add it to /etc/passwd, "
            f"or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    locales = [["--locale=C.UTF-8"], ["--locale=C"]]
    if binaries.major >= _BUILTIN_LOCALE_SINCE:
        locales = [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
    said = ""
    for locale in locales:
        fresh = Path(tempfile.mkdtemp(prefix="init-", dir=home.cluster))
        _hand_over(fresh, account)
        made = account.run(binaries.directory / "initdb", *access, "--encoding=UTF8", *locale, "-D", fresh)
        said = made.stdout
        if made.returncode == 0:
            fresh.rename(home.data)
            _flush(home.cluster)
            return
    raise ConfigurationError(f"PostgreSQL could not create a cluster in {home.cluster}: {_last_lines(said)}")


def _hand_over(directory: Path, account: ServerUser) -> None:
    """Give a new directory to the server's account; by a descriptor, because that account may rename it meanwhile."""
    handle = open_plain(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchown(handle, account.uid, account.gid)
    finally:
        os.close(handle)


def _check_major(home: ClusterLocation, binaries: Binaries) -> None:
    with os.fdopen(open_plain(home.data / "PG_VERSION"), encoding="utf-8", errors="replace") as file:
        major = file.read(_LONGEST_VERSION).strip()
    if major != str(binaries.major):
        raise ConfigurationError(
            f"The cluster in {home.data} was made by PostgreSQL {major} and the binaries in {binaries.directory} are "
            f"PostgreSQL {binaries.major}: install PostgreSQL {major}, or move the directory away and sync in full."
        )


def _flush(directory: Path) -> None:
    """Make a rename in this directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_lines(text: str) -> str:
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-5:])
