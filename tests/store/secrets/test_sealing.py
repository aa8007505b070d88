from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.support import sql
from tests.support.deliveries import eventually

from hostaway_sync.errors import SecretError
from hostaway_sync.secrets import KeyRing, read_key_id
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.sealing import SEALED as DECLARED
from hostaway_sync.store.tables import accounts, metadata
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

OLD, NEW = b"o" * 32, b"n" * 32
BEFORE, BETWEEN = KeyRing([OLD]), KeyRing([NEW, OLD])
SECRET = SecretStr("hunter2-secret")
# The columns of a table with many rows.
SEALED = tuple(column for column in DECLARED if column.table is accounts)


def fill(database: Database, account_id: int, ring: KeyRing = BEFORE) -> None:
    """Store an account with a value in every sealed column, each with text of its own."""

    def write(connection: sa.Connection) -> None:
        values = {
            column.name: sealing.seal_value(
                connection, ring, SecretStr(f"{column.name} {account_id}"), column, account_id
            )
            for column in SEALED
        }
        connection.execute(sa.insert(accounts).values(account_id=account_id, **values))

    database.transaction(write)


def put(database: Database, account_id: int, column: sa.Column[bytes], value: bytes | None) -> None:
    """Write bytes into a sealed column."""
    statement = sa.update(accounts).where(accounts.c.account_id == account_id).values({column: value})
    database.transaction(lambda connection: connection.execute(statement))


def opened(database: Database, ring: KeyRing) -> dict[tuple[int, str], str]:
    """Return every value by row and column."""
    query = sa.select(accounts.c.account_id, *SEALED)
    return {
        (row[0], column.name): ring.open(bytes(value), sealing.place_of(column, row[0])).get_secret_value()
        for row in database.transaction(lambda connection: connection.execute(query).all())
        for column, value in zip(SEALED, row[1:], strict=True)
        if value is not None
    }


def everything(*account_ids: int) -> dict[tuple[int, str], str]:
    """Return the result of `opened` for accounts that were filled."""
    return {(number, column.name): f"{column.name} {number}" for number in account_ids for column in SEALED}


def counts(database: Database) -> dict[str | None, int]:
    """Count values by key."""
    return dict(database.transaction(sealing.values_by_key))


def test_every_sealed_column_is_declared() -> None:
    """A column whose comment says so is in the list, and no other; other columns are never sealed."""
    said = [
        column
        for table in metadata.tables.values()
        for column in table.c
        if (column.comment or "").startswith("sealed")
    ]
    assert sorted(map(str, DECLARED)) == sorted(map(str, said))
    for column in SEALED:
        assert len(column.table.primary_key) == 1
    with pytest.raises(ValueError, match=r"accounts\.name is not declared as sealed"):
        sealing.place_of(accounts.c.name, 1)


@pytest.mark.parametrize("column", SEALED, ids=str)
def test_value_moved_to_another_row_or_column_does_not_open(database: Database, column: sa.Column[bytes]) -> None:
    """Each sealed column; a value's header names its key."""
    fill(database, 1)
    fill(database, 2)
    own = sql.row(database, f"SELECT {column.name} AS value FROM accounts WHERE account_id = 1").value
    assert read_key_id(bytes(own)) == BEFORE.ids[0]
    for other in SEALED:
        put(database, 2, other, bytes(own))
    passed = sealing.check_secrets(database, BEFORE)
    assert passed.seen == 10
    assert [(trouble.place.primary_key, trouble.place.column) for trouble in passed.troubles] == [
        (2, other.name) for other in SEALED
    ]
    assert all("damaged, or moved from another row" in trouble.reason for trouble in passed.troubles)


def test_resealing_leaves_no_value_of_the_old_key(database: Database) -> None:
    """More rows than a batch: each value is unchanged, and opens without the old key; a second call does nothing."""
    numbers = range(1, sealing.BATCH + 3)
    for number in numbers:
        fill(database, number)
    assert counts(database) == {BEFORE.ids[0]: 5 * len(numbers)}
    passed = sealing.reseal_secrets(database, BETWEEN)
    assert (passed.seen, passed.resealed, passed.overtaken, passed.troubles) == (510, 510, 0, ())
    assert counts(database) == {BETWEEN.ids[0]: 510}
    assert opened(database, KeyRing([NEW])) == everything(*numbers)
    assert sealing.reseal_secrets(database, BETWEEN).resealed == 0


def test_plain_text_is_sealed_in_its_place(database: Database) -> None:
    """An import or an old version left it; nothing else changes; it is counted and named until then."""
    fill(database, 1)
    put(database, 1, accounts.c.client_secret, b"hunter2")
    assert counts(database) == {BEFORE.ids[0]: 4, None: 1}
    (trouble,) = sealing.check_secrets(database, BEFORE).troubles
    assert (trouble.is_plain, trouble.place) == (True, sealing.place_of(accounts.c.client_secret, 1))
    assert "accounts.client_secret of 1 is not sealed: `hostaway-sync keys rotate` seals it" in trouble.reason
    assert "hunter2" not in repr(trouble)
    assert sealing.reseal_secrets(database, BEFORE).resealed == 1
    assert opened(database, BEFORE) == everything(1) | {(1, "client_secret"): "hunter2"}


