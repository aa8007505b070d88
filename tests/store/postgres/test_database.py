from __future__ import annotations

import socket
import traceback
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import eventually

from hostaway_sync.errors import ConfigurationError, LeaseHeld, StoreError, StoreUnavailable
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hunter2"  # noqa: S105  (it must not show up anywhere)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port that refuses connections: bound, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def nothing(connection: sa.Connection) -> None:
    """Do no work in a transaction."""
    connection.execute(sa.text("SELECT 1"))


def refused(url: str) -> Exception:
    """Return the error of one attempt to use a database at `url`, and check that no part of it has a password."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  (the caller looks at it)
        Database(url, schema="hostaway").attempt(nothing)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in repr(caught.value)
    return caught.value


@pytest.mark.parametrize("driver", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_the_postgresql_scheme_is_accepted(database: Database, driver: str) -> None:
    """Whatever the scheme is called, psycopg is the driver."""
    same = Database(database.engine.url.set(drivername=driver).render_as_string(hide_password=False), schema="hostaway")
    same.transaction(nothing)
    assert same.engine.url.drivername == "postgresql+psycopg"
    same.close()


@pytest.mark.parametrize("option", ["keepalives", "sslmode", "sslmod", "port"])
def test_bad_url_is_a_configuration_error(option: str) -> None:
    """No connection is made, and no part of the URL is repeated; the rest of the table is in `unit`."""
    error = refused(f"postgresql://u:{PASSWORD}@127.0.0.1/d?{option}={PASSWORD}")
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("HOSTAWAY_SYNC_DATABASE_URL ")


def test_several_hosts_are_tried_in_order(server: EmbeddedPostgres, closed_port: int) -> None:
    """The first one that accepts the connection is used, as by libpq, for every connection."""
    sockets = sa.make_url(server.url()).query["host"]
    url = f"postgresql://postgres@/postgres?host=127.0.0.1,{sockets}&port={closed_port},5432"
    database = Database(f"{url}&target_session_attrs=read-write", schema="hostaway")
    database.transaction(nothing)
    beside = database.separate_pool(pool_size=2, patience=0)
    beside.transaction(nothing)
    beside.close()
    database.close()


def test_unknown_database_is_refused_at_once(server: EmbeddedPostgres) -> None:
    """A retry would not find it, either."""
    error = refused(server.url("nowhere"))
    assert type(error) is StoreError
    assert "the database refuses us: " in str(error)
    assert '"nowhere" does not exist' in str(error)


def test_wrong_password_is_refused_at_once(server: EmbeddedPostgres, database: Database) -> None:
    """An unknown role and a wrong password are answers, not failures of the connection."""
    unknown = database.engine.url.set(username="nobody_here", password=PASSWORD)
    error = refused(unknown.render_as_string(hide_password=False))
    assert type(error) is StoreError
    assert 'role "nobody_here" does not exist' in str(error)
    sql.execute(database, f"CREATE ROLE closed LOGIN PASSWORD '{PASSWORD}x'")
    sql.execute(database, "CREATE ROLE inside NOLOGIN")
    try:
        no_login = refused(unknown.set(username="inside").render_as_string(hide_password=False))
        assert type(no_login) is StoreError
        rules = server.pgdata / "pg_hba.conf"
        before = rules.read_text(encoding="ascii")
        try:
            rules.write_text(f"local all closed scram-sha-256\n{before}", encoding="ascii")
            sql.execute(database, "SELECT pg_reload_conf()")
            wrong = refused(unknown.set(username="closed").render_as_string(hide_password=False))
            assert type(wrong) is StoreError
            assert 'password authentication failed for user "closed"' in str(wrong)
            none = refused(server.url().replace("postgres@", "closed@"))
            assert type(none) is StoreError
            assert "no password supplied" in str(none)
        finally:
            rules.write_text(before, encoding="ascii")
            sql.execute(database, "SELECT pg_reload_conf()")
    finally:
        sql.execute(database, "DROP ROLE closed, inside")


def test_missing_right_is_refused_at_once(database: Database) -> None:
    """A retry would not be allowed, either."""
    attempts = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        connection.execute(sa.text("SET LOCAL ROLE pg_monitor"))
        connection.execute(sa.text(f"SELECT 1 FROM {database.schema}.accounts"))

    with pytest.raises(StoreError, match="the database refuses us: permission denied for schema hostaway"):
        database.transaction(work)
    assert len(attempts) == 1


def test_refused_connection_is_retried_for_some_time(closed_port: int) -> None:
    """An unreachable server is asked again, with waits between, and then reported as unavailable."""
    url = f"postgresql://u:{PASSWORD}@127.0.0.1:{closed_port}/d"
    assert isinstance(refused(url), StoreUnavailable)
    waits: list[float] = []

    def no_more_patience(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise StoreUnavailable("the test is over")

    database = Database(url, sleep=no_more_patience, schema="hostaway")
    with pytest.raises(StoreUnavailable, match="the test is over"):
        database.transaction(nothing)
    assert len(waits) == 3
    assert all(0 <= wait <= 3 for wait in waits)
    impatient = Database(url, patience=0, sleep=waits.append, schema="hostaway")
    with pytest.raises(StoreUnavailable, match="the database is not available: connection failed"):
        impatient.transaction(nothing)
    assert len(waits) == 3


def test_transaction_with_a_cut_connection_runs_again(database: Database) -> None:
    """The work is repeated as a whole on a new connection, and what the first try wrote is gone."""
    attempts: list[int] = []

    def work(connection: sa.Connection) -> int:
        attempts.append(1)
        connection.execute(sa.text(f"INSERT INTO {database.schema}.request_budget (key) VALUES ('once')"))
        if len(attempts) == 1:
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return len(attempts)

    assert database.transaction(work) == 2
    assert sql.row(database, "SELECT count(*) FROM request_budget").count == 1


def test_dead_connections_in_the_pool_are_replaced(database: Database) -> None:
    """A restart of the server between two transactions costs one repetition."""
    pids = [database.transaction(lambda c: c.scalar(sa.text("SELECT pg_backend_pid()")))]
    killer = sa.create_engine(database.engine.url, poolclass=sa.NullPool)
    with killer.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pids[0]})
    pids.append(database.transaction(lambda c: c.scalar(sa.text("SELECT pg_backend_pid()"))))
    assert pids[0] != pids[1]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "53300", "57P03"])
def test_transient_errors_are_retried(database: Database, sqlstate: str) -> None:
    """Serialization, deadlock, lock timeout, too many connections and a server that starts are transient."""
    attempts: list[int] = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        if len(attempts) < 3:
            connection.execute(sa.text(f"DO $$ BEGIN RAISE 'not now' USING ERRCODE = '{sqlstate}'; END $$"))

    database.transaction(work)
    assert len(attempts) == 3


@pytest.mark.parametrize("missing", ["nonsense", "* FROM nonsense", "nonsense()", "* FROM nonsense.accounts"])
def test_missing_object_is_an_error_without_a_retry(database: Database, missing: str) -> None:
    """A column, table, function or schema."""
    attempts: list[int] = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        connection.execute(sa.text(f"SELECT {missing}"))

    with pytest.raises(StoreError, match=r"^the database lacks what its revision has: .* restore it from a backup$"):
        database.transaction(work)
    assert len(attempts) == 1


WAYS_OUT = {"25006": "connect to the primary server if", "42501": "connect as the one who ran `hostaway-sync migrate`"}


@pytest.mark.parametrize("sqlstate", ["P0001", "58030", "XX001", "0A000", "55000", "54000", "25006", "42501"])
def test_every_other_refusal_is_a_store_error(database: Database, sqlstate: str) -> None:
    """A trigger, a failing disk, a damaged page: the server's words, and no retry."""
    attempts: list[int] = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        connection.execute(sa.text(f"DO $$ BEGIN RAISE 'so nicht' USING ERRCODE = '{sqlstate}'; END $$"))

    with pytest.raises(StoreError, match=r"^the database refuses us: so nicht(; |$)") as caught:
        database.transaction(work)
    assert len(attempts) == 1
    assert WAYS_OUT.get(sqlstate, "so nicht") in str(caught.value)


