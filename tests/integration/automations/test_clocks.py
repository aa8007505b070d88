from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from tests.support import sql
from tests.support.automations import add_automation, drain, ids, open_mirror, write_changes
from tests.support.servers.consumer import consuming

from hostaway_sync.automations import signature
from hostaway_sync.automations.consumers import Consumers
from hostaway_sync.environment.origins import read_origin
from hostaway_sync.outbound.client import OutboundClient
from hostaway_sync.store.automations.states import AutomationRequest, ConsumerSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# What the database's clock wrote while it was ahead or behind by so much.
_SHIFTED = (
    "UPDATE changes SET changed_at = changed_at + :by",
    "UPDATE automations SET active_since = active_since + :by",
)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_database_clock_that_was_hours_off_loses_and_delays_no_event(sync_env: Build, hours: int) -> None:
    """When it is set right, changes from before and after are told at once, in their order, and signed as of now."""
    env, by = sync_env(), timedelta(hours=hours)
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        secret = add_automation(mirror, "crm", consumer.url)
        assert secret is not None
        while_off = write_changes(env.database, {}, {"record_id": "2"})
        for statement in _SHIFTED:
            sql.execute(env.database, statement, by=by)
        afterwards = write_changes(env.database, {}, {"record_id": "2"})
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{number}" for number in (*while_off, *afterwards)]
        for heard in consumer.heard:
            Webhook(secret).verify(heard.body, heard.headers)


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_a_request_names_the_time_of_the_machine_that_sends_it(hours: int) -> None:
    """The body has the database's times; whether a request is fresh is judged by the clocks of two machines."""
    key, moment = signature.make_secret(), datetime.now(UTC) + timedelta(hours=hours)
    with consuming() as consumer:
        client = OutboundClient(frozenset({read_origin(consumer.url)}))
        secrets = ConsumerSecrets((key,), SecretStr(consumer.url))
        told = AutomationRequest("crm", ("*",), url=consumer.url)
        assert Consumers(client, lambda: moment).tell(told, "evt_1", "task.created", b"{}", secrets).is_delivered
        assert consumer.heard[0].headers["webhook-timestamp"] == str(int(moment.timestamp()))
