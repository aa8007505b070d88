"""The process around the program: its streams, its signals, and how it ends. Nothing heavy is imported here."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.signals import Signals, Stopped
from hostaway_sync.errors import HostawaySyncError, LeaseHeld, RunIncomplete
from hostaway_sync.observability.tracing import stop_tracing

if TYPE_CHECKING:
    from collections.abc import Callable

# Whoever stops us wants us to be gone.
_SECONDS_FOR_SPANS = 3.0
_SECONDS_WHEN_STOPPED = 1.0

log = logging.getLogger(__name__)


def run(program: Callable[[], object]) -> None:
    """Run the program and end the process with the exit code that its outcome has."""
    streams.prepare()
    threading.excepthook = lambda end: _tell(end.exc_value)
    signals = Signals()
    signals.install()
    code = _outcome(program)
    signals.restore()
    stop_tracing(_SECONDS_FOR_SPANS if signals.code is None else _SECONDS_WHEN_STOPPED)
    unwritten = streams.flush()
    if unwritten is not None and not code:
        code = _refused(unwritten)
    if signals.code is None:
        raise SystemExit(code)
    # Threads may still hang in a request, and need no waiting for: they can write nothing any more.
    if sys.stderr.isatty():
        streams.say("stopped; what was read so far is stored")
        streams.flush()
    os._exit(signals.code)


def _outcome(program: Callable[[], object]) -> int | str | None:
    try:
        program()
    except HostawaySyncError as error:
        said = str(error) if sys.stderr.isatty() else _news(error)
        if said is not None:
            streams.say(said)
        return error.exit_code
    except Stopped:
        return None
    except SystemExit as end:
        return end.code
    except OSError as error:
        return _refused(error)
    except Exception as error:
        from hostaway_sync.store.postgres.driver_errors import unforeseen

        sentence = unforeseen(error)
        if sentence is None:
            _tell(error)
        else:
            log.debug("the database does not take a statement", exc_info=error)
            streams.say(sentence)
        return 1
    return None


def _tell(error: BaseException | None) -> None:
    """Write a traceback to stderr; what an exception quotes may be a guest's."""
    from hostaway_sync.observability.exception_text import format_traceback

    if error is not None:
        sys.stderr.write(format_traceback(error))


def _news(error: HostawaySyncError) -> str | None:
    """Return what cron is to mail: neither that another run is at work, nor what was told within 24 hours."""
    if isinstance(error, LeaseHeld):
        return None
    return error.unreported if isinstance(error, RunIncomplete) else str(error)


def _refused(error: OSError) -> int:
    """Say what the system refused; that the reader of a pipe left needs no words."""
    if not isinstance(error, BrokenPipeError):
        place = f": {error.filename}" if error.filename else ""
        streams.say(f"the system refuses: {error.strerror or error}{place}")
    return 1
