from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.scoped_rows import fill_relations

from hostaway_sync.app.database import upgrade_schema
from hostaway_sync.errors import StoreError
from hostaway_sync.model.callers import Access
from hostaway_sync.settings import load_settings
from hostaway_sync.store.callers.scoped_reads import ScopedReads, open_scoped_reads
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema.api_role import EMBEDDED_ROLE
from hostaway_sync.store.schema.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.db_roles import DbRoles

    from hostaway_sync.store.embedded import EmbeddedPostgres

BLUE = UUID(int=1)
# What a question that forgot its WHERE would tell.
FORGETFUL = "SELECT DISTINCT account_id FROM hostaway.reservations ORDER BY 1"
STATE = (
    "SELECT current_user, coalesce(current_setting('hostaway_sync.accounts', true), ''),"
    " current_setting('transaction_read_only')"
)


@pytest.fixture(params=["superuser", "writer"])
def reads(request: pytest.FixtureRequest, db_roles: DbRoles, database: Database) -> Iterator[ScopedReads]:
    """Return reads over one pooled connection, of a user that may see every row, with the role of the API."""
    fill_relations(database, (1, 2, 3))
    sql.execute(database, f"UPDATE accounts SET customer_id = '{BLUE}' WHERE account_id > 1")
    role = db_roles.api
    url = database.engine.url
    if request.param == "writer":
        url = url.set(username=db_roles.create_login("web", db_roles.groups.writer, role))
    # One connection is what a second transaction gets back; the other one is for claimed rights.
    with closing(Database(url, schema="hostaway", pool_size=2)) as opened:
        reads = open_scoped_reads(opened, "core")
        assert reads.role == role
        yield reads


def look(connection: sa.Connection, accounts: Sequence[int], *, query: str = FORGETFUL) -> tuple[list[int], list[Any]]:
    """Return the accounts that a question should name, and what it finds when it names none."""
    return list(accounts), list(connection.scalars(sa.text(query)))


def state_of(reads: ScopedReads) -> tuple[Any, ...]:
    """Return role and setting of a later transaction on the connection."""
    return tuple(reads._database.transaction(lambda connection: connection.execute(sa.text(STATE)).one()))  # noqa: SLF001  (its connection)


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access.everything(), [1, 2, 3]),
        (Access.of_accounts([3, 1, 9]), [1, 3]),
        (Access.of_accounts([]), []),
        (Access.of_customer(BLUE), [2, 3]),
        (Access.of_customer(UUID(int=2)), []),
    ],
)
def test_questions_see_the_accounts_of_the_caller_alone(
    reads: ScopedReads, access: Access, expected: list[int]
) -> None:
    """Even where they forget to name them; what the caller may see is looked up in each transaction."""
    assert reads.transaction(access, look) == (expected, expected)


