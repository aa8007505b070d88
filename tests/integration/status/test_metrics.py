from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.automations import add_automation
from tests.support.prometheus_text import Samples, parse_samples
from tests.support.servers.receiver import event, renew, running_receiver

from hostaway_sync.observability import metric_catalog
from hostaway_sync.observability.prometheus import TEXTFILE_NAME
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# These values change within seconds.
PASSING = {
    metric_catalog.QUEUE_AGE.name,
    metric_catalog.OLDEST_WAITING.name,
    metric_catalog.BUDGET_USED.name,
    metric_catalog.KIND_AGE.name,
}
MEASURED = tuple(metric.name for metric in metric_catalog.ALL if not metric.is_stored)


def stored(found: Samples) -> Samples:
    """Return the stored metrics."""
    return {key: number for key, number in found.items() if not key[0].startswith(MEASURED)}


def test_textfile_and_receiver_give_the_same_stored_metrics(sync_env: Build, tmp_path: Path) -> None:
    """Only ages may grow between the two readings."""
    env = sync_env(accounts=[AccountSpec(number, reservations=2, listings=1) for number in (70001, 70002, 70003)])
    mirror = env.mirror(resources=("tasks",))
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", account_id=70002, times=None)
    mirror.sync.run_all()
    mirror.sync.verify(70001)
    sql.execute(env.database, "UPDATE accounts SET is_active = false WHERE account_id = 70003")
    add_automation(mirror, "cat", command=("/bin/cat",))
    with running_receiver(env.database, container=mirror._container) as receiver:  # noqa: SLF001  (as `serve-webhooks` has it)
        assert receiver.deliver(renew(env.database), event(id=1)).status == 200
        mirror.jobs.enqueue_syncs()
        mirror.status.write_metrics(tmp_path)
        scraped = parse_samples(receiver.get("/metrics").body.decode())
    written = parse_samples((tmp_path / TEXTFILE_NAME).read_text())
    assert stored(written).keys() == stored(scraped).keys()
    for key, number in stored(written).items():
        assert scraped[key] == (pytest.approx(number, abs=60) if key[0] in PASSING else number), key
    assert {name for name, _ in stored(written)} == {metric.name for metric in metric_catalog.ALL if metric.is_stored}


def test_metrics_count_runs_rows_requests_and_failures(sync_env: Build, tmp_path: Path) -> None:
    """Waiting jobs and the failing account are in them, too."""
    env = sync_env(accounts=[AccountSpec(number, reservations=2, listings=1) for number in (70001, 70002)])
    mirror = env.mirror(retry_attempts=1)
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /listings", account_id=70002, times=None)
    mirror.sync.run_all()
    mirror.jobs.enqueue_syncs()
    mirror.status.write_metrics(tmp_path)
    found = parse_samples((tmp_path / TEXTFILE_NAME).read_text())

    def number(metric: metric_catalog.Metric, **labels: str) -> float:
        return found[metric.name, frozenset(labels.items())]

    assert number(metric_catalog.ACCOUNTS, state="active") == 2
    assert number(metric_catalog.RUNS, state="success") == 1
    assert number(metric_catalog.ROWS, resource="listings", change="inserted") == 1
    assert number(metric_catalog.LAST_RUN_SUCCESS, account="70001") == 1
    assert number(metric_catalog.LAST_RUN_SUCCESS, account="70002") == 0
    assert number(metric_catalog.LAST_SUCCESS, account="70001") > 1e9
    assert number(metric_catalog.LAST_SUCCESS, account="70002") == 0
    waiting = {
        kind: number(metric_catalog.QUEUE_JOBS, kind=kind, state="waiting") for kind in ("refresh", "send", "sync")
    }
    assert waiting == {"refresh": 0, "send": 0, "sync": 2}
    asked = {key: value for key, value in found.items() if key[0] == metric_catalog.API_REQUESTS.name}
    assert sum(asked.values()) == sum(env.sandbox.calls.values())
    assert number(metric_catalog.API_REQUESTS, method="GET", route="/listings", status="502") >= 1
    routes = {dict(labels)["route"] for _, labels in asked}
    assert "/conversations/{id}/messages" in routes
    assert not any(character.isdigit() for route in routes for character in route)
    operations = {
        dict(labels).get("operation") for name, labels in found if name.startswith("hostaway_sync_database_s")
    }
    assert operations >= {"select", "insert", "update"}


def test_unreadable_database_is_a_metric(sync_env: Build) -> None:
    """The receiver still answers with its own measurements."""
    env = sync_env(store=False)
    container = env.mirror()._container  # noqa: SLF001  (as `serve-webhooks` has it)
    with running_receiver(env.database, container=container) as receiver:
        with env.database.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE hostaway.verifications RENAME TO elsewhere"))
        found = parse_samples(receiver.get("/metrics").body.decode())
        with env.database.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE hostaway.elsewhere RENAME TO verifications"))
    assert found[metric_catalog.DATABASE_UP.name, frozenset()] == 0
    assert found[metric_catalog.DELIVERIES.name, frozenset({("outcome", "stored")})] == 0
