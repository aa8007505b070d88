"""Where the embedded server lives, and as whom it runs.

An ordinary user runs it as themselves, in the state directory. PostgreSQL refuses to run as root, so root hands it to
whoever owns the state directory or, when that is root too, to the system user `hostaway-pg`. If that user cannot enter
the state directory, the cluster goes under `/var/lib/hostaway-sync/elsewhere/` and `LOCATION` in the state directory
says so: the permissions of directories that were there before us are never changed.

Whoever owns an existing cluster runs it, whatever would be chosen today: two processes cannot disagree.
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
# Seconds to wait for another of root's first starts.
PATIENCE_S = 60.0
SOCKET_NAME = ".s.PGSQL.5432"

# The shortest `sockaddr_un.sun_path` among our platforms is macOS's 104 bytes, with its final zero.
_LONGEST_SOCKET_PATH = 103
_LONGEST_LOCATION = 10_000
# A fixed place: cron and a login shell must come to the same one, so TMPDIR and XDG_RUNTIME_DIR do not count.
_SHORT_DIRECTORY = Path("/tmp")  # noqa: S108 - the directory made there is private, and its owner and mode are verified
# The server must not depend on who starts it: PGPORT, PGDATA, TZ or LANG of a login shell would change it.
_SERVER_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system account that owns the cluster and runs its server."""

    uid: int
    gid: int

    @classmethod
    def ours(cls) -> ServerUser:
        """The account of this process."""
        return cls(os.geteuid(), os.getegid())

    def run(
        self, *argv: str | Path, pass_fds: Sequence[int] = (), new_session: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this account, with a bare environment and none of our files but `pass_fds`.

        Returns:
            The finished process; `stdout` holds both its output and its errors.
        """
        ours = self.uid == os.geteuid()
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
            user=None if ours else self.uid,
            group=None if ours else self.gid,
            extra_groups=None if ours else [],
        )

    def has_name(self) -> bool:
        """Whether the system knows this user by a name; `initdb` refuses to run otherwise."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True

    def can_enter(self, directory: Path) -> bool:
        """Whether this account may pass through every directory on the way, ACLs and mounts included."""
        return self.run("/bin/sh", "-c", 'cd -- "$0"', directory).returncode == 0


@dataclass(frozen=True, slots=True)
class ClusterLocation:
    """The directory of one cluster: locks on top, everything that is the server's own in `cluster`."""

    directory: Path
    account: ServerUser

    @property
    def cluster(self) -> Path:
        """What belongs to the server's account, and to nobody else."""
        return self.directory / "cluster"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.cluster / "postgres.log"

    @property
    def sockets(self) -> Path:
        """Where the server's Unix socket lies: in the cluster, or under /tmp when libpq could not name it there."""
        path = self.cluster / "run"
        speakable = str(path).isprintable() and "," not in str(path)  # to libpq a comma separates hosts
        if speakable and len(os.fsencode(path / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return path
        return _SHORT_DIRECTORY / f"hostaway-sync-{self.account.uid}-{_short_hash(self.directory)}"


def find_location(state_dir: Path) -> ClusterLocation:
    """The home of this state directory as far as it is decided yet; creates nothing and never fails."""
    directory = _moved_to(state_dir) or state_dir
    try:
        owner = (directory / "cluster").lstat()
    except OSError:
        return ClusterLocation(directory, ServerUser.ours())
    return ClusterLocation(directory, ServerUser(owner.st_uid, owner.st_gid))


def settle_location(state_dir: Path) -> ClusterLocation:
    """Find the home of this state directory, or choose and create it.

    Raises:
        ConfigurationError: the cluster is another user's, or a directory is not as private as it must be.
        OSError: the state directory cannot be created or written.
    """
    as_root = os.geteuid() == 0
    if not state_dir.is_dir():
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        _create(state_dir, 0o711 if as_root else 0o700)
    os.close(open_trusted(state_dir, os.O_RDONLY | os.O_DIRECTORY, owners=_placers(state_dir)))
    home = find_location(state_dir)
    if as_root and home.account.uid == 0:
        home = _choose_for_root(state_dir, home.directory)
    elif not as_root and home.account.uid != os.geteuid():
        raise ConfigurationError(
            f"The PostgreSQL cluster in {home.cluster} belongs to user {home.account.uid} and you are user "
            f"{os.geteuid()}: run as that user or as root, or set HOSTAWAY_SYNC_DATA_DIR to a directory of your own."
        )
    _keep_private(home.cluster, home.account)
    _keep_private(home.sockets, home.account)
    return home


@contextlib.contextmanager
def lock_system_directory() -> Iterator[None]:
    """Root only: create `/var/lib/hostaway-sync` if need be, verify that it is root's, and be alone in it.

    Raises:
        ConfigurationError: it is not root's; or another process is in it, and hangs.
    """
    _keep_roots(SYSTEM_DIRECTORY)
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
    home = ClusterLocation(elsewhere / _short_hash(state_dir), account)
    for ours in (SYSTEM_DIRECTORY, elsewhere, home.directory):
        _keep_roots(ours)
    if not account.can_enter(home.directory):
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and user {account.uid} can enter neither {state_dir} nor "
            f"{home.directory}: run `chmod 711 {SYSTEM_DIRECTORY}`, or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    _write_location(state_dir, home.directory)
    return home


def _write_location(state_dir: Path, directory: Path) -> None:
    # A name that nobody can foresee: the owner of the state directory could have put a link in its place.
    descriptor, note = tempfile.mkstemp(prefix="LOCATION.", dir=state_dir)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o644)
        file.write(
            f"The PostgreSQL cluster of this directory is in {directory}, "
            f"because the system user that runs it cannot enter this one.\n"
        )
    Path(note).replace(state_dir / "LOCATION")


def _placers(state_dir: Path) -> set[int]:
    """Return who else may own the state directory: root runs the server of an ordinary user as that user.

    In a directory where others may write, such as /tmp, its owner could be anybody.
    """
    parent = state_dir.parent.stat()
    if parent.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        return {parent.st_uid}
    return {parent.st_uid, state_dir.stat().st_uid}


def _moved_to(state_dir: Path) -> Path | None:
    """Where LOCATION points. Only its hash is believed: whoever can write there must not lead root astray."""
    try:
        with os.fdopen(open_plain(state_dir / "LOCATION"), encoding="utf-8") as file:
            said = re.search(r"/elsewhere/([0-9a-f]{16}),", file.read(_LONGEST_LOCATION))
    except (OSError, ValueError, ConfigurationError):
        return None
    return SYSTEM_DIRECTORY / "elsewhere" / said[1] if said else None


def _system_account() -> ServerUser:
    with lock_system_directory():
        found = _named(SYSTEM_USER)
        # Cron's PATH has no sbin directories.
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if not found and useradd:
            hidden = ("--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
            ServerUser.ours().run(useradd, *hidden, SYSTEM_USER)
            found = _named(SYSTEM_USER)
    found = found or _named("nobody")
    if found:
        return found
    raise ConfigurationError(
        f"PostgreSQL does not run as root and there is no user to run it: add a system user {SYSTEM_USER}, "
        f"run hostaway-sync as an ordinary user, or set HOSTAWAY_SYNC_DATABASE_URL."
    )


def _named(user: str) -> ServerUser | None:
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


def _keep_private(directory: Path, account: ServerUser) -> None:
    """Create a directory for this account alone, or verify that it is one: somebody may have been there first."""
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


def _keep_roots(directory: Path) -> None:
    _create(directory, 0o711)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise ConfigurationError(
            f"{directory} must be a directory that belongs to root and that nobody else may write to, because root "
            f"starts programs from there: give it back to root, or set HOSTAWAY_SYNC_DATABASE_URL."
        )


def _short_hash(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
