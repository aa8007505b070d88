"""sync-all: every active account, one after the other; a failed one is tried once more at the end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import ConfigurationError, HostawaySyncError, LeaseHeld
from hostaway_sync.records import RunReport, RunState
from hostaway_sync.sync.plan import can_recover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """How one account of a fleet ended; `report` is None where there was no run, and then `error` says why."""

    account_id: int
    state: RunState
    report: RunReport | None
    error: str | None
    can_recover: bool = False


def sync_fleet(account_ids: Iterable[int], attempt: Callable[[int], RunReport]) -> list[AccountOutcome]:
    """Sync every account; none keeps the others from theirs.

    Args:
        account_ids: whom.
        attempt: tries one account; called a second time for those that failed and may recover.

    Returns:
        One outcome an account, in the order given. An account that another run works on is skipped, which is no
        failure.
    """
    outcomes = {account_id: _tried(account_id, attempt) for account_id in account_ids}
    for account_id, outcome in outcomes.items():
        if outcome.can_recover:
            outcomes[account_id] = _tried(account_id, attempt)
    return list(outcomes.values())


def _tried(account_id: int, attempt: Callable[[int], RunReport]) -> AccountOutcome:
    try:
        report = attempt(account_id)
    except LeaseHeld as error:
        return AccountOutcome(account_id, RunState.SKIPPED, None, str(error))
    except ConfigurationError:
        # It would be the same for every account.
        raise
    except HostawaySyncError as error:
        return AccountOutcome(account_id, RunState.FAILED, None, str(error), can_recover(error))
    except Exception:
        log.exception("account %d: this is a bug of hostaway-sync", account_id)
        return AccountOutcome(account_id, RunState.FAILED, None, "an unexpected error; the log has its traceback")
    return AccountOutcome(account_id, report.state, report, report.error, report.can_recover)
