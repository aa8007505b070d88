"""The process around the program: streams, signals and exit code. It imports nothing heavy."""

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

# A person who stops the program wants it to end soon.
_SECONDS_FOR_SPANS = 3.0
_SECONDS_WHEN_STOPPED = 1.0

log = logging.getLogger(__name__)


def run(program: Callable[[], object]) -> None:
    """Run the program, and end the process with its exit code."""
    streams.prepare()
    threading.excepthook = lambda end: _write_traceback(end.exc_value)
    signals = Signals()
    signals.install()
    code = _outcome(program)
    signals.restore()
    stop_tracing(_SECONDS_FOR_SPANS if signals.code is None else _SECONDS_WHEN_STOPPED)
    unwritten = streams.flush()
    if unwritten is not None and not code:
        code = _report_os_error(unwritten)
    if signals.code is None:
        raise SystemExit(code)
    # Threads may still wait for an answer; they can write nothing any more, so that none is waited for.
    if sys.stderr.isatty():
        streams.print_notice("stopped; what was read so far is stored")
        streams.flush()
    os._exit(signals.code)


def _outcome(program: Callable[[], object]) -> int | str | None:
    try:
        program()
    except HostawaySyncError as error:
        said = str(error) if sys.stderr.isatty() else _news(error)
        if said is not None:
            streams.print_notice(said)
        return error.exit_code
    except Stopped:
        return None
    except SystemExit as end:
        return end.code
    except OSError as error:
        return _report_os_error(error)
    except Exception as error:
        from hostaway_sync.store.postgres.driver_errors import describe_unexpected_error

        sentence = describe_unexpected_error(error)
        if sentence is None:
            _write_traceback(error)
        else:
            log.debug("the database does not take a statement", exc_info=error)
            streams.print_notice(sentence)
        return 1
    return None


def _write_traceback(error: BaseException | None) -> None:
    """Write a traceback to stderr; what an exception quotes may be a guest's."""
    from hostaway_sync.observability.exception_text import format_traceback

    if error is not None:
        sys.stderr.write(format_traceback(error))


def _news(error: HostawaySyncError) -> str | None:
    """Return what cron is to mail; None: another run is at work, or it was mailed within 24 hours."""
    if isinstance(error, LeaseHeld):
        return None
    return error.unreported if isinstance(error, RunIncomplete) else str(error)


def _report_os_error(error: OSError) -> int:
    """Report an error of the operating system, but for a pipe whose reader left; return the exit code."""
    if not isinstance(error, BrokenPipeError):
        place = f": {error.filename}" if error.filename else ""
        streams.print_notice(f"the system refuses: {error.strerror or error}{place}")
    return 1
