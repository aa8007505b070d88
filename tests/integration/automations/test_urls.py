from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.automations import add_automation, drain, let_time_pass, open_mirror, write_changes
from tests.support.servers.consumer import Answer, consuming
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.app.documents.automations import automation_delivery_document, automation_document
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.automations import registry
from hostaway_sync.store.secrets.sealing import reseal_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

PLACE = "T0K3N0fS1ack"
TABLES = r"SELECT relname FROM pg_class WHERE relnamespace = 'hostaway'\:\:regnamespace AND relkind = 'r' ORDER BY 1"


def tables_that_hold(database: Database, text: str) -> list[str]:
    """Return the names of the tables that have a row with a text in it."""
    names = [name for (name,) in sql.rows(database, TABLES)]
    return [
        name
        for name in names
        if sql.rows(database, f"SELECT 1 FROM {name} AS r WHERE CAST(r AS text) LIKE :like", like=f"%{text}%")
    ]


def test_a_url_is_nowhere_but_at_its_consumer(sync_env: Build, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a table, a dead letter, a log nor a document, whatever the consumer answers."""
    env = sync_env()
    caplog.set_level(logging.DEBUG)
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", f"{consumer.url}/services/{PLACE}?key={PLACE}")
        write_changes(env.database, {})
        consumer.answer = lambda _: Answer(500)
        for _ in range(7):
            assert drain(mirror)
            let_time_pass(env.database)
        consumer.answer = lambda _: Answer(302, {"Location": "/elsewhere"})
        write_changes(env.database, {})
        assert drain(mirror)
        assert consumer.heard[-1].path == f"/services/{PLACE}?key={PLACE}"
        automation = mirror.automations.get("crm")
        assert (automation.dead, automation.request.url) == (1, f"{consumer.url}/…")
        told = map(automation_delivery_document, mirror.automations.deliveries("crm", limit=9))
        documents = f"{[automation_document(automation), *told]} {mirror.jobs.list_dead_letters()} {automation}"
        assert PLACE not in documents
        assert tables_that_hold(env.database, "crm") == ["automations", "dead_letters", "job_attempts"]
        assert tables_that_hold(env.database, PLACE) == []
        assert PLACE not in caplog.text


def test_a_url_is_sealed_anew_with_a_new_key_and_is_told(sync_env: Build) -> None:
    """With the old key gone; who may write rows and has no key sends it nowhere else."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", f"{consumer.url}/{PLACE}")
    fresh = KeyRing([b"n" * 32, MASTER_KEY])
    assert (reseal_secrets(env.database, fresh).resealed, reseal_secrets(env.database, fresh).resealed) == (4, 0)
    sql.execute(env.database, "UPDATE automations SET url = 'http://127.0.0.1:1/elsewhere'")
    secrets = registry.open_secrets(env.database, KeyRing([b"n" * 32]), 1)
    assert secrets.url is not None
    assert secrets.url.get_secret_value() == f"{consumer.url}/{PLACE}"
