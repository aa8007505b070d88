"""Facts about the machine: free disk space, and what starts runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostaway_sync.doctor.checks import starts_runs
from hostaway_sync.doctor.findings import DiskSpace, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CRONTABS: Final = ("etc/crontab", "etc/cron.d/*", "etc/cron.hourly/*", "etc/cron.daily/*", "etc/anacrontab")
# The command that a timer starts is in its service.
_UNITS: Final = (
    "etc/systemd/system/*.service",
    "usr/lib/systemd/system/*.service",
    "usr/local/lib/systemd/system/*.service",
)
_OWN_UNITS: Final = ".config/systemd/user/*.service"
_TIMEOUT: Final = 3.0
_LARGEST_FILE: Final = 256 * 1024


def read_disk_space(directory: Path) -> DiskSpace:
    """Return the disk space where a directory is, or would be created; raise OSError when it cannot be read."""
    there = next(place for place in (directory, *directory.parents) if place.exists())
    usage = shutil.disk_usage(there)
    is_writable = os.access(directory, os.W_OK | os.X_OK) if there == directory else None
    return DiskSpace(str(directory), usage.free, usage.total, is_writable)


def find_schedule(root: Path = Path("/"), home: Path | None = None) -> Schedule:
    """Find the crontabs and timers that start runs; `root` is the root of the file system."""
    own = _own_crontab()
    places = ["your crontab"] if own is not None and starts_runs(own) else []
    unread = []
    units = [*_files(root, _UNITS), *(_files(home, (_OWN_UNITS,)) if home else ())]
    for path in (*_files(root, _CRONTABS), *units):
        if path in units and not path.with_suffix(".timer").exists():
            continue
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(_LARGEST_FILE)
        except OSError:
            unread.append(str(path))
            continue
        if starts_runs(text):
            places.append(str(path.with_suffix(".timer") if path in units else path))
    return Schedule(tuple(places), tuple(unread))


def _own_crontab() -> str | None:
    """Return the crontab of this user; None when there is none, or no cron."""
    try:
        answer = subprocess.run(
            ["crontab", "-l"],  # noqa: S607  (its directory differs from system to system)
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else None


def _files(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        try:
            yield from sorted(path for path in root.glob(pattern) if path.is_file())
        except OSError:
            continue
