"""Choose the directory of the embedded cluster, and the system user that runs its server.

An ordinary user runs the server itself, in the state directory. PostgreSQL refuses to run as root. So root runs it as
the owner of the state directory, or as the system user `hostaway-pg` where root is the owner. If that user cannot
enter the state directory, the cluster is put under `/var/lib/hostaway-sync/elsewhere/`, and the file `LOCATION` in
the state directory names the place: permissions of existing directories are never changed.

The owner of an existing cluster runs it, whatever would be chosen today: so two processes cannot disagree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.environment.file_locks import lock_open_file
from hostaway_sync.environment.trusted_files import open_plain, open_trusted
from hostaway_sync.errors import ConfigurationError

if sys.platform != "win32":
    import pwd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SYSTEM_DIRECTORY = Path("/var/lib/hostaway-sync")
SYSTEM_USER = "hostaway-pg"
# Seconds to wait for another first start by root.
PATIENCE_S = 60.0
SOCKET_NAME = ".s.PGSQL.5432"

# The shortest `sockaddr_un.sun_path` among our platforms is macOS's 104 bytes, with its final zero.
_LONGEST_SOCKET_PATH = 103
_LONGEST_LOCATION = 10_000
# A fixed place: cron and a login shell must find the same one, so TMPDIR and XDG_RUNTIME_DIR are ignored.
_SHORT_DIRECTORY = Path("/tmp")  # noqa: S108 - the directory made there is private, and its owner and mode are verified
# The server must not depend on the shell that starts it: PGPORT, PGDATA, TZ or LANG would change it.
_SERVER_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user that owns the cluster and runs its server."""

    uid: int
    gid: int

    @classmethod
    def ours(cls) -> ServerUser:
        """Return the user of this process."""
        return cls(os.geteuid(), os.getegid())

    def run(
        self, *argv: str | Path, pass_fds: Sequence[int] = (), new_session: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user, with a bare environment and none of our open files but `pass_fds`.

        Returns:
            The finished process; `stdout` holds both its output and its errors.
        """
        is_ours = self.uid == os.geteuid()
        return subprocess.run(  # noqa: S603 - programs and arguments are ours, no shell takes them apart
            [os.fspath(word) for word in argv],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            cwd="/",
            env=_SERVER_ENVIRONMENT,
            pass_fds=pass_fds,
            start_new_session=new_session,
            user=None if is_ours else self.uid,
            group=None if is_ours else self.gid,
            extra_groups=None if is_ours else [],
        )

    def has_name(self) -> bool:
        """Whether the system knows this user by a name; `initdb` refuses to run otherwise."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may enter a directory and all directories above it, ACLs and mounts included."""
        return self.run("/bin/sh", "-c", 'cd -- "$0"', directory).returncode == 0


@dataclass(frozen=True, slots=True)
class ClusterLocation:
    """The directory of one cluster: our locks in it, and the server's own files in `cluster`."""

    directory: Path
    account: ServerUser

    @property
    def cluster(self) -> Path:
        """Directory that belongs to the server's user alone."""
        return self.directory / "cluster"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        """File that the server logs to."""
        return self.cluster / "postgres.log"

    @property
    def sockets(self) -> Path:
        """Directory of the server's Unix socket: in the cluster, or under /tmp if libpq could not name it there."""
        path = self.cluster / "run"
        is_usable = str(path).isprintable() and "," not in str(path)  # to libpq a comma separates hosts
        if is_usable and len(os.fsencode(path / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return path
        return _SHORT_DIRECTORY / f"hostaway-sync-{self.account.uid}-{_short_hash(self.directory)}"


def find_location(state_dir: Path) -> ClusterLocation:
    """Return the location of a state directory's cluster as far as it is decided; create nothing and never fail."""
    directory = _read_location(state_dir) or state_dir
    try:
        owner = (directory / "cluster").lstat()
    except OSError:
        return ClusterLocation(directory, ServerUser.ours())
    return ClusterLocation(directory, ServerUser(owner.st_uid, owner.st_gid))


def settle_location(state_dir: Path) -> ClusterLocation:
    """Return the location of a state directory's cluster; choose and create it if there is none.

    Raises:
        ConfigurationError: the cluster is another user's, or a directory is not as private as it must be.
        OSError: the state directory cannot be created or written.
    """
    as_root = os.geteuid() == 0
    if not state_dir.is_dir():
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        _create(state_dir, 0o711 if as_root else 0o700)
    os.close(open_trusted(state_dir, os.O_RDONLY | os.O_DIRECTORY, owners=_trusted_owners(state_dir)))
    location = find_location(state_dir)
    if as_root and location.account.uid == 0:
        location = _choose_for_root(state_dir, location.directory)
    elif not as_root and location.account.uid != os.geteuid():
        raise ConfigurationError(
            f"The PostgreSQL cluster in {location.cluster} belongs to user {location.account.uid} and you are user "
            f"{os.geteuid()}: run as that user or as root, or set HOSTAWAY_SYNC_DATA_DIR to a directory of your own."
        )
    _require_private(location.cluster, location.account)
    _require_private(location.sockets, location.account)
    return location


@contextlib.contextmanager
def lock_system_directory() -> Iterator[None]:
    """Root only: create `/var/lib/hostaway-sync` if need be, verify that it is root's, and be alone in it.

    Raises:
        ConfigurationError: it is not root's; or another process is in it, and hangs.
    """
    _require_roots(SYSTEM_DIRECTORY)
    handle = os.open(SYSTEM_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock_open_file(handle, SYSTEM_DIRECTORY, PATIENCE_S)
        yield
    finally:
        os.close(handle)


def _choose_for_root(state_dir: Path, directory: Path) -> ClusterLocation:
    owner = state_dir.stat()
    account = ServerUser(owner.st_uid, owner.st_gid) if owner.st_uid else _system_account()
    if account.can_enter(directory):
        return ClusterLocation(directory, account)
    elsewhere = SYSTEM_DIRECTORY / "elsewhere"
    location = ClusterLocation(elsewhere / _short_hash(state_dir), account)
    for ours in (SYSTEM_DIRECTORY, elsewhere, location.directory):
        _require_roots(ours)
    if not account.can_enter(location.directory):
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and user {account.uid} can enter neither {state_dir} nor "
            f"{location.directory}: run `chmod 711 {SYSTEM_DIRECTORY}`, or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    _write_location(state_dir, location.directory)
    return location


def _write_location(state_dir: Path, directory: Path) -> None:
    # An unforeseeable name: the owner of the state directory could have put a link at a known one.
    descriptor, written = tempfile.mkstemp(prefix="LOCATION.", dir=state_dir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o644)
        file.write(
            f"The PostgreSQL cluster of this directory is in {directory}, "
            f"because the system user that runs it cannot enter this one.\n"
        )
    Path(written).replace(state_dir / "LOCATION")


def _trusted_owners(state_dir: Path) -> set[int]:
    """Return the users that may own the state directory: root runs an ordinary user's server as that user.

    In a parent directory that others may write to, such as /tmp, only the parent's owner is trusted.
    """
    parent = state_dir.parent.stat()
    if parent.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        return {parent.st_uid}
    return {parent.st_uid, state_dir.stat().st_uid}


def _read_location(state_dir: Path) -> Path | None:
    """Return where LOCATION points to; only its hash is used, so that its author cannot send root anywhere else."""
    try:
        with os.fdopen(open_plain(state_dir / "LOCATION"), encoding="utf-8") as file:
            match = re.search(r"/elsewhere/([0-9a-f]{16}),", file.read(_LONGEST_LOCATION))
    except (OSError, ValueError, ConfigurationError):
        return None
    return SYSTEM_DIRECTORY / "elsewhere" / match[1] if match else None


def _system_account() -> ServerUser:
    with lock_system_directory():
        found = _find_user(SYSTEM_USER)
        # Cron's PATH has no sbin directories.
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if not found and useradd:
            hidden = ("--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
            ServerUser.ours().run(useradd, *hidden, SYSTEM_USER)
            found = _find_user(SYSTEM_USER)
    found = found or _find_user("nobody")
    if found:
        return found
    raise ConfigurationError(
        f"PostgreSQL does not run as root and there is no user to run it: add a system user {SYSTEM_USER}, "
        f"run hostaway-sync as an ordinary user, or set HOSTAWAY_SYNC_DATABASE_URL."
    )


def _find_user(user: str) -> ServerUser | None:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _create(directory: Path, mode: int) -> None:
    """Create a directory with exactly this mode, whatever the umask; one that exists is left as it is."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=mode)
        directory.chmod(mode)


def _require_private(directory: Path, account: ServerUser) -> None:
    """Create a directory for this user alone, or verify one that exists: another user may have made it."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and os.geteuid() == 0:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)
        found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise ConfigurationError(
            f"{directory} must be a directory that belongs to user {account.uid} and is closed to all others: "
            f"find out who made it, then remove it or run `chmod 700` on it."
        )


def _require_roots(directory: Path) -> None:
    _create(directory, 0o711)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise ConfigurationError(
            f"{directory} must be a directory that belongs to root and that nobody else may write to, because root "
            f"starts programs from there: give it back to root, or set HOSTAWAY_SYNC_DATABASE_URL."
        )


def _short_hash(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
