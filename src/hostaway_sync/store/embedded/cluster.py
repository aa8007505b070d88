"""Create the cluster on disk and launch its server; the caller holds the cluster's `server.lock`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.environment.trusted_files import open_plain
from hostaway_sync.environment.whole_files import flush_directory
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded.location import SOCKET_NAME

if TYPE_CHECKING:
    from hostaway_sync.store.embedded.binaries import Binaries
    from hostaway_sync.store.embedded.location import ClusterLocation, ServerUser

# The shell exits at once: so the server is no child of ours, and no zombie when it dies.
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


def prepare_cluster(location: ClusterLocation, binaries: Binaries) -> None:
    """Create the cluster if there is none, and remove files that dead processes left behind.

    Raises:
        ConfigurationError: the cluster cannot be created or entered, or these binaries cannot run it.
    """
    if not location.account.can_enter(location.cluster):
        raise ConfigurationError(
            f"User {location.account.uid}, who runs PostgreSQL, can no longer enter {location.cluster}: allow others "
            f"to pass through the directories above it (`chmod o+x`)."
        )
    for unfinished in location.cluster.glob("init-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if not (location.data / "PG_VERSION").exists():
        _create(location, binaries)
    _check_major(location, binaries)
    stale = (location.data / "postmaster.pid", location.sockets / SOCKET_NAME, location.sockets / f"{SOCKET_NAME}.lock")
    for left_behind in stale:
        left_behind.unlink(missing_ok=True)
    if log_size(location) > LONGEST_LOG:
        location.log.replace(location.log.with_suffix(".log.1"))


def launch_server(location: ClusterLocation, binaries: Binaries, server_lock: int) -> None:
    """Start the server and return at once; it inherits the lock, and no terminal, pipe or other file of ours."""
    settings = _SETTINGS | {"unix_socket_directories": str(location.sockets)}
    if binaries.major >= _IO_METHOD_SINCE:
        settings["io_method"] = "sync"
    server: list[str | Path] = [binaries.directory / "postgres", "-D", location.data]
    for name, value in settings.items():
        server += ["-c", f"{name}={value}"]
    # A session of its own keeps the server from our terminal's Ctrl-C.
    location.account.run("/bin/sh", "-c", _LAUNCH, location.log, *server, pass_fds=[server_lock], new_session=True)


def log_size(location: ClusterLocation) -> int:
    """Return the size of the server's log in bytes."""
    return location.log.stat().st_size if location.log.exists() else 0


def read_log_since(location: ClusterLocation, size: int) -> str:
    """Return the last lines that the server logged after its log had `size` bytes, on one line."""
    if not location.log.exists():
        return "it wrote no log"
    # The directory belongs to the server's user: a link there must not make root print one of root's files.
    with os.fdopen(open_plain(location.log), "rb") as log:
        log.seek(size)
        return _last_lines(log.read().decode(errors="replace"))


def _create(location: ClusterLocation, binaries: Binaries) -> None:
    """Create the cluster under another name and rename it: a killed `initdb` leaves no half cluster behind."""
    account = location.account
    if not account.has_name():
        raise ConfigurationError(
            f"User id {account.uid} has no name on this machine, and PostgreSQL needs one: add it to /etc/passwd, "
            f"or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    locales = [["--locale=C.UTF-8"], ["--locale=C"]]
    if binaries.major >= _BUILTIN_LOCALE_SINCE:
        locales = [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
    output = ""
    for locale in locales:
        fresh = Path(tempfile.mkdtemp(prefix="init-", dir=location.cluster))
        _hand_over(fresh, account)
        made = account.run(binaries.directory / "initdb", *access, "--encoding=UTF8", *locale, "-D", fresh)
        output = made.stdout
        if made.returncode == 0:
            fresh.rename(location.data)
            flush_directory(location.cluster)
            return
    raise ConfigurationError(f"PostgreSQL could not create a cluster in {location.cluster}: {_last_lines(output)}")


def _hand_over(directory: Path, account: ServerUser) -> None:
    """Give a new directory to the server's user; by a descriptor, because that user may rename it meanwhile."""
    handle = open_plain(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchown(handle, account.uid, account.gid)
    finally:
        os.close(handle)


def _check_major(location: ClusterLocation, binaries: Binaries) -> None:
    with os.fdopen(open_plain(location.data / "PG_VERSION"), encoding="utf-8", errors="replace") as file:
        major = file.read(_LONGEST_VERSION).strip()
    if major != str(binaries.major):
        raise ConfigurationError(
            f"The cluster in {location.data} was made by PostgreSQL {major} and the binaries in {binaries.directory} "
            f"are PostgreSQL {binaries.major}: install PostgreSQL {major}, or move the directory away and sync in full."
        )


def _last_lines(text: str) -> str:
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-5:])
