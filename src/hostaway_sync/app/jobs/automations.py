"""Automations: who is told of what changes; added, tested, told, drained."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hostaway_sync.automations import commands, conditions, payload, signature
from hostaway_sync.automations.consumers import Consumers
from hostaway_sync.automations.delivery_job import DeliveryConfig, run_delivery_job
from hostaway_sync.automations.dispatch_job import DispatchConfig, run_dispatch_job
from hostaway_sync.automations.events import ALL, EVENTS, example_change_of, resource_of, resources_of
from hostaway_sync.errors import AccountError, AutomationError
from hostaway_sync.outbound.client import OutboundClient, OutboundLimits
from hostaway_sync.queue.batching import handle_one_by_one
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.automations import core_rows, deliveries, registry, work

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    from hostaway_sync.app.container import Container
    from hostaway_sync.automations.answer import Answer
    from hostaway_sync.queue.batching import Handler
    from hostaway_sync.queue.fetch_loop import WorkerTimings
    from hostaway_sync.store.automations.states import Automation, AutomationRequest, Delivery, DeliveryState

# So many consumers are told at once; of each, one event after the other.
LANES: Final[Mapping[str, int]] = {jobs.DISPATCH: 1, jobs.DELIVER: 8}
# A consumer that was given the new secret a week after its rotation still lost nothing.
BOTH_VALID: Final = timedelta(days=7)
# With the ten seconds that a worker takes at most to end it is half a minute.
DRAIN: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class AddedAutomation:
    """A new automation, and its secret, which is not shown again; None: its consumer is a command."""

    automation: Automation
    secret: SecretStr | None


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A new secret, and until when requests are signed with the one before, too."""

    secret: SecretStr
    both_until: datetime


