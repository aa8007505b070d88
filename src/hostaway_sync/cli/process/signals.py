"""What SIGHUP, SIGINT and SIGTERM do: the first one unwinds the program, a second one ends it at once."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SECONDS_UNTIL_AGAIN = 0.01


class Stopped(SystemExit):
    """A signal came: raised at the current line of the program, so that a run is marked and its lease released."""


class Signals:
    """The signals of this process.

    Attributes:
        code: the exit code of the signal that came, 128 and its number; None while there was none.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        # A program started by nohup is meant to outlive its terminal.
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._handled = [signal.SIGINT, signal.SIGTERM] if is_nohup else [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]

    def install(self) -> None:
        """Install the handlers: the first signal from now on unwinds the program."""
        for number in self._handled:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._raise)
        sys.unraisablehook = self._unraisable

    def restore(self) -> None:
        """Restore the default action, which ends the process: nothing is left to unwind, or it unwinds already."""
        for number in self._handled:
            signal.signal(number, signal.SIG_DFL)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.restore()
        self.code = 128 + number
        self._raise(number, frame)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Stopped(self.code)

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Raise `Stopped` again if it was raised in a finalizer or callback, where Python drops every exception.

        A timer raises it a moment later, because Python drops exceptions here, too.
        """
        if issubclass(unraisable.exc_type, Stopped):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_UNTIL_AGAIN)
        else:
            sys.__unraisablehook__(unraisable)
