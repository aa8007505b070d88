"""Gathers the facts, at the same time and each for some seconds at most, and has them judged."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from hostaway_sync.app.resources import core_schema
from hostaway_sync.doctor import automation_checks, causes, checks, database_checks, host
from hostaway_sync.doctor.findings import AccountCheck, AccountChecks, Finding, Grade, KeyFacts, ProbeFacts
from hostaway_sync.doctor.timeouts import Question, ask_each
from hostaway_sync.errors import (
    ConfigurationError,
    HostawaySyncError,
    KeyMissing,
    RateLimited,
    SecretError,
    SecretGone,
    SecretsUnavailable,
    SourceAway,
    SourceUnavailable,
    StoreError,
)
from hostaway_sync.platforms.hostaway.http.probe import NoBudget, probe
from hostaway_sync.store import jobs, time_marks
from hostaway_sync.store.automations import registry
from hostaway_sync.store.callers.api_keys import inspect_callers
from hostaway_sync.store.request_budget import DatabaseBudget
from hostaway_sync.store.schema.core_views import inspect_core
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.status.server import read_server
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.webhooks.registration.public_url import build_delivery_url
from hostaway_sync.webhooks.registration.self_test import run_self_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import sqlalchemy as sa

    from hostaway_sync.app.container import Container
    from hostaway_sync.doctor.findings import Installation
    from hostaway_sync.model.api_calls import Budget
    from hostaway_sync.model.status import DatabaseServer, Overview
    from hostaway_sync.platforms.hostaway.http.limits import Rate
    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.store.automations.states import Automation
    from hostaway_sync.store.webhooks.credentials import StoredHook

T = TypeVar("T")
# A question that the database or the source answers takes milliseconds; an embedded server takes a second to start.
PATIENCE: Final = timedelta(seconds=8)
# Of the questions that are asked about every account, some at once: fifteen minutes of 500 accounts become one.
PATIENCE_PER_ACCOUNT: Final = timedelta(seconds=0.15)
_SOURCE_ADVICE: Final = (
    "check HOSTAWAY_SYNC_API_URL, and the way there: DNS, firewall, and the proxy if the environment names one"
)


class Examination:
    """One examination of an installation.

    Args:
        installation: its directory, database and API address.
        address: the name of our address, and its request limit.
        open_container: opens the database; may raise `HostawaySyncError`.
        find_keys: returns the key ring, without the database.
        platform: the part of a delivery URL that names the platform.
        patience: how long one question may take.
    """

    def __init__(
        self,
        installation: Installation,
        *,
        address: tuple[str, Rate],
        open_container: Callable[[], Container],
        find_keys: Callable[[], KeyRing],
        platform: str,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._installation = installation
        self._egress, self._limit = address
        self._open_container = open_container
        self._find_keys = find_keys
        self._platform = platform
        self._patience = patience

    def findings(self) -> tuple[Finding, ...]:
        """Examine everything, and return the findings, the worst first."""
        directory = Path(self._installation.data_dir)
        space = Question(partial(host.read_disk_space, directory))
        schedule = Question(partial(host.find_schedule, home=_home()))
        ring = Question(self._find_keys)
        found: list[Finding] = []
        container = self._open(found)
        if container is None:
            is_new = any(one.check == "database" and one.grade is Grade.HINT for one in found)
            found += self._without_database(ring, is_new=is_new)
        else:
            with closing(container):
                found += self._with_database(container, ring)
        found += checks.check_files(self._installation)
        disk = self._check("disk", space, partial(checks.check_disk, installation=self._installation))
        if self._installation.is_embedded and causes.has_trouble(disk, "disk"):
            found = causes.drop_explained(found, ["database"], "it cannot work while its disk has that trouble")
        found += disk
        found += self._check("schedule", schedule, checks.check_schedule)
        return checks.sort_by_grade(found)

    def _open(self, found: list[Finding]) -> Container | None:
        """Return the container of a database that works; else None, with the reason added to `found`."""
        opening = Question(self._open_container)
        try:
            container = opening.wait_for_answer(self._until())
        except (HostawaySyncError, TimeoutError) as error:
            found.append(checks.failed_check("database", error, "nothing works without it: is its server running?"))
            return None
        server = Question(partial(read_server, container.database))
        advice = "nothing works without it: check HOSTAWAY_SYNC_DATABASE_URL, and that its server runs"
        found += self._check(
            "database", server, partial(checks.check_database, installation=self._installation), advice
        )
        if self._is_usable(server):
            return container
        container.close()
        return None

    def _is_usable(self, server: Question[DatabaseServer]) -> bool:
        try:
            found = server.wait_for_answer(time.monotonic())
        except (HostawaySyncError, TimeoutError):
            return False
        return found.is_current and not found.missing_rights and not found.is_read_only

    def _without_database(self, ring: Question[KeyRing], *, is_new: bool) -> Iterator[Finding]:
        # Every other process needs a slot of the database to send a request: while the database is away, only this one
        # sends any.
        probing = Question(partial(self._probe_source, NoBudget(), is_shared=False))
        keys = Question(lambda: self._read_keys(ring, is_new=is_new))
        yield from self._check("key ring", keys, checks.check_keys)
        yield from self._check(
            "source", probing, partial(checks.check_source, installation=self._installation), _SOURCE_ADVICE
        )
        yield causes.not_checked("tables", "tokens, budget, queue, runs and webhooks need the database")

    def _with_database(self, container: Container, ring: Question[KeyRing]) -> Iterator[Finding]:
        probing = Question(partial(self._probe_source, DatabaseBudget(container.database), is_shared=True))
        known = Question(container.overview)
        keys = Question(lambda: self._read_keys(ring, container))
        future = Question(partial(time_marks.find_future_marks, container.database))
        views = Question(lambda: inspect_core(container.database, core_schema(container.settings)).outdated)
        told = Question(partial(container.database.transaction, _read_automations))
        role = Question(partial(container.database.transaction, inspect_callers))
        of_keys = self._check("key ring", keys, checks.check_keys)
        of_source = self._check(
            "source", probing, partial(checks.check_source, installation=self._installation), _SOURCE_ADVICE
        )
        of_runs = self._check("runs", known, checks.check_tables)
        explained = frozenset({causes.KEY_RING} if causes.has_trouble(of_keys, "key ring") else ())
        is_away = causes.has_trouble(of_source, "source")
        if is_away:
            of_runs = causes.drop_explained(of_runs, ["runs"], "no run can end well while the source cannot be reached")
            of_runs = [one for one in of_runs if not causes.has_trouble([one], "source")]
        elif causes.has_trouble(of_runs, "source"):
            of_runs = causes.drop_explained(of_runs, ["runs"], "every run ends at once while the source is away")
            explained |= {causes.SOURCE_AWAY}
        if explained:
            of_runs = causes.drop_explained(of_runs, ["runs"], "no run can end well without the secrets")
        yield from (*of_keys, *of_source, *of_runs)
        yield from self._check("changes", known, database_checks.check_feed)
        yield from self._check("automations", told, lambda facts: automation_checks.check_automations(*facts))
        yield from self._check("core", views, database_checks.check_core_views)
        yield from self._check("core", known, database_checks.check_new_words)
        yield from self._check("api role", role, database_checks.check_api_role)
        yield from self._check("clock", future, checks.check_future_marks)
        if is_away:
            yield causes.not_checked("token", "the source cannot be reached")
        else:
            accounts = _list_active(known, self._until())
            yield from checks.check_tokens(self._check_each(accounts, partial(_check_token, container)), explained)
        registered = Question(lambda: _list_registered(container))
        yield from self._check("webhooks", registered, partial(self._check_receivers, container, explained=explained))

    def _read_keys(
        self, ring: Question[KeyRing], container: Container | None = None, *, is_new: bool = False
    ) -> KeyFacts:
        try:
            return _count_values(ring.wait_for_answer(self._until()), container)
        except KeyMissing:
            if is_new or (container is not None and not container.database.transaction(sealing.has_sealed_values)):
                return KeyFacts("nowhere", 0)
            raise

    def _probe_source(self, budget: Budget, *, is_shared: bool) -> ProbeFacts:
        result = probe(
            self._installation.api_url,
            budget,
            egress=self._egress,
            address_limit=self._limit,
            timeout=self._patience / 2,
        )
        if result.server_time is None:
            return ProbeFacts(result.status, result.seconds)
        by_database = result.observed_at - result.server_time if is_shared else None
        return ProbeFacts(result.status, result.seconds, result.local_time - result.server_time, by_database)

    def _check_receivers(
        self, container: Container, registered: list[StoredHook], explained: frozenset[str]
    ) -> Iterator[Finding]:
        by_account = {hook.account_id: hook for hook in registered}

        def ask(account_id: int) -> AccountCheck:
            try:
                credentials = by_account[account_id].open(container.vault())[0]
            except HostawaySyncError as error:
                return AccountCheck(account_id, str(error), cause=_cause(error))
            secret = credentials.path_secret.get_secret_value()
            url = build_delivery_url(by_account[account_id].url or "", self._platform, account_id, secret)
            trouble = run_self_test(url, credentials)
            says = trouble and f"account {account_id}'s receiver is not reached: {trouble}"
            return AccountCheck(account_id, says, cause=f"{urlsplit(url).netloc}: {trouble}")

        yield from checks.check_webhooks(self._check_each(list(by_account), ask), explained)

    def _check_each(self, accounts: list[int], ask: Callable[[int], AccountCheck]) -> AccountChecks:
        until = self._until() + (PATIENCE_PER_ACCOUNT * len(accounts)).total_seconds()
        asked = sorted(ask_each(accounts, ask, until=until), key=lambda proof: proof.account_id)
        return AccountChecks(tuple(asked), len(accounts) - len(asked))

    def _check(
        self, check: str, question: Question[T], judge: Callable[[T], Iterator[Finding]], advice: str | None = None
    ) -> list[Finding]:
        try:
            return list(judge(question.wait_for_answer(self._until())))
        except (HostawaySyncError, OSError) as error:
            return [checks.failed_check(check, error, advice)]

    def _until(self) -> float:
        return time.monotonic() + self._patience.total_seconds()


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _count_values(ring: KeyRing, container: Container | None = None) -> KeyFacts:
    if container is None:
        return KeyFacts(ring.source.name, len(ring.ids))
    counts = container.database.transaction(sealing.values_by_key)
    lost = sum(number for key, number in counts.items() if key is not None and key not in ring.ids)
    plain = counts.pop(None, 0)
    return KeyFacts(ring.source.name, len(ring.ids), counts.total(), lost, plain)


def _read_automations(connection: sa.Connection) -> tuple[list[Automation], datetime]:
    return registry.read_automations(connection), jobs.read_clock(connection)


def _list_active(known: Question[Overview], until: float) -> list[int]:
    try:
        return [facts.account_id for facts in known.wait_for_answer(until).accounts if facts.is_active]
    except (HostawaySyncError, TimeoutError):
        return []


def _check_token(container: Container, account_id: int) -> AccountCheck:
    try:
        with container.source(account_id) as source:
            source.check_credentials()
    except HostawaySyncError as error:
        is_for_now = isinstance(error, (RateLimited, SourceAway))
        return AccountCheck(account_id, f"account {account_id}: {error}", is_for_now=is_for_now, cause=_cause(error))
    return AccountCheck(account_id)


def _cause(error: HostawaySyncError) -> str | None:
    """Return what is wrong with every account when this is; None: each has a secret and rights of its own."""
    if isinstance(error, SecretError):
        return None if isinstance(error, SecretGone) else causes.KEY_RING
    if isinstance(error, SourceAway):
        return causes.SOURCE_AWAY
    shared = (ConfigurationError, RateLimited, SecretsUnavailable, SourceUnavailable, StoreError)
    return type(error).__name__ if isinstance(error, shared) else None


def _list_registered(container: Container) -> list[StoredHook]:
    stored = container.database.transaction(webhook_credentials.find_stored_hooks)
    return [hook for hook in stored.values() if hook.is_active and hook.url is not None and hook.login is not None]