class Automations:
    """The automations of one mirror.

    Args:
        container: names the database, the secrets and the settings.

    Attributes:
        limits: of each request to a consumer.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        self.limits = OutboundLimits()

    def add(self, request: AutomationRequest) -> AddedAutomation:
        """Add an automation, which is told of what changes from now on.

        Raises:
            AutomationError: its name is taken.
            AccountError: one of its accounts is unknown.
            UsageError: no row of its events has a column of a condition.
            AddressRefused: its URL may not be asked.
        """
        whole_url = None
        if request.url is not None:
            whole_url = SecretStr(request.url)
            request = replace(request, url=self._client().check(request.url).masked)
        for account_id in request.account_ids or ():
            if account_queries.find_account(self._database, account_id) is None:
                raise AccountError.unknown(account_id)
        if request.conditions:
            self._require_columns(request)
        secret = signature.make_secret() if request.command is None else commands.as_secret(request.command)
        registry.add_automation(self._database, self._container.vault(), request, secret, whole_url)
        return AddedAutomation(self.get(request.name), secret if request.command is None else None)

    def list_all(self) -> list[Automation]:
        """Return all automations by name."""
        return registry.list_automations(self._database)

    def get(self, name: str) -> Automation:
        """Return the automation of a name; raise AutomationError when there is none."""
        return registry.get_automation(self._database, name)

    def open_url(self, name: str) -> SecretStr | None:
        """Return the whole URL of an automation, which often holds a secret; None: its consumer is a command."""
        number = self.get(name).automation_id
        return registry.open_secrets(self._database, self._container.vault(), number).url

    def enable(self, name: str) -> Automation:
        """Have an automation told again: of what waits for it, and of what changes from now on."""
        number = self.get(name).automation_id

        def write(connection: sa.Connection) -> None:
            registry.enable(connection, number)
            deliveries.make_due(connection, number)
            work.defer_deliveries(connection, [number])

        self._database.transaction(write)
        return self.get(name)

    def disable(self, name: str) -> Automation:
        """Have an automation told no more, until it is enabled."""
        number = self.get(name).automation_id
        self._database.transaction(partial(registry.disable, automation_id=number))
        return self.get(name)

    def remove(self, name: str) -> Automation:
        """Delete an automation and all that waits for it; return what it was."""
        automation = self.get(name)
        registry.remove_automation(self._database, self._container.vault(), automation.automation_id)
        return automation

    def rotate(self, name: str) -> RotatedSecret:
        """Replace the secret of an automation; for a week requests are signed with both.

        Raises:
            AutomationError: it has none, because its consumer is a command.
        """
        automation = self.get(name)
        if automation.request.url is None:
            raise AutomationError(f"automation {name!r} runs a command: it has no secret")
        secret = signature.make_secret()
        vault = self._container.vault()
        until = registry.rotate_secret(self._database, vault, automation.automation_id, secret, valid=BOTH_VALID)
        return RotatedSecret(secret, until)

    def test(self, name: str) -> Answer:
        """Send the consumer of an automation an example now, and return how it answered; nothing is noted."""
        automation = self.get(name)
        event = next(event for event in (*automation.request.events, *EVENTS) if event != ALL)
        body = payload.build_example(event, resource_of(event), example_change_of(event), now=_now())
        secrets = registry.open_secrets(self._database, self._container.vault(), automation.automation_id)
        return self._consumers().tell(automation.request, payload.EXAMPLE_ID, event, body, secrets)

    def deliveries(self, name: str, *, state: DeliveryState | None = None, limit: int) -> list[Delivery]:
        """Return the newest events of an automation, newest first."""
        number = self.get(name).automation_id
        read = partial(deliveries.list_deliveries, automation_id=number, state=state, limit=limit)
        return self._database.transaction(read)

    def drain(self, *, within: timedelta = DRAIN, timings: WorkerTimings | None = None) -> bool:
        """Tell consumers of what changed, until nothing is due or the time is over; return whether all were told.

        Where nobody is told of anything, nothing is done.
        """
        if not self._database.transaction(registry.has_active, is_one_statement=True):
            return True
        from hostaway_sync.queue.fetch_loop import WorkerConfig, WorkerTimings
        from hostaway_sync.queue.worker import Worker

        config = WorkerConfig(
            handlers=self.handlers(),
            lanes=LANES,
            batch=1,
            keep=timedelta(days=self._container.settings.keep_deliveries_days),
            policy=JobRetryPolicy(),
            timings=timings or WorkerTimings(),
        )
        with Worker(self._database, config, drain=True) as worker:
            return worker.wait(within.total_seconds())

    def handlers(self, policy: JobRetryPolicy | None = None) -> dict[str, Handler]:
        """Return what does the jobs of automations, by their kind; `policy`: None: the usual one."""
        container = self._container
        dispatch = DispatchConfig(container.settings.core_schema, container.vocabulary)
        delivery = DeliveryConfig(
            core=container.settings.core_schema,
            consumers=self._consumers(),
            vault=container.vault,
            policy=policy or JobRetryPolicy(),
            jitter=random.random,
            monotonic=time.monotonic,
        )
        return {
            jobs.DISPATCH: handle_one_by_one(lambda _: run_dispatch_job(self._database, dispatch)),
            jobs.DELIVER: handle_one_by_one(partial(run_delivery_job, self._database, delivery)),
        }

    def _require_columns(self, request: AutomationRequest) -> None:
        core, resources = self._container.settings.core_schema, resources_of(request.events)
        columns = self._database.transaction(partial(core_rows.list_columns, core=core, resources=resources))
        if not columns and resources & core_rows.VIEWS.keys():
            raise AutomationError(f"--where: the views of {core} are missing: run `hostaway-sync migrate`")

        conditions.require_columns(request.conditions, columns)

    def _consumers(self) -> Consumers:
        return Consumers(self._client(), _now)

    def _client(self) -> OutboundClient:
        return OutboundClient(self._container.settings.automation_hosts or frozenset(), self.limits)


def _now() -> datetime:
    return datetime.now(UTC)
