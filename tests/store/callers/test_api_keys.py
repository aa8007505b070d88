from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.app.api_keys import ApiKeyRequest, ApiKeys
from hostaway_sync.app.container import Container
from hostaway_sync.app.secrets import Secrets
from hostaway_sync.errors import ApiKeyError, SecretError, UsageError
from hostaway_sync.model.callers import Access, Caller, Scope
from hostaway_sync.settings import load_settings
from hostaway_sync.store.callers.api_keys import find_key, inspect_callers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostaway_sync.app.api_keys import IssuedKey
    from hostaway_sync.store.postgres.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
READ = frozenset({Scope.READ})


class Keys:
    """The API keys of a database, with a key ring of its own for each one that is opened."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.database = database
        self.data_dir = data_dir
        self._containers: list[Container] = []

    def open(self) -> ApiKeys:
        """Return what a process has that was just started."""
        return ApiKeys(self._open_container())

    def open_secrets(self) -> Secrets:
        """Return the secrets, as `keys …` opens them."""
        return Secrets(self._open_container())

    def _open_container(self) -> Container:
        url = self.database.engine.url.render_as_string(hide_password=False)
        self._containers.append(Container(load_settings(database_url=url, data_dir=self.data_dir)))
        return self._containers[-1]

    def create(self, name: str = "crm", access: Access | None = None, valid: timedelta | None = None) -> IssuedKey:
        """Make a key that may read."""
        return self.open().create(ApiKeyRequest(name, access or Access.everything(), READ, valid), NOW)

    def close(self) -> None:
        """Close what was opened."""
        for container in self._containers:
            container.close()


@pytest.fixture
def keys(database: Database, tmp_path: Path) -> Iterator[Keys]:
    """Return the API keys of a database with accounts 1 and 2."""
    sql.execute(database, "INSERT INTO accounts (account_id) VALUES (1), (2)")
    keys = Keys(database, tmp_path)
    yield keys
    keys.close()


def test_key_proves_its_caller_until_it_is_revoked(keys: Keys) -> None:
    """With its name, scopes and accounts, in every process; a wrong, unknown or malformed one proves nobody."""
    issued = keys.create(access=Access.of_accounts([2]))
    token = issued.token.get_secret_value()
    assert token.startswith(f"hsk_{issued.key.key_id}_")
    other = keys.open()
    assert other.authenticate(token, NOW) == Caller("crm", READ, Access.of_accounts([2]), f"key:{issued.key.key_id}")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    unknown = f"hsk_{'0' * 12}_{token[-44:]}"
    assert keys.database.transaction(partial(find_key, key_id="0" * 12)) is None
    for text in (wrong, unknown, token[:-1], token + " ", "", "\ud800", "hsk_" + "\x00" * 57, "x" * 2_000_000):
        assert other.authenticate(text, NOW) is None
    customer = keys.create("customer", Access.of_customer(UUID(int=1)), DAY)
    found = other.authenticate(customer.token.get_secret_value(), NOW)
    assert found is not None
    assert found.access == Access.of_customer(UUID(int=1))
    assert other.authenticate(customer.token.get_secret_value(), NOW + DAY) is None
    keys.open().revoke("crm", NOW)
    assert other.authenticate(token, NOW) is None
    with pytest.raises(ApiKeyError, match="there is no API key 'crm'"):
        other.revoke("crm", NOW)
    again = keys.create("crm")
    assert other.authenticate(again.token.get_secret_value(), NOW) is not None
    assert [(key.name, key.state(NOW)) for key in other.list_all()] == [
        ("crm", "revoked"),
        ("crm", "valid"),
        ("customer", "valid"),
    ]


def test_nothing_that_is_stored_tells_a_secret(keys: Keys) -> None:
    """A row has hashes, made with a pepper that is sealed; the objects do not print either."""
    issued = keys.create()
    token = issued.token.get_secret_value()
    ((stored, pepper),) = sql.rows(
        keys.database, "SELECT (to_jsonb(k) || to_jsonb(p))\\:\\:text, p.secret FROM api_keys AS k, api_key_pepper AS p"
    )
    assert token[-44:] not in stored + repr(issued)
    assert bytes(pepper)[:1] == b"\x01"
    assert len(bytes(pepper)) > 32


def test_before_the_first_key_nobody_is_asked_for_keys(keys: Keys) -> None:
    """No key ring is made for a stranger's request, and the first key is accepted by a process that ran before."""
    running = keys.open()
    assert running.authenticate(f"hsk_{'0' * 12}_{'x' * 44}", NOW) is None
    assert list(keys.data_dir.iterdir()) == []
    assert running.authenticate(keys.create().token.get_secret_value(), NOW) is not None


