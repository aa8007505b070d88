"""Gathers the facts, each for some seconds at most, and what can wait at the same time; has them judged."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from hostaway_sync.doctor import causes, checks, host
from hostaway_sync.doctor.findings import Finding, Grade, KeyFacts, ProbeFacts, Proof, Proofs
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
from hostaway_sync.store import time_marks
from hostaway_sync.store.request_budget import DatabaseBudget
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.status.server import read_server
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.webhooks.registration.public_url import build_delivery_url
from hostaway_sync.webhooks.registration.self_test import run_self_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.app.container import Container
    from hostaway_sync.doctor.findings import Installation
    from hostaway_sync.model.api_calls import Budget
    from hostaway_sync.model.status import DatabaseServer, Overview
    from hostaway_sync.platforms.hostaway.http.limits import Rate
    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.store.webhooks.credentials import StoredHook

T = TypeVar("T")
# A question that the database or the source answers takes milliseconds; an embedded server takes a second to start.
PATIENCE: Final = timedelta(seconds=8)
# Of the questions that are asked about every account, some at once: fifteen minutes of 500 accounts become one.
PATIENCE_PER_ACCOUNT: Final = timedelta(seconds=0.15)
_WAY: Final = (
    "check HOSTAWAY_SYNC_API_URL, and the way there: DNS, firewall, and the proxy if the environment names one"
)


class Examination:
    """One look at everything.

    Args:
        premises: where the mirror lives.
        address: requests per window of our address, and its name.
        open_container: opens the database; may raise `HostawaySyncError`.
        find_keys: gives the key ring, without the database.
        platform: a piece of the path of deliveries.
        patience: for one question.
    """

    def __init__(
        self,
        premises: Installation,
        *,
        address: tuple[str, Rate],
        open_container: Callable[[], Container],
        find_keys: Callable[[], KeyRing],
        platform: str,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._premises = premises
        self._egress, self._limit = address
        self._open_container = open_container
        self._find_keys = find_keys
        self._platform = platform
        self._patience = patience

    def findings(self) -> tuple[Finding, ...]:
        """Look at everything, and give what was found, the worst first."""
        directory = Path(self._premises.data_dir)
        space = Question(partial(host.space, directory))
        schedule = Question(partial(host.schedule, home=_home()))
        ring = Question(self._find_keys)
        found: list[Finding] = []
        container = self._opened(found)
        if container is None:
            is_new = any(one.check == "database" and one.grade is Grade.HINT for one in found)
            found += self._without_database(ring, is_new=is_new)
        else:
            with closing(container):
                found += self._with_database(container, ring)
        found += checks.of_files(self._premises)
        disk = self._judged("disk", space, partial(checks.of_space, premises=self._premises))
        if self._premises.is_embedded and causes.has_trouble(disk, "disk"):
            found = causes.explained(found, ["database"], "it cannot work where its disk has that trouble")
        found += disk
        found += self._judged("schedule", schedule, checks.of_schedule)
        return checks.worst_first(found)

    def _opened(self, found: list[Finding]) -> Container | None:
        """Give the container of a database that can be worked with; else None, and why among the findings."""
        opening = Question(self._open_container)
        try:
            container = opening.answer(self._until())
        except (HostawaySyncError, TimeoutError) as error:
            found.append(checks.failed("database", error, "nothing works without it: is its server running?"))
            return None
        server = Question(partial(read_server, container.database))
        advice = "nothing works without it: check HOSTAWAY_SYNC_DATABASE_URL, and that its server runs"
        found += self._judged("database", server, partial(checks.of_database, premises=self._premises), advice)
        if self._is_usable(server):
            return container
        container.close()
        return None

    def _is_usable(self, server: Question[DatabaseServer]) -> bool:
        try:
            found = server.answer(time.monotonic())
        except (HostawaySyncError, TimeoutError):
            return False
        return found.is_current and not found.missing_rights and not found.is_read_only

    def _without_database(self, ring: Question[KeyRing], *, is_new: bool) -> Iterator[Finding]:
        # Whoever asks the source has a slot from the database first: while that is away, nobody but us asks.
        pulse = Question(partial(self._pulse, NoBudget(), is_shared=False))
        keys = Question(lambda: self._keys(ring, is_new=is_new))
        yield from self._judged("key ring", keys, checks.of_keys)
        yield from self._judged("source", pulse, partial(checks.of_pulse, premises=self._premises), _WAY)
        yield causes.left_out("tables", "tokens, budget, queue, runs and webhooks need the database")

    def _with_database(self, container: Container, ring: Question[KeyRing]) -> Iterator[Finding]:
        pulse = Question(partial(self._pulse, DatabaseBudget(container.database), is_shared=True))
        known = Question(container.overview)
        keys = Question(lambda: self._keys(ring, container))
        future = Question(partial(time_marks.find_future_marks, container.database))
        of_keys = self._judged("key ring", keys, checks.of_keys)
        of_source = self._judged("source", pulse, partial(checks.of_pulse, premises=self._premises), _WAY)
        of_runs = self._judged("runs", known, checks.of_overview)
        explained = frozenset({causes.KEY_RING} if causes.has_trouble(of_keys, "key ring") else ())
        is_away = causes.has_trouble(of_source, "source")
        if is_away:
            of_runs = causes.explained(of_runs, ["runs"], "no run can end well while the source cannot be reached")
            of_runs = [one for one in of_runs if not causes.has_trouble([one], "source")]
        elif causes.has_trouble(of_runs, "source"):
            of_runs = causes.explained(of_runs, ["runs"], "every run ends at once while the source is away")
            explained |= {causes.SOURCE_AWAY}
        if explained:
            of_runs = causes.explained(of_runs, ["runs"], "no run can end well without the secrets")
        yield from (*of_keys, *of_source, *of_runs)
        yield from self._judged("clock", future, checks.of_marks)
        if is_away:
            yield causes.left_out("token", "the source cannot be reached")
        else:
            accounts = _active(known, self._until())
            yield from checks.of_tokens(self._each(accounts, partial(_proved, container)), explained)
        registered = Question(lambda: _registered(container))
        yield from self._judged("webhooks", registered, partial(self._knocked, container, explained=explained))

    def _keys(self, ring: Question[KeyRing], container: Container | None = None, *, is_new: bool = False) -> KeyFacts:
        try:
            return _keys(ring.answer(self._until()), container)
        except KeyMissing:
            if is_new or (container is not None and not container.database.transaction(sealing.has_sealed_values)):
                return KeyFacts("nowhere", 0)
            raise

    def _pulse(self, budget: Budget, *, is_shared: bool) -> ProbeFacts:
        result = probe(
            self._premises.api_url, budget, egress=self._egress, address_limit=self._limit, timeout=self._patience / 2
        )
        if result.server_time is None:
            return ProbeFacts(result.status, result.seconds)
        by_database = result.observed_at - result.server_time if is_shared else None
        return ProbeFacts(result.status, result.seconds, result.local_time - result.server_time, by_database)

    def _knocked(
        self, container: Container, registered: list[StoredHook], explained: frozenset[str]
    ) -> Iterator[Finding]:
        by_account = {hook.account_id: hook for hook in registered}

        def ask(account_id: int) -> Proof:
            try:
                credentials = by_account[account_id].open(container.vault())[0]
            except HostawaySyncError as error:
                return Proof(account_id, str(error), cause=_cause(error))
            secret = credentials.path_secret.get_secret_value()
            url = build_delivery_url(by_account[account_id].url or "", self._platform, account_id, secret)
            trouble = run_self_test(url, credentials)
            says = trouble and f"account {account_id}'s receiver is not reached: {trouble}"
            return Proof(account_id, says, cause=f"{urlsplit(url).netloc}: {trouble}")

        yield from checks.of_round_trips(self._each(list(by_account), ask), explained)

    def _each(self, accounts: list[int], ask: Callable[[int], Proof]) -> Proofs:
        until = self._until() + (PATIENCE_PER_ACCOUNT * len(accounts)).total_seconds()
        asked = sorted(ask_each(accounts, ask, until=until), key=lambda proof: proof.account_id)
        return Proofs(tuple(asked), len(accounts) - len(asked))

    def _judged(
        self, check: str, question: Question[T], judge: Callable[[T], Iterator[Finding]], advice: str | None = None
    ) -> list[Finding]:
        try:
            return list(judge(question.answer(self._until())))
        except (HostawaySyncError, OSError) as error:
            return [checks.failed(check, error, advice)]

    def _until(self) -> float:
        return time.monotonic() + self._patience.total_seconds()


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _keys(ring: KeyRing, container: Container | None = None) -> KeyFacts:
    if container is None:
        return KeyFacts(ring.source.name, len(ring.ids))
    counts = container.database.transaction(sealing.values_by_key)
    lost = sum(number for key, number in counts.items() if key is not None and key not in ring.ids)
    plain = counts.pop(None, 0)
    return KeyFacts(ring.source.name, len(ring.ids), counts.total(), lost, plain)


def _active(known: Question[Overview], until: float) -> list[int]:
    try:
        return [facts.account_id for facts in known.answer(until).accounts if facts.is_active]
    except (HostawaySyncError, TimeoutError):
        return []


def _proved(container: Container, account_id: int) -> Proof:
    try:
        with container.source(account_id) as source:
            source.check_credentials()
    except HostawaySyncError as error:
        is_for_now = isinstance(error, (RateLimited, SourceAway))
        return Proof(account_id, f"account {account_id}: {error}", is_for_now=is_for_now, cause=_cause(error))
    return Proof(account_id)


def _cause(error: HostawaySyncError) -> str | None:
    """Return what is wrong with every account when this is; None: each has a secret and rights of its own."""
    if isinstance(error, SecretError):
        return None if isinstance(error, SecretGone) else causes.KEY_RING
    if isinstance(error, SourceAway):
        return causes.SOURCE_AWAY
    shared = (ConfigurationError, RateLimited, SecretsUnavailable, SourceUnavailable, StoreError)
    return type(error).__name__ if isinstance(error, shared) else None


def _registered(container: Container) -> list[StoredHook]:
    stored = container.database.transaction(webhook_credentials.find_stored_hooks)
    return [hook for hook in stored.values() if hook.is_active and hook.url is not None and hook.login is not None]