def test_error_of_a_bug_is_not_translated(database: Database) -> None:
    """An error in our own statement is neither translated nor repeated, and is not its own cause."""
    attempts: list[int] = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        connection.execute(sa.text("SELECT FROM WHERE"))

    with pytest.raises(sa.exc.ProgrammingError) as caught:
        database.transaction(work)
    assert len(attempts) == 1
    assert caught.value.__cause__ is not caught.value
    with pytest.raises(sa.exc.NoResultFound):
        database.transaction(lambda connection: connection.execute(sa.text("SELECT 1 WHERE false")).one())


def test_our_own_errors_pass_and_roll_back(database: Database) -> None:
    """The caller gets the exception of the work; nothing of it is committed."""

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.text(f"INSERT INTO {database.schema}.request_budget (key) VALUES ('never')"))
        raise LeaseHeld("held")

    with pytest.raises(LeaseHeld):
        database.transaction(work)
    assert sql.row(database, "SELECT count(*) FROM request_budget").count == 0


def test_parameters_are_not_in_errors(database: Database) -> None:
    """They may hold a guest's words or a sealed secret."""
    for statement in ("SELECT CAST(:value AS text) || nonsense", "SELECT CAST(:value AS text) FROM WHERE"):
        with pytest.raises((StoreError, sa.exc.DBAPIError)) as caught:
            sql.execute(database, statement, value=PASSWORD)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_pool_without_a_free_connection_is_unavailable(database_url: str) -> None:
    """The wait for one of our own connections ends with a sentence."""
    small = Database(database_url, pool_size=1, patience=0, schema="hostaway")
    small.engine.pool._timeout = 0  # type: ignore[attr-defined]  # noqa: SLF001  (a minute is too long here)
    held = [small.engine.connect()]
    with pytest.raises(StoreUnavailable, match="no database connection became free within a minute"):
        small.transaction(nothing)
    for connection in held:
        connection.close()
    small.close()


