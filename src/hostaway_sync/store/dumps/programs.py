"""Find PostgreSQL's own programs: those of the wheel, else the system's; and run them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError, StoreError
from hostaway_sync.store.embedded.binaries import DEBIAN, wheel_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_FAILURE: Final = re.compile(r"\b(?:error|ERROR|FATAL):")
# Of the last lines that a program wrote when it failed; a longer one repeats the row or statement.
_MOST_SAID: Final = 400


@dataclass(frozen=True, slots=True)
class PostgresProgram:
    """A program of PostgreSQL's: its name, its file, and its major version."""

    name: str
    path: Path
    major: int

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], *, keep_open: Sequence[int] = ()) -> bytes:
        """Run the program to its end, and return what it printed; what interrupts us ends it, too.

        Args:
            arguments: its command line, which every user of the machine can read.
            environment: all its variables.
            keep_open: descriptors that it inherits.

        Raises:
            StoreError: it failed.
        """
        with subprocess.Popen(  # noqa: S603  (our own arguments, no shell)
            [str(self.path), *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=keep_open,
        ) as process:
            try:
                printed, said = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise self.failure(said)
        return printed

    def failure(self, said: bytes) -> StoreError:
        """Return the error of a run that wrote this to stderr."""
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        reason = next((line for line in lines if _FAILURE.search(line)), (lines or ["it was killed"])[-1])
        reason = reason.removeprefix(f"{self.name}: ").removeprefix("error: ")
        return StoreError(f"{self.name} failed: {reason[:_MOST_SAID]}")


def find_program(name: str, *, at_least: int = 0) -> PostgresProgram:
    """Return the first program of this name whose major version is high enough.

    Raises:
        ConfigurationError: there is none on this machine, or it is too old.
    """
    newest = 0
    for directory in _directories(name):
        path = directory / name
        found = _read_major(path)
        if found is not None and found >= at_least:
            return PostgresProgram(name, path, found)
        newest = max(newest, found or 0)
    if newest:
        raise ConfigurationError(
            f"{name} of PostgreSQL {newest} is too old, {at_least} is needed: install the client of PostgreSQL"
            f" {at_least} or newer"
        )
    raise ConfigurationError(
        f"there is no {name} on this machine: install the client of PostgreSQL, so that {name} is on the PATH"
    )


def _directories(name: str) -> Iterator[Path]:
    wheel = wheel_directory()
    if wheel is not None:
        yield wheel
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path).parent
    yield from sorted(DEBIAN.glob("[1-9][0-9]/bin"), key=lambda found: int(found.parent.name), reverse=True)


def _read_major(path: Path) -> int | None:
    """Return the major version of a program; None: it does not run here."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  (a program of PostgreSQL's)
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stdout)
    return int(found[1]) if found else None
