"""A sync as a job of the queue: the same run, and what its outcome means for the queue."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hostaway_sync.errors import AccountError, RunIncomplete, SourceUnavailable
from hostaway_sync.model.records import RunState
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.sync.reporting.outcome import list_ended_alarms, list_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.model.records import RunReport
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.jobs import Job
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)


def run_sync_job(database: Database, attempt: Callable[[Account, Job], RunReport], job: Job) -> None:
    """Sync the account of a job, unless the account was disabled meanwhile.

    Args:
        database: with the accounts.
        attempt: syncs an account as a job asks for.
        job: names the account.

    Raises:
        SourceUnavailable: the run was not whole; another one may be.
        RunIncomplete: the run was not whole, and no other one will be.
        HostawaySyncError: nothing at all could be read.
    """
    account = account_queries.find_account(database, job.account_id)
    if account is None or not account.is_active:
        return
    try:
        report = attempt(account, job)
    except AccountError:  # disabled since the look above
        return
    for sentence in [*(failure for failure, is_news in list_failures(report) if is_news), *list_ended_alarms(report)]:
        log.warning("account %d: %s", account.account_id, sentence)
    if report.state is not RunState.SUCCESS:
        raise (SourceUnavailable if report.can_recover else RunIncomplete)(report.error or "the run was not whole")
