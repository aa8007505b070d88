"""Everything that the library opens from the settings: the database, the key ring, and a client an account."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.resources import VOCABULARY, ResourceChoices
from hostaway_sync.observability import metric_catalog, tracing
from hostaway_sync.observability.meter import Meter, measure_request
from hostaway_sync.platforms.hostaway.http.config import ClientConfig, ConnectionConfig
from hostaway_sync.platforms.hostaway.http.limits import Call, Limits, buckets_for
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy
from hostaway_sync.safe_text import register_private_fields
from hostaway_sync.secrets import find_key_ring
from hostaway_sync.secrets.outside_stores import OUTSIDE_STORES
from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.automations import work
from hostaway_sync.store.circuit_breaker import StoredCircuitBreaker, read_outage
from hostaway_sync.store.history.stall import find_stall
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.clock_watch import ClockWatch
from hostaway_sync.store.postgres.open_database import open_database
from hostaway_sync.store.postgres.pool_size import compute_pool_size
from hostaway_sync.store.privacy import payload_rule
from hostaway_sync.store.records.new_words import find_new_words
from hostaway_sync.store.request_budget import DatabaseBudget
from hostaway_sync.store.secrets import placement as secret_placement
from hostaway_sync.store.secrets.sealing import has_sealed_values
from hostaway_sync.store.secrets.vault import Vault
from hostaway_sync.store.status.overview import read_overview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import ApiCall, Bucket, CallObserver
    from hostaway_sync.model.redaction import Redaction
    from hostaway_sync.model.status import Overview
    from hostaway_sync.observability.meter import Sample
    from hostaway_sync.platforms.hostaway.client import Client
    from hostaway_sync.platforms.hostaway.http.token import TokenVault
    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.webhooks.registration.registrar import Registrar
    from hostaway_sync.webhooks.server.app import Receiver

# The tables of a platform are in a schema that has its name.
_PLATFORM: Final = SCHEMA


class Container:
    """One database, and everything that is opened for it.

    Args:
        settings: where the database is, the limits, the key.
        application: the name under which the server lists these connections.
        connections: the most at once, unless the settings have another number; None: the usual one.
        beside: how many more this process takes: a receiver and the job queue have connections of their own.

    Attributes:
        meter: measures requests and statements.
        vocabulary: the keys and statuses of the source's payloads.
        resources: which resources each account mirrors.

    Raises:
        ConfigurationError: the settings describe nothing that runs.
        StoreUnavailable: the database cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        application: str = "hostaway-sync",
        connections: int | None = None,
        beside: int = 0,
    ) -> None:
        self.settings = settings
        self.vocabulary = VOCABULARY
        self.resources = ResourceChoices(settings)
        register_private_fields(VOCABULARY.private_keys)
        self._rules = payload_rule.parse_own_rules(settings.payload_fields, VOCABULARY)
        self.meter = Meter()
        self.database = open_database(
            settings.database_url,
            settings.data_dir,
            schema=SCHEMA,
            pool_size=compute_pool_size(settings.pool_size, connections, beside, application),
            observe=lambda kind, seconds: self.meter.observe(metric_catalog.DATABASE_SECONDS, kind, seconds=seconds),
            application=application,
        )
        self.database.on_changes = work.DispatchDeferral()
        self._client_config = _client_config(settings)
        self._ring: KeyRing | None = None
        self._vault: Vault | None = None
        self._is_agreed = False
        self._tokens: dict[int, account_queries.StoredToken] = {}
        self._clock_watch = ClockWatch()
        self._redaction: tuple[Redaction | None] | None = None
        self._is_rewritten = False

    def close(self) -> None:
        """Close all connections, and stop the embedded database if no other program uses it."""
        self.database.close()

    def key_ring(self, *, may_create: bool = True) -> KeyRing:
        """Return the keys that stored secrets are sealed with; created on first use, while nothing is sealed yet.

        Raises:
            SecretError: there is no key, or it may not be used.
        """
        if self._ring is None:
            may_create = may_create and not self.database.transaction(has_sealed_values)
            self._ring = find_keys(self.settings, may_create=may_create)
        return self._ring

    def vault(self, *, any_placement: bool = False) -> Vault:
        """Return what stores and opens secrets.

        Args:
            any_placement: even when secrets are in another store than the settings say.

        Raises:
            ConfigurationError: secrets are in another store than the settings say.
            SecretError: there is no key for those in the database, or it may not be used.
        """
        if self._vault is None:
            self._vault = Vault(self.database, self.key_ring, OUTSIDE_STORES)
        if not any_placement and not self._is_agreed:
            self._vault.open_store(secret_placement.require_placement(self.database, self.settings.secrets_store).store)
            self.database.transaction(restored.detect_restore)  # before anything is read: later it would find less
            self._is_agreed = True
        return self._vault

    def redaction(self) -> Redaction | None:
        """Return the redaction of payloads; None: they are stored as received.

        Raises:
            ConfigurationError: the settings hide less than this database does, or the secret does not open.
        """
        if self._redaction is None:
            from hostaway_sync.store.privacy import payload_rewrite

            self._redaction = (payload_rewrite.open_redaction(self.database, self.vault, self._rules, self.vocabulary),)
        return self._redaction[0]

    def require_payload_rule(self) -> None:
        """Raise ConfigurationError if the settings hide less than this database does."""
        payload_rule.require_compatible(payload_rule.read_rule(self.database), self._rules, self.vocabulary)

    def registrar(self, client: Client, account_id: int) -> Registrar:
        """Return what registers and checks the webhook of a stored account, with requests of an open client."""
        from hostaway_sync.webhooks.registration.registrar import Registrar

        return Registrar(self.database, self.vault(), client.webhook_api, account_id, platform=_PLATFORM)

    @contextmanager
    def receiver(self) -> Iterator[Receiver]:
        """Open what answers deliveries, with connections and threads of its own; the end of the block closes it."""
        from hostaway_sync.platforms.hostaway.webhooks.events import read_event
        from hostaway_sync.webhooks.server.runtime import ReceiverRuntime

        runtime = ReceiverRuntime(
            self.database, self.vault, self.redaction, meter=self.meter, read_metrics=self.readings
        )
        with closing(runtime):
            yield runtime.receiver(_PLATFORM, read_event)

    @contextmanager
    def source(
        self, account_id: int, *, urgent: bool = False, force_probe: bool = False, observe: CallObserver | None = None
    ) -> Iterator[Client]:
        """Open the client of a stored account; the end of the block closes it.

        Args:
            account_id: which account.
            urgent: take slots of the request budget before other processes.
            force_probe: send one request even while the source is known to be away.
            observe: called with every request that ended.

        Raises:
            SecretError: the client secret cannot be opened.
        """
        secrets = self.vault()
        client_secret = account_queries.open_client_secret(self.database, secrets, account_id)
        token = self._tokens.setdefault(account_id, account_queries.StoredToken(self.database, secrets, account_id))
        redaction = self._applied_redaction()
        client = self.client(
            account_id,
            client_secret,
            token,
            urgent=urgent,
            force_probe=force_probe,
            observe=observe,
            redaction=redaction,
        )
        with closing(client):
            yield client

    def _applied_redaction(self) -> Redaction | None:
        """Return the redaction, after stored payloads were rewritten by it."""
        redaction = self.redaction()
        if redaction is not None and not self._is_rewritten:
            from hostaway_sync.store.privacy import payload_rewrite as rewrite

            rewrite.rewrite_stored_payloads(self.database, redaction)
            self._is_rewritten = True
        return redaction

    def readings(self, database: Database | None = None) -> list[Sample]:
        """Return the stored metrics, read through `database` if given, else through the mirror's own connections.

        Raises:
            StoreUnavailable, StoreError: the database cannot be asked.
        """
        from hostaway_sync.store.status.metrics import read_metrics

        address = self.buckets(0)[0]  # the address's limit is every account's
        database = database or self.database
        return read_metrics(database, address, *self.resources.terms(database))

    def overview(self, account_id: int | None = None) -> Overview:
        """Return what the tables know of every account, or of one, and of the source as this machine reaches it."""
        outage = read_outage(self.database, egress=self.settings.egress, api_url=self.settings.api_url)
        calendars, kinds = self.resources.terms(self.database)
        known = read_overview(self.database, self.buckets, account_id=account_id, calendars=calendars, kinds=kinds)
        return replace(known, outage=outage, stall=find_stall(self.database), new_words=find_new_words(self.database))

    def buckets(self, account_id: int) -> tuple[Bucket, ...]:
        """Return the limits that a request of this account counts against: the address's, then the account's."""
        config = self._client_config
        return buckets_for(Call.GENERAL, account_id=account_id, egress=config.egress, limits=config.limits)

    def client(
        self,
        account_id: int,
        client_secret: SecretStr,
        token: TokenVault,
        *,
        urgent: bool = False,
        force_probe: bool = False,
        observe: CallObserver | None = None,
        redaction: Redaction | None = None,
    ) -> Client:
        """Return the client of an account, stored or not; the caller closes it."""
        from hostaway_sync.platforms.hostaway.client import Client

        circuit_breaker = StoredCircuitBreaker(
            self.database, egress=self.settings.egress, api_url=self.settings.api_url, force_probe=force_probe
        )
        return Client(
            account_id,
            client_secret,
            self._client_config,
            budget=DatabaseBudget(self.database, circuit_breaker, clock=self._clock_watch),
            token_vault=token,
            urgent=urgent,
            observe=self._measured(observe),
            redaction=redaction,
            circuit_breaker=circuit_breaker,
        )

    def _measured(self, observe: CallObserver | None) -> CallObserver:
        def note(call: ApiCall) -> None:
            measure_request(self.meter, call)
            tracing.record_request(call, self.settings.api_url)
            if observe is not None:
                observe(call)

        return note


def find_keys(settings: Settings, *, may_create: bool = False) -> KeyRing:
    """Return the key ring that the settings name, without the database; raise SecretError when there is none."""
    return find_key_ring(
        settings.master_key,
        settings.data_dir,
        may_create=may_create,
        configured_file=settings.master_key_file,
        use_keyring=settings.keyring,
    )


def _client_config(settings: Settings) -> ClientConfig:
    return ClientConfig(
        ConnectionConfig(settings.api_url),
        limits=Limits(settings.rate_limit_ip, settings.rate_limit_account, settings.rate_limit_send),
        egress=settings.egress,
        retry=RetryPolicy(attempts=settings.retry_attempts, backoff=timedelta(seconds=settings.retry_backoff)),
        pages_in_flight=settings.requests_in_flight,
    )
