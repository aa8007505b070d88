"""Cron for a container that has none: `every.py SECONDS COMMAND...` runs a command again and again, one at a time.

It starts at once, and then every so many seconds by the clock, at an offset drawn in the beginning: not everybody's
jobs shall start together. A signal goes to the command, too, whose end is waited for; a second one waits for nothing.
The command says itself what goes wrong, and nothing is added here.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """A signal came; its code is 128 and the signal's number."""


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """End whatever is done at the moment."""
    del frame
    for handled in SIGNALS:
        signal.signal(handled, signal.SIG_DFL)
    raise Stopped(128 + number)


def run(command: list[str]) -> None:
    """Run the command to its end, or stop it and wait for that."""
    with subprocess.Popen(command) as process:  # noqa: S603  (what our caller asks for)
        try:
            process.wait()
        except Stopped:
            process.terminate()
            raise


def main(seconds: str, *command: str) -> NoReturn:
    """Run the command at these intervals until a signal comes."""
    every = float(seconds)
    offset = random.uniform(0, every)  # noqa: S311  (spreads load, keeps no secret)
    for handled in SIGNALS:
        signal.signal(handled, stop)
    while True:
        run(list(command))
        time.sleep(every - (time.time() - offset) % every)


if __name__ == "__main__":
    main(*sys.argv[1:])
