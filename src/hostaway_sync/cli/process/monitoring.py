"""How runs and workers are watched: metrics in a file, and pings to a monitor."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hostaway_sync.cli.process.open_app import open_mirror, read_settings
from hostaway_sync.errors import HostawaySyncError, LeaseHeld
from hostaway_sync.observability.exception_text import describe_exception
from hostaway_sync.observability.logging_setup import plain_formatter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import SecretStr

    from hostaway_sync.app.mirror import Mirror

_LINES: Final = 20
_LAST_WORDS: Final = 2.0

log = logging.getLogger(__name__)


class Reported:
    """A run whose metrics are written and whose end is pinged.

    Attributes:
        mirror: whose run it is.
        summary: its result in a few words, for the ping.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.summary = ""


@contextmanager
def reported(*, textfile: Path | None, pings: bool = True) -> Iterator[Reported]:
    """Open the mirror; when the block ends, write the metrics and ping the monitor.

    Two ends are not pinged: another run at work is no failure, and a signal means that a person stops the program.

    Args:
        textfile: directory for the metrics; None: the one that the settings name, if any.
        pings: ping the monitor that the settings name, if any.
    """
    settings = read_settings()
    directory = textfile or settings.metrics_textfile_dir
    outcome: list[Reported] = []
    with _pinged(settings.ping_url if pings else None, outcome), open_mirror(settings=settings) as mirror:
        outcome.append(Reported(mirror))
        try:
            yield outcome[0]
        except Exception:
            _export(mirror, directory)
            raise
        _export(mirror, directory)


@contextmanager
def exported(mirror: Mirror, directory: Path | None, *, every: float = 60.0) -> Iterator[None]:
    """Write the metrics every so many seconds while the block runs, and at its end; without a directory, never."""
    if directory is None:
        yield
        return
    is_over = threading.Event()

    def export() -> None:
        while not is_over.wait(every):
            _export(mirror, directory)

    # A daemon: a database that does not answer must not keep the program from ending.
    thread = threading.Thread(target=export, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(_LAST_WORDS)
        if not thread.is_alive():
            _export(mirror, directory)


@contextmanager
def _pinged(url: SecretStr | None, outcome: list[Reported]) -> Iterator[None]:
    if url is None:
        yield
        return
    from hostaway_sync.observability.monitor_pings import MonitorPings

    pings = MonitorPings(url)
    tail = _Tail()
    logging.getLogger().addHandler(tail)
    try:
        pings.start()
        yield
    except LeaseHeld:
        raise
    except Exception as error:
        pings.fail("\n".join([*tail.lines, f"hostaway-sync: {describe_exception(error)}"]))
        raise
    else:
        pings.success(outcome[0].summary)
    finally:
        logging.getLogger().removeHandler(tail)


def _export(mirror: Mirror, directory: Path | None) -> None:
    """Write the metrics; an error is logged, and does not fail the run."""
    if directory is None:
        return
    try:
        mirror.status.write_metrics(directory)
    except OSError as error:
        log.warning("the metrics cannot be written into %s: %s", directory, error.strerror)
    except HostawaySyncError as error:
        log.warning("the metrics cannot be written: %s", error)


class _Tail(logging.Handler):
    """Keeps the last lines of the log, without colours, for a ping."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(plain_formatter())
        self.lines: deque[str] = deque(maxlen=_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
