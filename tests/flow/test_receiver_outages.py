from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.office import (
    event,
    head,
    login_of,
    office,
    path_of,
    read_answer,
    renew,
    store_account,
)

from hostaway_sync.store import inbox
from hostaway_sync.webhooks.reception import Reception

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.deliveries import Delivery
    from hostaway_sync.store.embedded import EmbeddedPostgres
    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.hooks import Credentials


@pytest.fixture
def credentials(database: Database) -> Credentials:
    """Give what opens the door of an account."""
    store_account(database)
    return renew(database)


@contextmanager
def away(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Let the database accept nobody while the block runs."""
    name = database.engine.url.database
    maintenance = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def run(statement: str) -> None:
        with maintenance.connect() as connection:
            connection.execute(sa.text(statement))

    run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def count(database: Database) -> Any:
    """Count the rows of the inbox."""
    return database.transaction(
        lambda connection: connection.scalar(sa.text("SELECT count(*) FROM hostaway.webhook_log"))
    )


def test_a_database_that_is_away_gets_503_and_nothing_is_lost_when_it_is_back(
    server: EmbeddedPostgres, database: Database, credentials: Credentials
) -> None:
    """Good and bad credentials alike: the sender must come again, whoever it is."""
    with office(database) as here:
        assert here.deliver(credentials, event()).status == 200
        with away(server, database):
            answer = here.deliver(credentials, event())
            assert (answer.status, answer.document["outcome"]) == (503, "not_stored")
            assert here.post(path_of(credentials), event(), login="Basic d3Jvbmc6").status == 503
            assert here.deliver(credentials, event(), 70009).status == 503
            assert here.get("/ready").document["database"] is False
            assert here.get("/health").status == 200
        assert here.deliver(credentials, event()).status == 200
        assert here.post(path_of(credentials), event(), login="Basic d3Jvbmc6").status == 401
    assert count(database) == 2


def test_a_connection_that_died_in_the_pool_is_no_failure(
    server: EmbeddedPostgres, database: Database, credentials: Credentials
) -> None:
    """The server was restarted between two deliveries."""
    with office(database) as here:
        assert here.deliver(credentials, event()).status == 200
        with away(server, database):
            pass
        assert here.deliver(credentials, event()).status == 200


def test_a_database_that_does_not_answer_gets_503_in_time(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender waits ten seconds at least; a lock may take longer."""
    monkeypatch.setattr("hostaway_sync.webhooks.receiver.ANSWER_WITHIN", 0.5)
    with office(database) as here:
        assert here.get(path_of(credentials)).status == 200
        with database.engine.begin() as connection:
            connection.execute(sa.text("LOCK TABLE hostaway.webhook_log"))
            answer = here.deliver(credentials, event())
            assert (answer.status, answer.document["outcome"]) == (503, "not_stored")
        monkeypatch.undo()
        assert here.deliver(credentials, event()).status == 200


def test_what_the_database_refuses_of_a_delivery_is_left_out(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payload that passed every check and is refused all the same costs the payload, never the delivery."""

    def accept(self: Reception, platform: str, delivery: Delivery) -> None:
        if delivery.payload is not None:
            raise ValueError("poison")
        self._database.transaction(lambda connection: inbox.accept(connection, delivery, platform=platform))

    monkeypatch.setattr(Reception, "_accept", accept)
    with office(database) as here:
        assert here.deliver(credentials, event()).document["outcome"] == "stored"
    row = database.transaction(
        lambda c: c.execute(sa.text("SELECT payload, body, object_id FROM hostaway.webhook_log")).one()
    )
    assert (row.payload, bytes(row.body), row.object_id) == (None, event(), 41200077)


def test_an_unexpected_failure_is_503(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens, the sender comes again; what happened is named without its words, which may quote a guest."""

    def accept(self: Reception, platform: str, delivery: Delivery) -> None:
        del self, platform, delivery
        raise RuntimeError("guest@example.org")

    monkeypatch.setattr(Reception, "_accept", accept)
    with office(database) as here:
        assert here.deliver(credentials, event()).status == 503


def test_closing_finishes_what_is_in_hand(database: Database, credentials: Credentials) -> None:
    """A delivery whose second half comes after the order to stop is stored and acknowledged; a new one is not taken."""
    body = event()
    with office(database) as here:
        idle = here.connect()
        connection = here.connect()
        connection.sendall(
            head("POST", path_of(credentials), login=login_of(credentials), Content_Length=str(len(body))) + body[:9]
        )
        assert here.get("/health").status == 200

        def send_the_rest() -> None:
            assert idle.recv(1) == b""  # the receiver began to stop
            connection.sendall(body[9:])

        half = threading.Thread(target=send_the_rest)
        half.start()
    assert read_answer(connection).status == 200
    half.join()
    for used in (idle, connection):
        used.close()
    assert count(database) == 1