def test_rotated_key_has_two_secrets_for_a_day(keys: Keys) -> None:
    """The third one ends the first at once; none outlives the key, and an expired key is not rotated."""
    running = keys.open()
    tokens = [keys.create(valid=DAY * 3)]
    tokens.append(keys.open().rotate("crm", NOW))
    assert tokens[1].key.previous_until == NOW + DAY
    assert [running.authenticate(one.token.get_secret_value(), NOW) is None for one in tokens] == [False, False]
    late = [running.authenticate(one.token.get_secret_value(), NOW + DAY) is None for one in tokens]
    assert late == [True, False]
    tokens.append(keys.open().rotate("crm", NOW + DAY * 2.5))
    assert tokens[2].key.previous_until == NOW + DAY * 3
    at_last = [running.authenticate(one.token.get_secret_value(), NOW + DAY * 2.6) is None for one in tokens]
    assert at_last == [True, False, False]
    with pytest.raises(ApiKeyError, match="'crm' has expired: revoke it"):
        running.rotate("crm", NOW + DAY * 3)
    with pytest.raises(ApiKeyError, match="there is no API key 'nobody'"):
        running.rotate("nobody", NOW)


def test_refused_keys_leave_nothing(keys: Keys) -> None:
    """A name that is taken, and an account that is unknown."""
    keys.create()
    with pytest.raises(ApiKeyError, match="there is an API key 'crm' already"):
        keys.create()
    with pytest.raises(UsageError, match="account 9 is unknown"):
        keys.create("more", Access.of_accounts([1, 9]))
    assert sql.row(keys.database, "SELECT count(*) FROM api_keys").count == 1


def test_first_keys_made_at_once_share_a_pepper(keys: Keys) -> None:
    """Two processes make it in the same moment, and both keys are accepted."""
    opened = [keys.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        request = [ApiKeyRequest(f"k{number}", Access.everything(), READ) for number in range(4)]
        issued = list(threads.map(lambda one, wanted: one.create(wanted, NOW), opened, request))
    running = keys.open()
    assert all(running.authenticate(one.token.get_secret_value(), NOW) for one in issued)


def test_pepper_is_resealed_with_the_other_secrets(keys: Keys) -> None:
    """By `keys rotate`: keys stay valid, and without the key ring nobody is let in."""
    token = keys.create().token.get_secret_value()
    assert keys.open_secrets().rotate().resealed == 1
    assert keys.open_secrets().rotate(retire=True).retired
    assert keys.open().authenticate(token, NOW) is not None
    (keys.data_dir / "master.key").unlink()
    with pytest.raises(SecretError):
        keys.open().authenticate(token, NOW)


def test_use_is_noted_once_a_minute_and_waits_for_nobody(keys: Keys, database: Database) -> None:
    """Not for a session that changes the key; a refused key is not noted as used."""
    token = keys.create().token.get_secret_value()
    running = keys.open()

    def noted() -> datetime | None:
        found: datetime | None = sql.row(database, "SELECT last_used_at FROM api_keys").last_used_at
        return found

    running.authenticate(token[:-44] + "x" * 44, NOW)
    assert noted() is None
    for age, expected in ((MINUTE * 0, NOW), (MINUTE * 0.9, NOW), (MINUTE, NOW + MINUTE)):
        assert running.authenticate(token, NOW + age) is not None
        assert noted() == expected
    with database.engine.begin() as connection:
        connection.execute(sa.text("SELECT 1 FROM hostaway.api_keys FOR UPDATE"))
        assert running.authenticate(token, NOW + MINUTE * 5) is not None
    assert noted() == NOW + MINUTE
    with database.engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE hostaway.api_keys IN SHARE MODE"))
        assert running.authenticate(token, NOW + MINUTE * 5) is not None
    assert noted() == NOW + MINUTE


def test_changes_of_keys_are_in_the_audit_log(keys: Keys, database: Database) -> None:
    """Of each account that a key names; of none where it sees a customer's, or all; never a secret."""
    tokens = [keys.create("two", Access.of_accounts([2, 1]), DAY), keys.create("all")]
    tokens.append(keys.open().rotate("two", NOW))
    keys.open().revoke("all", NOW)
    found = sql.rows(
        database, "SELECT account_id, action, changes->>'api_key', changes\\:\\:text FROM audit_log ORDER BY audit_id"
    )
    assert [row[:3] for row in found] == [
        (1, "api_key_created", "two"),
        (2, "api_key_created", "two"),
        (None, "api_key_created", "all"),
        (1, "api_key_rotated", "two"),
        (2, "api_key_rotated", "two"),
        (None, "api_key_revoked", "all"),
    ]
    assert not any(one.token.get_secret_value()[-44:] in row[3] for row in found for one in tokens)


def test_scope_of_a_later_release_is_left_out(keys: Keys, database: Database) -> None:
    """This program does not know what it allows."""
    token = keys.create().token.get_secret_value()
    sql.execute(database, "UPDATE api_keys SET scopes = '{read,fly}'")
    caller = keys.open().authenticate(token, NOW)
    assert caller is not None
    assert caller.scopes == READ


def test_valid_keys_are_counted_for_doctor(keys: Keys, database: Database) -> None:
    """Neither revoked nor expired ones; and whether they are kept apart by the database."""
    for name, valid in (("open", None), ("long", DAY * 9999), ("past", DAY), ("gone", None)):
        keys.create(name, valid=valid)
    keys.open().revoke("gone", NOW)
    sql.execute(database, "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE name = 'past'")
    state = database.transaction(inspect_callers)
    assert (state.keys, state.role) == (2, None)