def test_values_that_do_not_open_stay_and_are_named(database: Database) -> None:
    """An unknown key, damage, and bytes that are neither sealed nor text; all others are sealed anew."""
    fill(database, 1)
    fill(database, 2, KeyRing([b"x" * 32]))
    damaged = (
        bytes(sql.row(database, "SELECT access_token FROM accounts WHERE account_id = 1").access_token)[:-1] + b"?"
    )
    put(database, 1, accounts.c.access_token, damaged)
    put(database, 1, accounts.c.webhook_password, b"\xff\x00")
    for passed in (sealing.reseal_secrets(database, BETWEEN), sealing.check_secrets(database, BETWEEN)):
        assert [str(trouble.place) for trouble in passed.troubles] == [
            "accounts.access_token of 1",
            "accounts.webhook_password of 1",
            *(f"accounts.{column.name} of 2" for column in SEALED),
        ]
        assert not any(trouble.is_plain for trouble in passed.troubles)
    assert counts(database) == {BETWEEN.ids[0]: 3, BEFORE.ids[0]: 1, KeyRing([b"x" * 32]).ids[0]: 5, None: 1}


def test_only_sealed_values_keep_a_lost_key_from_being_replaced(database: Database) -> None:
    """Plain text needs a first key as well."""
    assert not database.transaction(sealing.has_sealed_values)
    sql.execute(database, "INSERT INTO accounts (account_id, client_secret) VALUES (1, 'hunter2')")
    assert not database.transaction(sealing.has_sealed_values)
    fill(database, 2)
    assert database.transaction(sealing.has_sealed_values)


def test_value_stored_meanwhile_is_not_replaced(database: Database) -> None:
    """Only the value that was read is replaced: a newer one stays, whole."""
    fill(database, 1)
    locked = threading.Event()

    def hold_up(connection: sa.Connection) -> None:
        values = {accounts.c.access_token: sealing.seal_value(connection, BETWEEN, SECRET, accounts.c.access_token, 1)}
        connection.execute(sa.update(accounts).values(values))
        locked.set()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not connection.scalar(sa.text(waiting)):
            connection.execute(sa.select(sa.func.pg_stat_clear_snapshot()))

    writer = threading.Thread(target=database.transaction, args=(hold_up,))
    writer.start()
    assert locked.wait(30)
    passed = sealing.reseal_secrets(database, BETWEEN)
    writer.join(30)
    assert (passed.resealed, passed.overtaken) == (4, 1)
    assert opened(database, KeyRing([NEW])) == everything(1) | {(1, "access_token"): "hunter2-secret"}


def test_keys_change_only_between_transactions_that_seal(database: Database) -> None:
    """A change of the keys waits for transactions that may have read the old ones."""
    done: list[str] = []
    sealing_now, may_end = threading.Event(), threading.Event()

    def store(connection: sa.Connection) -> None:
        sealing.seal_value(connection, BEFORE, SECRET, accounts.c.client_secret, 1)
        sealing_now.set()
        may_end.wait(30)
        done.append("sealed")

    def change(connection: sa.Connection) -> None:
        sealing.lock_keys_exclusively(connection)
        done.append("changed")

    threads = [threading.Thread(target=database.transaction, args=(work,)) for work in (store, change)]
    threads[0].start()
    assert sealing_now.wait(30)
    threads[1].start()
    waits = "wait_event_type = 'Lock' AND datname = current_database()"
    query = sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE {waits}")
    eventually(lambda: database.transaction(lambda connection: connection.scalar(query)), "the change waits")
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert done == ["sealed", "changed"]


STEPS = st.lists(st.sampled_from(("rotate", "renew", "plain", "batch", "retire")), min_size=1, max_size=8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_events_loses_a_value(database: Database, steps: list[str]) -> None:
    """New keys, values with a former key or without one, reseals at any time: all open at the end."""
    sql.execute(database, "DELETE FROM accounts")
    keys = [b"0" * 32]
    wanted = everything(1, 2)
    for number in (1, 2):
        fill(database, number, KeyRing(keys))
    for count, step in enumerate(steps, 1):
        if step == "rotate":
            keys.insert(0, bytes([count]) * 32)
        elif step == "renew":
            wanted[1, "access_token"] = f"token {count}"
            value, ring = SecretStr(f"token {count}"), KeyRing([keys[-1], *keys])
            seal = partial(sealing.seal_value, store=ring, value=value, column=accounts.c.access_token, primary_key=1)
            put(database, 1, accounts.c.access_token, database.transaction(seal))
        elif step == "plain":
            wanted[2, "client_secret"] = f"plain {count}"
            put(database, 2, accounts.c.client_secret, f"plain {count}".encode())
        elif step == "batch":
            sealing.reseal_secrets(database, KeyRing(keys))
        else:
            sealing.reseal_secrets(database, KeyRing(keys))
            del keys[1:]
    sealing.reseal_secrets(database, KeyRing(keys))
    assert opened(database, KeyRing(keys[:1])) == wanted
    assert counts(database) == {KeyRing(keys).ids[0]: 10}


def test_old_webhook_credentials_are_sealed_anew_too(database: Database) -> None:
    """The present ones, and those that are still accepted for a while."""
    sql.execute(database, "INSERT INTO accounts (account_id) VALUES (1)")
    renew = partial(webhook_credentials.renew_credentials, vault=BEFORE, account_id=1, url="https://sync.example.org")
    first = database.transaction(renew)
    database.transaction(
        lambda connection: connection.execute(sa.text("UPDATE hostaway.accounts SET webhook_confirmed_at = now()"))
    )
    second = database.transaction(renew)
    sealing.reseal_secrets(database, BETWEEN)
    stored = database.transaction(webhook_credentials.find_stored_hooks)[1]
    assert stored.open(KeyRing([NEW])) == (second, first)
    with pytest.raises(SecretError):
        stored.open(BEFORE)