def test_nothing_of_a_caller_outlives_its_transaction(reads: ScopedReads) -> None:
    """Role, setting and read-only mode are gone after success, an error, and whatever the questions set themselves."""
    before = state_of(reads)
    role = reads.role

    def run(connection: sa.Connection, accounts: Sequence[int], *, statements: Sequence[str]) -> None:
        assert list(accounts) == [2]
        for statement in statements:
            connection.execute(sa.text(statement))

    attempts: list[tuple[str, ...]] = [
        ("SELECT 1",),
        ("SELECT * FROM hostaway.sent_messages",),
        ("INSERT INTO hostaway.accounts (account_id) VALUES (9)",),
        ("RESET ROLE",),
        ("RESET ROLE", "INSERT INTO hostaway.accounts (account_id) VALUES (9)"),
        ("RESET ROLE", "SELECT set_config('hostaway_sync.accounts', '1,2,3', false)", f"SET ROLE {role}"),
        ("SET SESSION hostaway_sync.accounts = '1,2,3'", f"SET SESSION ROLE {role}"),
        ("SET TRANSACTION READ WRITE", "RESET ROLE", "INSERT INTO hostaway.accounts (account_id) VALUES (9)"),
    ]
    for statements in attempts:
        work = partial(run, statements=statements)
        if "sent_messages" in statements[-1] or "INSERT" in statements[-1]:
            with pytest.raises(StoreError):
                reads.transaction(Access.of_accounts([2]), work)
        else:
            reads.transaction(Access.of_accounts([2]), work)
        assert state_of(reads) == before, statements
        assert reads.transaction(Access.of_accounts([1]), look) == ([1], [1]), statements
    with pytest.raises(ZeroDivisionError):
        reads.transaction(Access.of_accounts([2]), lambda _, accounts: 1 // (len(accounts) - 1))
    assert state_of(reads) == before


def test_without_the_role_questions_alone_keep_callers_apart(
    database: Database, db_roles: DbRoles, make_reads: Callable[[str], ScopedReads]
) -> None:
    """Where the role was not made, or this user may not become it; writing is refused all the same."""
    fill_relations(database, (1, 2))
    reads = make_reads(db_roles.create_login("web", db_roles.groups.writer))
    assert reads.role is None
    assert reads.transaction(Access.of_accounts([2]), look) == ([2], [1, 2])
    with pytest.raises(StoreError, match="read-only transaction"):
        reads.transaction(Access.everything(), lambda c, _: c.execute(sa.text("DELETE FROM hostaway.listings")))
    db_roles.execute(f"DROP OWNED BY {db_roles.api}")
    assert make_reads("postgres").role is None


@pytest.fixture
def make_reads(database: Database) -> Iterator[Callable[[str], ScopedReads]]:
    """Return a function that opens the reads of a user."""
    opened: list[Database] = []

    def build(user: str) -> ScopedReads:
        opened.append(Database(database.engine.url.set(username=user), schema="hostaway", pool_size=2))
        return open_scoped_reads(opened[-1], "core")

    yield build
    for one in opened:
        one.close()


def test_a_cut_connection_is_replaced(database: Database) -> None:
    """The questions are asked once more, also where the cut is met by the end of the transaction alone."""
    fill_relations(database, (1,))
    asked: list[int] = []

    def work(connection: sa.Connection, accounts: Sequence[int]) -> list[int]:
        asked.extend(connection.scalars(sa.text("SELECT pg_backend_pid()")))
        if len(asked) == 1:
            sql.execute(database, "SELECT pg_terminate_backend(:pid, 5000)", pid=asked[0])
        return list(accounts)

    assert ScopedReads(database, None).transaction(Access.everything(), work) == [1]
    assert len(asked) == 2


def test_embedded_database_always_has_the_role(
    server: EmbeddedPostgres, database_url: str, db_roles: DbRoles, tmp_path: Path
) -> None:
    """From its migration on, and made anew where a restore left it out; groups that are made later leave it alone."""
    db_roles.drop_all()
    # Not closed, which would stop the server.
    embedded = Database(database_url, schema="hostaway", embedded=server)
    db_roles.made.append(EMBEDDED_ROLE)
    upgrade_schema(embedded, load_settings(data_dir=tmp_path))
    fill_relations(embedded, (1, 2))
    look_at_core = partial(look, query="SELECT DISTINCT CAST(account_id AS bigint) FROM core.reservations")
    for _ in range(2):
        reads = open_scoped_reads(embedded, "core")
        assert reads.role == EMBEDDED_ROLE
        assert reads.transaction(Access.of_accounts([2]), look_at_core) == ([2], [2])
        sql.execute(embedded, "DROP POLICY api ON accounts")
    reads.transaction(Access.everything(), look)
    open_scoped_reads(embedded, "core")
    assert Roles(embedded, "core").create(db_roles.prefix).api == EMBEDDED_ROLE
    assert reads.transaction(Access.of_accounts([1]), look) == ([1], [1])
    db_roles.drop_all()
    embedded.disconnect()
