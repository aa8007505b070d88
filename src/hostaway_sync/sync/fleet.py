"""sync-all: every active account, one after the other; a failed one is tried once more at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, LeaseHeld
from hostaway_sync.records import RunReport, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """How one account of a fleet ended; `report` is None where there was no run, and then `error` says why."""

    account_id: int
    state: RunState
    report: RunReport | None
    error: str | None


def sync_fleet(account_ids: Iterable[int], attempt: Callable[[int], RunReport]) -> list[AccountOutcome]:
    """Sync every account; none keeps the others from theirs.

    Args:
        account_ids: whom.
        attempt: tries one account; called a second time for those that failed.

    Returns:
        One outcome an account, in the order given. An account that another run works on is skipped, which is no
        failure.
    """
    outcomes = {account_id: _tried(account_id, attempt) for account_id in account_ids}
    for account_id, outcome in outcomes.items():
        if outcome.state not in {RunState.SUCCESS, RunState.SKIPPED}:
            outcomes[account_id] = _tried(account_id, attempt)
    return list(outcomes.values())


def _tried(account_id: int, attempt: Callable[[int], RunReport]) -> AccountOutcome:
    try:
        report = attempt(account_id)
    except LeaseHeld as error:
        return AccountOutcome(account_id, RunState.SKIPPED, None, str(error))
    except HostawaySyncError as error:
        return AccountOutcome(account_id, RunState.FAILED, None, str(error))
    return AccountOutcome(account_id, report.state, report, report.error)