def test_sessions_are_in_utc_and_have_timeouts(database: Database) -> None:
    """Every connection has its time zone and its limits, also after a rollback."""
    names = ("TimeZone", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with database.engine.connect() as connection:
        connection.rollback()
        found = [connection.scalar(sa.text(f"SHOW {name}")) for name in names]
        assert found == ["UTC", "30s", "10min", "5min"]
        assert connection.scalar(sa.text("SHOW application_name")) == "hostaway-sync"


def test_embedded_server_is_started_again_and_released(server: EmbeddedPostgres) -> None:
    """A stopped embedded database is started; closing releases it."""
    mine = EmbeddedPostgres(server._state_dir, bin_dir=server._bin_dir)  # noqa: SLF001  (no public way to see it)
    waits: list[float] = []
    mine.start()
    database = Database(mine.url(), embedded=mine, sleep=waits.append, schema="hostaway")
    attempts: list[int] = []

    def work(connection: sa.Connection) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    database.transaction(work)
    assert (len(attempts), len(waits)) == (2, 1)
    database.close()
    assert mine.release() is False


def test_closed_database_keeps_and_opens_no_connection(database_url: str, database: Database) -> None:
    """A thread that is still running ends its transaction, its connection is closed then, and it gets no other."""
    left = Database(database_url, schema="hostaway", application="left")
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left'"
    with left.claim("a right"), left.engine.begin() as connection:
        nothing(connection)
        left.close()
        nothing(connection)
        assert sql.row(database, mine)[0] == 2
    eventually(lambda: sql.row(database, mine)[0] == 0, "both have gone")
    with pytest.raises(StoreError, match="was closed"):
        left.transaction(nothing)
