"""How the end of a run is told: one line in the log for whoever wants to see that it is well, and why it broke off."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError

if TYPE_CHECKING:
    from hostaway_sync.records import RunReport

BY_SIGNAL = "stopped by a signal"

log = logging.getLogger(__name__)


def tell(report: RunReport) -> None:
    """Say how a run ended; what must be done about one that failed is said by whoever asked for it."""
    parts = [part.counts for part in report.resources.values()]
    seen, changed = sum(part.seen for part in parts), sum(part.inserted + part.updated for part in parts)
    log.info(
        "account %d: %s, %s: %d of %d records changed, %d API calls, %.1f s",
        report.account_id,
        report.state,
        report.mode,
        changed,
        seen,
        report.api_calls,
        report.duration_s,
        extra={
            "state": report.state.value,
            "mode": report.mode.value,
            "seen": seen,
            "changed": changed,
            "api_calls": report.api_calls,
            "duration_s": report.duration_s,
        },
    )


def reason_of(error: BaseException) -> str:
    """Give why a run broke off, for its history."""
    if isinstance(error, HostawaySyncError):
        return str(error)
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return error.code
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return BY_SIGNAL
    return f"unexpected {type(error).__name__}"
