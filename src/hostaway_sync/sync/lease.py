"""Hold the lease of an account while a block runs."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, LeaseLost, StoreUnavailable
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)


@contextmanager
def hold_lease(database: Database, account_id: int) -> Iterator[leases.Lease]:
    """Take the lease of an account, renew it while the block runs, and give it back.

    Raises:
        LeaseHeld: another run has it.
    """
    lease = leases.acquire_lease(database, account_id, process_names.name_this_process())
    try:
        with _heartbeat(database, lease):
            yield lease
    except (KeyboardInterrupt, SystemExit):
        database.fail_fast()
        raise
    finally:
        with suppress(StoreUnavailable):  # the lease expires by itself
            leases.release_lease(database, lease)


@contextmanager
def _heartbeat(database: Database, lease: leases.Lease) -> Iterator[None]:
    """Renew the lease while the block runs, however long the source makes it wait."""
    done = threading.Event()

    def renew_until_done() -> None:
        while not done.wait(leases.LEASE_TIME.total_seconds() / 3):
            try:
                leases.renew_lease(database, lease)
            except LeaseLost:
                return  # the next write of the run fails by itself
            except HostawaySyncError as error:
                log.info("account %d: its lease could not be renewed, trying again: %s", lease.account_id, error)

    thread = threading.Thread(target=in_current_context(renew_until_done), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
