"""A machine on which cron runs: Debian's own, in namespaces of its own, with one crontab."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable


HERE = Path(__file__).parent
# Cron looks at its crontab once a minute, and a run takes seconds.
PATIENCE = 100


class CronHost:
    """A machine on which cron runs.

    Attributes:
        cron: the daemon, or rather what holds its namespaces.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "home").mkdir()
        (directory / "codes").mkdir()
        (directory / "bin").mkdir()
        program = directory / "bin" / "hostaway-sync"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hostaway_sync "$@"\n')
        program.chmod(0o755)
        self.cron: subprocess.Popen[str] | None = None

    def line(self, command: str, name: object) -> str:
        """Write a line that runs every minute, and whose exit codes are stored."""
        return f"* * * * * {command}; echo $? >> {self.directory}/codes/{name}"

    def start(self, variables: dict[str, str], lines: list[str], **surroundings: str) -> None:
        """Start cron on a crontab, in these surroundings."""
        own = {
            "MAILTO": "operator",
            "HOME": f"{self.directory}/home",
            "PATH": f"{self.directory}/bin:/usr/bin:/bin",
        }
        text = "".join(f"{name}={value}\n" for name, value in (own | variables).items())
        crontab = self.directory / "crontab"
        crontab.write_text(text + "\n".join(lines) + "\n")
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.cron = subprocess.Popen(
            [*alone, "/bin/sh", str(HERE / "crond.sh"), str(crontab), str(self.directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": os.defpath + ":/usr/sbin:/sbin"} | surroundings,
        )

    def stop(self) -> None:
        """End cron and all that it started."""
        if self.cron is not None:
            self.cron.kill()
            self.cron.communicate()

    def codes(self, name: object) -> list[int]:
        """Return how the runs of a line ended, in order."""
        file = self.directory / "codes" / str(name)
        return [int(code) for code in file.read_text().split()] if file.exists() else []

    def mails(self, about: object) -> list[str]:
        """Return the bodies of the mails about the line with this word."""
        letters = [message_from_string(path.read_text()) for path in sorted(self.directory.glob("mail/*.txt"))]
        return [str(letter.get_payload()) for letter in letters if str(about) in str(letter["Subject"])]

    def processes(self, word: object) -> list[psutil.Process]:
        """Return the programs with this word in their command line that cron started."""
        assert self.cron is not None
        found = psutil.Process(self.cron.pid).children(recursive=True)
        return [one for one in found if "hostaway_sync" in one.cmdline() and str(word) in one.cmdline()]

    def wait_for_run(self, name: object, number: int) -> None:
        """Wait until a line has run so often."""
        self.until(lambda: len(self.codes(name)) >= number, f"run {number}")

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait for an effect of cron, which acts once a minute."""
        assert self.cron is not None
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.cron.poll() is None, self.cron.communicate()[0]
            assert time.monotonic() < deadline, what
            time.sleep(0.2)
