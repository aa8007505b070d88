"""sync-all: mirror every active account, several at once, and try a failed one once more at the end."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from hostaway_sync.errors import ConfigurationError, HostawaySyncError, LeaseHeld
from hostaway_sync.model.records import RunReport, RunState
from hostaway_sync.observability.log_context import log_context
from hostaway_sync.store.postgres.driver_errors import describe_unexpected_error
from hostaway_sync.sync.plan import can_recover
from hostaway_sync.sync.progress import Progress
from hostaway_sync.sync.reporting.outcome import derive_outcome, list_failures
from hostaway_sync.sync.reporting.run_log import BY_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from hostaway_sync.model.records import Source
    from hostaway_sync.sync.run import Run

# Runs that are stopped need a moment to store their end and to give back their leases.
_SECONDS_TO_STOP = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """How one account of a fleet ended.

    Attributes:
        account_id: the account.
        state: how its run ended; SKIPPED where there was none to make.
        report: of the run; None where there was no run, and then `error` tells why.
        error: what went wrong, as sentences; None: nothing did.
        can_recover: whether another attempt may do better.
        away: a sentence that the source was away; None: it was there.
    """

    account_id: int
    state: RunState
    report: RunReport | None
    error: str | None
    can_recover: bool = False
    away: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether another run works on the account, whose end is not known yet."""
        return self.state is RunState.SKIPPED and self.report is None


class FleetProgress(Progress, Protocol):
    """Watches many runs at once."""

    def finish_account(self, account_id: int, done: int, total: int) -> None:
        """Show that an account ended, as `done` of `total`; an account that is tried again ends twice."""
        ...


class RunningRuns:
    """The runs that are under way in several threads; `stop` ends all of them at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: list[tuple[Run, Source]] = []
        self._stopped_by: str | None = None

    @contextmanager
    def track(self, run: Run, source: Source) -> Iterator[None]:
        """Count `run` as running while the block runs; SystemExit if all were stopped before."""
        with self._lock:
            if self._stopped_by is not None:
                raise SystemExit(self._stopped_by)
            self._open.append((run, source))
        try:
            yield
        finally:
            with self._lock:
                self._open.remove((run, source))

    def stop(self, why: str) -> None:
        """End every run under way, and let no run begin from now on."""
        with self._lock:
            self._stopped_by = why
            for run, source in self._open:
                run.stop(why)
                source.close()


def sync_fleet(
    account_ids: Sequence[int],
    attempt: Callable[[int], RunReport],
    *,
    jobs: int = 1,
    stop: Callable[[str], None] = lambda _: None,
    progress: FleetProgress | None = None,
) -> list[AccountOutcome]:
    """Sync every account; one that fails does not stop the others.

    Args:
        account_ids: in the order in which they begin.
        attempt: syncs one account; called a second time for an account that failed and may recover.
        jobs: how many accounts at once.
        stop: ends all attempts under way, for the given reason: a signal came, or the settings are wrong for all.
        progress: is told of every account that ended.

    Returns:
        One outcome an account, by id. An account that another run works on, or has mirrored meanwhile, is skipped,
        which is no failure. Once the source is known to be away, the remaining accounts fail without a run.

    Raises:
        ConfigurationError: every account would fail with it.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="account")
    futures: list[Future[AccountOutcome]] = []
    outcomes: dict[int, AccountOutcome] = {}

    def attempt_unless_away(account_id: int) -> AccountOutcome:
        away = next((outcome.away for outcome in tuple(outcomes.values()) if outcome.away), None)
        if away is not None:
            return AccountOutcome(account_id, RunState.FAILED, None, away, away=away)
        return _attempt_account(account_id, attempt)

    def attempt_all(chosen: Iterable[int], attempt_one: Callable[[int], AccountOutcome]) -> None:
        futures.clear()
        for account_id in chosen:
            futures.append(pool.submit(attempt_one, account_id))  # noqa: PERF401  (a signal may come in between)
        for future in as_completed(futures):
            outcome = future.result()
            outcomes[outcome.account_id] = outcome
            if progress is not None:
                progress.finish_account(outcome.account_id, len(outcomes), len(account_ids))

    try:
        attempt_all(account_ids, attempt_unless_away)
        # Each of these has a run that waits for its end, whether the source is away or not.
        again = [account_id for account_id in account_ids if outcomes[account_id].can_recover]
        attempt_all(again, partial(_attempt_account, attempt=attempt))
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        stop(str(error) if isinstance(error, HostawaySyncError) else BY_SIGNAL)
        wait([future for future in futures if not future.cancelled()], timeout=_SECONDS_TO_STOP)
        raise
    pool.shutdown()
    return [outcomes[account_id] for account_id in sorted(outcomes)]


def _attempt_account(account_id: int, attempt: Callable[[int], RunReport]) -> AccountOutcome:
    try:
        with log_context(account_id=account_id):
            report = attempt(account_id)
    except LeaseHeld as error:
        return AccountOutcome(account_id, RunState.SKIPPED, None, str(error))
    except ConfigurationError:
        # Every account would fail with it.
        raise
    except HostawaySyncError as error:
        return AccountOutcome(account_id, RunState.FAILED, None, str(error), can_recover(error))
    except Exception as error:
        if sentence := describe_unexpected_error(error):
            log.debug("account %d: the database refuses a statement", account_id, exc_info=error)
            return AccountOutcome(account_id, RunState.FAILED, None, sentence)
        log.exception("account %d: this is a bug of hostaway-sync", account_id)
        return AccountOutcome(account_id, RunState.FAILED, None, "an unexpected error; the log has its traceback")
    wrong = "; ".join(sentence for sentence, _ in list_failures(report)) or report.error
    return AccountOutcome(account_id, derive_outcome(report), report, wrong, report.can_recover, report.away)
