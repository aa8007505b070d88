from __future__ import annotations

import base64
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support.deliveries import eventually
from tests.support.servers.http_server import head, read_answer
from tests.support.servers.receiver import (
    event,
    login_of,
    path_of,
    renew,
    running_receiver,
    store_account,
)

from hostaway_sync.store.webhooks import inbox
from hostaway_sync.webhooks.server.runtime import ReceiverRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.deliveries import Delivery
    from hostaway_sync.store.embedded import EmbeddedPostgres
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import Credentials


Trouble = Callable[["EmbeddedPostgres", "Database"], AbstractContextManager[None]]


@pytest.fixture
def credentials(database: Database) -> Credentials:
    """Return valid credentials of an account."""
    store_account(database)
    return renew(database)


@contextmanager
def away(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Make the database refuse all connections while the block runs."""
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


def test_database_outage_gets_503_and_loses_no_delivery(
    server: EmbeddedPostgres, database: Database, credentials: Credentials
) -> None:
    """Also with wrong credentials, which cannot be checked: every sender must try again."""
    with running_receiver(database) as receiver:
        assert receiver.deliver(credentials, event()).status == 200
        with away(server, database):
            answer = receiver.deliver(credentials, event())
            assert (answer.status, answer.document["outcome"]) == (503, "not_stored")
            assert receiver.post(path_of(credentials), event(), login="Basic d3Jvbmc6").status == 503
            assert receiver.deliver(credentials, event(), 70009).status == 503
            assert receiver.get("/ready").document["database"] is False
            assert receiver.get("/health").status == 200
        assert receiver.deliver(credentials, event()).status == 200
        assert receiver.post(path_of(credentials), event(), login="Basic d3Jvbmc6").status == 401
    assert count(database) == 2


def test_broken_pooled_connection_is_no_failure(
    server: EmbeddedPostgres, database: Database, credentials: Credentials
) -> None:
    """The server was restarted between two deliveries."""
    with running_receiver(database) as receiver:
        assert receiver.deliver(credentials, event()).status == 200
        with away(server, database):
            pass
        assert receiver.deliver(credentials, event()).status == 200


def test_database_without_an_answer_gets_503_in_time(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The sender waits for ten seconds; a lock may take longer."""
    monkeypatch.setattr("hostaway_sync.webhooks.server.app.ANSWER_WITHIN_S", 0.5)
    with running_receiver(database) as receiver:
        assert receiver.get(path_of(credentials)).status == 200
        with database.engine.begin() as connection:
            connection.execute(sa.text("LOCK TABLE hostaway.webhook_log"))
            answer = receiver.deliver(credentials, event())
            assert (answer.status, answer.document["outcome"]) == (503, "not_stored")
            assert receiver.get("/ready").document == {
                "ready": False,
                "database": False,
                "schema": False,
                "oldest_waiting_s": None,
            }
        line = "receiver: not ready for deliveries: the database stored nothing within 0.5 seconds"
        assert line in caplog.messages
        monkeypatch.undo()
        assert receiver.deliver(credentials, event()).status == 200


def test_payload_that_the_database_refuses_is_left_out(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the payload is lost, never the delivery."""

    def accept(self: ReceiverRuntime, platform: str, delivery: Delivery) -> None:
        if delivery.payload is not None:
            raise ValueError("poison")
        self._database.transaction(lambda connection: inbox.accept_delivery(connection, delivery, platform=platform))

    monkeypatch.setattr(ReceiverRuntime, "_accept", accept)
    with running_receiver(database) as receiver:
        assert receiver.deliver(credentials, event()).document["outcome"] == "stored"
    row = database.transaction(
        lambda c: c.execute(sa.text("SELECT payload, body, object_id FROM hostaway.webhook_log")).one()
    )
    assert (row.payload, bytes(row.body), row.object_id) == (None, event(), 41200077)


def test_unexpected_error_gets_503(
    database: Database, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender tries again; the log names the error without its text, which may quote a guest."""

    def accept(self: ReceiverRuntime, platform: str, delivery: Delivery) -> None:
        del self, platform, delivery
        raise RuntimeError("guest@example.org")

    monkeypatch.setattr(ReceiverRuntime, "_accept", accept)
    with running_receiver(database) as receiver:
        assert receiver.deliver(credentials, event()).status == 503


def test_closing_receiver_finishes_its_running_requests(database: Database, credentials: Credentials) -> None:
    """A delivery whose second half comes after the stop is stored and acknowledged; a new one is refused."""
    body = event()
    with running_receiver(database) as receiver:
        idle = receiver.connect()
        connection = receiver.connect()
        connection.sendall(
            head("POST", path_of(credentials), login=login_of(credentials), Content_Length=str(len(body))) + body[:9]
        )
        assert receiver.get("/health").status == 200

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


@contextmanager
def read_only(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Make new sessions of the database read-only, as on a standby, while the block runs."""
    name = database.engine.url.database
    with administering(server, server.url()) as run:
        run(f'ALTER DATABASE "{name}" SET default_transaction_read_only TO on')
        run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            run(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
            run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@contextmanager
def full_disk(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Keep the inbox on a full disk of its own while the block runs."""
    owner = server.socket_dir.stat()
    room = Path(tempfile.mkdtemp(prefix="hostaway-sync-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(room)], check=False)  # noqa: S607  (the system's)
    if mounted.returncode:
        room.rmdir()
        pytest.skip("this user may not mount a disk of a certain size")
    os.chown(room, owner.st_uid, owner.st_gid)
    try:
        with administering(server, database.engine.url.render_as_string(hide_password=False)) as run:
            run(f"CREATE TABLESPACE small LOCATION '{room}'")
            try:
                run("ALTER TABLE hostaway.webhook_log SET TABLESPACE small")
                (room / "filler").write_bytes(b"")
                with suppress(OSError), (room / "filler").open("wb", buffering=0) as filler:
                    while filler.write(b"x" * 4096):
                        pass
                yield
            finally:
                (room / "filler").unlink(missing_ok=True)
                run("ALTER TABLE hostaway.webhook_log SET TABLESPACE pg_default")
                run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(room)], check=True)  # noqa: S607  (as above)
        room.rmdir()


@contextmanager
def locked(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Hold an exclusive lock on the inbox while the block runs."""
    del server
    with database.engine.connect() as connection, connection.begin():
        connection.execute(sa.text("LOCK TABLE hostaway.webhook_log"))
        yield


@contextmanager
def administering(server: EmbeddedPostgres, url: str) -> Iterator[Callable[[str], None]]:
    """Return a function that runs a statement outside of any transaction."""
    del server
    maintenance = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def run(statement: str) -> None:
        with maintenance.connect() as connection:
            connection.execute(sa.text(statement))

    yield run


@pytest.mark.parametrize("trouble", [read_only, full_disk, locked])
def test_receiver_that_cannot_store_is_not_ready(
    server: EmbeddedPostgres, database: Database, credentials: Credentials, trouble: Trouble
) -> None:
    """`/ready` finds every obstacle of a delivery; afterwards deliveries are stored again."""
    large = event(padding=base64.b64encode(os.urandom(6000)).decode())
    with running_receiver(database) as receiver:
        assert receiver.get("/ready").status == 200
        with trouble(server, database):
            eventually(lambda: receiver.get("/ready").status == 503, "it is not ready")
            assert receiver.get("/ready").document["ready"] is False
            assert receiver.deliver(credentials, large).status == 503
            assert receiver.get("/health").status == 200
        eventually(lambda: receiver.get("/ready").status == 200, "it is ready again")
        assert receiver.deliver(credentials, large).status == 200
    # A delivery that got 503 may still be stored, and comes again: that does no harm.
    assert count(database) in {1, 2}


def test_readiness_check_stores_nothing(database: Database, credentials: Credentials) -> None:
    """Its trial row is never visible, and concurrent checks that hang are one."""
    del credentials
    with running_receiver(database) as receiver:
        for _ in range(3):
            assert receiver.get("/ready").status == 200
        assert count(database) == 0
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with database.engine.connect() as other, other.begin():
            other.execute(sa.text("LOCK TABLE hostaway.webhook_log"))
            eventually(lambda: receiver.get("/ready").status == 503, "it is not ready")
            with ThreadPoolExecutor() as pool:
                asked = [pool.submit(receiver.get, "/ready") for _ in range(3)]
                assert {answer.result().status for answer in asked} == {503}
            assert other.scalar(sa.text(waiting)) == 1
