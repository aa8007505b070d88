"""Runs, single reads, kills and changes in any order on one sandbox, and what must be true after each."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.barrier import PATIENCE
from tests.support.calendars import marked_days, wrong_days
from tests.support.chaos.random_changes import CHANGING, RandomChanges
from tests.support.kinds import wrong_kinds
from tests.support.processes import printed_text, start_program, start_refresh
from tests.support.record_changes import broken_chains

from hostaway_sync.errors import SourceError
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sync.verify.certificate import Equality

if TYPE_CHECKING:
    import random
    from multiprocessing.process import BaseProcess

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

# Days ahead that are mirrored; less than the shortest calendar that a switch makes.
HORIZON = 60
# The options of one run.
PARTS: list[tuple[str, ...]] = [
    (),
    (Resource.RESERVATIONS,),
    (Resource.LISTINGS, Resource.MESSAGES),
    (Resource.CONVERSATIONS,),
    (Resource.CALENDAR,),
    ("reviews", "tasks", "seasonal_rules"),
    ("custom_fields", "listing_fee_settings"),
]
# At which request a run may be killed; most runs send fewer requests than the last of these.
FATAL = (1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 30)

_THREADS = "SELECT id, thread_due_at FROM conversations WHERE thread_due_at IS NOT NULL"
_LOOKUPS = "SELECT id, thread_due_at FROM reservations WHERE thread_due_at IS NOT NULL"
_FORGOTTEN = (
    "SELECT id FROM conversations WHERE {} = {} AND thread_due_at IS NULL AND missing_since IS NULL"
    " AND (thread_read_at IS NULL OR thread_read_at < '{}')"
)


class SyncChaos:
    """One sandbox that changes while it is mirrored."""

    def __init__(self, env: SyncEnv, chance: random.Random, *, silent: bool = False) -> None:
        self.kills = 0
        self._env = env
        self._chance = chance
        self._silent = silent
        # Two listings whose stays take days of each other.
        env.sandbox.world.link_listings(*sorted(env.truth("listings"))[:2])
        self._changes = RandomChanges(env.sandbox.world, chance, silent=silent)
        self._mirror = env.mirror(calendar_days=HORIZON, resources=("default",))
        self._is_calm = False
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._victim: BaseProcess | None = None
        self._requests_left = 0
        self._mistakes: list[Exception] = []
        env.sandbox.on_request(self._between)

    def step(self, kind: str) -> None:
        """Do one step, and check that no due thread is forgotten."""
        threads, lookups = sql.rows(self._env.database, _THREADS), sql.rows(self._env.database, _LOOKUPS)
        getattr(self, f"_{kind}")()
        assert self._mistakes == []
        waiting = {row[0] for row in sql.rows(self._env.database, _LOOKUPS)}
        lost = [mark for mark in threads if sql.rows(self._env.database, _FORGOTTEN.format("id", *mark))]
        lost += [
            mark
            for mark in lookups
            if mark[0] not in waiting and sql.rows(self._env.database, _FORGOTTEN.format("reservation_id", *mark))
        ]
        assert lost == [], "due once, neither read nor due now"

    def end(self) -> None:
        """Run once in full without further changes, and compare."""
        self._is_calm = True
        env = self._env
        report = self._mirror.sync.run(env.account_id, full=True)
        assert report.state is RunState.SUCCESS, report.error
        assert report.resources[Resource.CALENDAR].state is RunState.SUCCESS, report
        assert wrong_days(env, HORIZON) == {}
        assert not marked_days(env).keys() & env.rows("listings").keys()
        if not env.sandbox.switches.gate_403 and env.sandbox.switches.deleted_object == 404:
            assert wrong_kinds(env, CHANGING, listed=True) == {}
        if self._silent:
            certificate = self._mirror.sync.verify(env.account_id, deep=True, repair=True)
            assert certificate.state is Equality.EQUAL or env.sandbox.switches.deleted_object == 403
        # Where Hostaway says 403 of deleted objects, more than one day must pass before that counts.
        is_proven = env.sandbox.switches.deleted_object == 404
        differences = env.differences(gone_too=is_proven)
        assert differences == {}, differences
        assert broken_chains(env.database) == []
        listed = set(env.truth("conversations"))
        assert not is_proven or not listed & {row[0] for row in sql.rows(env.database, _THREADS)}
        assert sql.rows(env.database, "SELECT owner FROM leases WHERE owner IS NOT NULL") == []
        assert sql.rows(env.database, "SELECT state FROM sync_runs WHERE finished_at IS NULL") == []
        assert (
            sql.rows(env.database, "SELECT count(*) FROM walk_pages")
            == sql.rows(env.database, "SELECT count(*) FROM walks")
            == [(0,)]
        )
        self._mirror.close()

    def _change(self) -> None:
        for _ in range(self._chance.randint(1, 5)):
            self._changes.make_change()

    def _sync(self) -> None:
        parts = self._chance.choice(PARTS)
        self._mirror.sync.run(self._env.account_id, resources=parts, full=self._chance.random() < 0.3)

    def _refresh(self) -> None:
        for _ in range(self._chance.randint(1, 3)):
            self._read(self._mirror)

    def _kill(self) -> None:
        """Start the program, or one reading, and kill it while one of its requests is answered."""
        environment = self._env.environment(RETRY_ATTEMPTS="5", CALENDAR_DAYS=str(HORIZON), RESOURCES="default")
        is_reading = self._chance.random() < 0.25
        self._requests_left = self._chance.choice(FATAL[: 4 if is_reading else None])
        if is_reading:
            victim = start_refresh(environment, self._env.account_id, *self._changes.pick_object())
        else:
            part = [("--resource", str(resource)) for resource in self._chance.choice(PARTS)]
            full = ["--full"] if self._chance.random() < 0.5 else []
            arguments = [word for option in part for word in option]
            victim = start_program(environment, "sync", str(self._env.account_id), *full, *arguments)
        self._victim = victim
        victim.join(2 * PATIENCE)
        assert victim.exitcode is not None, "the program hangs"
        self.kills += victim.exitcode == -9
        self._victim = None
        victim.close()
        assert "Traceback" not in printed_text(environment), printed_text(environment)

    def _read(self, mirror: Any) -> None:
        with suppress(SourceError):  # its thread changed again and again
            mirror.sync.refresh(self._env.account_id, *self._changes.pick_object())

    def _happen(self, cursor: int | None) -> None:
        try:
            self._changes.make_change(cursor=cursor)
        except (LookupError, ValueError) as error:  # in a thread of the sandbox, where no test would see it
            self._mistakes.append(error)

    def _between(self, request: Request) -> None:
        """Change rows between two requests of any process."""
        if self._is_calm or not request.route.startswith("GET /"):
            return
        with self._lock:
            self._requests_left -= 1
            if self._requests_left == 0 and self._victim is not None:
                self._victim.kill()
            if self._chance.random() < 0.2:
                self._happen(request.number("afterId"))
        if self._chance.random() < 0.05 and self._reading.acquire(blocking=False):
            try:
                self._read(self._mirror)
            finally:
                self._reading.release()
