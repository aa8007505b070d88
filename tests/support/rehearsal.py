"""Work of most programs, done once in the process that they are forked from: none of them compiles it again."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.support.sync_env import SyncEnv

from hostaway_sync.sandbox import Sandbox
from hostaway_sync.store.postgres.database import Database

# Names a migrated database that nothing else uses.
REHEARSAL_URL = "TESTS_REHEARSAL_URL"


def rehearse(url: str) -> None:
    """Mirror a small account into a database, compare it, and run the queries of commands."""
    with ExitStack() as stack:
        database = Database(url, schema="hostaway")
        stack.callback(database.close)
        sandbox = stack.enter_context(Sandbox(reservations=3, listings=2, token_delay=0.0))
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        env = SyncEnv(sandbox, database, Path(directory), stack)
        env.store_account()
        mirror = env.mirror()
        for is_full in (True, False):
            mirror.sync.run(env.account_id, full=is_full)
        mirror.sync.run_all()
        mirror.sync.verify(env.account_id)
        mirror.accounts.list_all()
        mirror.accounts.read_details(env.account_id)
        mirror.status.overview()
        mirror.status.history(env.account_id, runs=1)
        mirror.status.alarms()
        mirror.jobs.list_dead_letters()
        mirror.jobs.has_worker()
    # A forked process lacks all other threads, so that a lock of one of them would be held for ever.
    assert threading.active_count() == 1, threading.enumerate()
