from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support.servers.receiver import ACCOUNT, BASE, RING, renew, store_account

from hostaway_sync.errors import SecretError
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import Credentials, StoredHook

HOUR = timedelta(hours=1)


def stored(database: Database, account_id: int = ACCOUNT) -> StoredHook:
    """Return the stored credentials of an account."""
    return database.transaction(webhook_credentials.find_stored_hooks)[account_id]


def opened(database: Database) -> tuple[Credentials, ...]:
    """Return every valid credential."""
    return stored(database).open(RING)


def confirm(database: Database, hook_id: int = 4711) -> None:
    """Confirm that the source uses the current ones."""
    database.transaction(
        partial(webhook_credentials.confirm_credentials, account_id=ACCOUNT, hook_id=hook_id, old_ones_for=HOUR)
    )


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store an account."""
    store_account(database)


def test_new_account_has_no_credentials(database: Database) -> None:
    """No delivery to it is accepted."""
    assert opened(database) == ()
    assert (stored(database).url, stored(database).hook_id, stored(database).is_active) == (None, None, True)


def test_new_credentials_are_sealed_and_url_safe(database: Database) -> None:
    """No column shows them, no two are alike, and a path or header needs no escapes."""
    first = renew(database)
    assert opened(database) == (first,)
    for word in (first.path_secret.get_secret_value(), first.password.get_secret_value()):
        assert len(word) >= 40
        assert word.replace("-", "").replace("_", "").isalnum()
    assert webhook_credentials.generate_credentials() != webhook_credentials.generate_credentials()
    row = database.transaction(lambda connection: connection.scalar(sa.text("SELECT a::text FROM hostaway.accounts a")))
    assert first.password.get_secret_value() not in str(row)
    assert stored(database).url == BASE


def test_unconfirmed_credentials_are_returned_again(database: Database) -> None:
    """The last attempt may have reached the source, which then uses only these."""
    first = renew(database)
    assert renew(database) == first
    assert not stored(database).is_confirmed
    confirm(database)
    assert stored(database).is_confirmed
    assert stored(database).hook_id == 4711


def test_old_credentials_stay_valid_until_the_new_are_confirmed(database: Database) -> None:
    """Then they have an hour; a second confirmation does not extend it."""
    first = renew(database)
    confirm(database)
    second = renew(database)
    assert opened(database) == (second, first)
    until = sa.text("SELECT webhook_previous_until - now() FROM hostaway.accounts")
    assert database.transaction(lambda connection: connection.scalar(until)) is None
    confirm(database)
    confirm(database)
    assert database.transaction(lambda connection: connection.scalar(until)) <= HOUR
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.accounts SET webhook_previous_until = now()"))
    assert opened(database) == (second,)


def test_only_the_last_two_generations_are_valid(database: Database) -> None:
    """A further exchange drops the oldest."""
    renew(database)
    confirm(database)
    second = renew(database)
    confirm(database)
    third = renew(database)
    assert opened(database) == (third, second)


def test_failed_exchange_keeps_the_used_credentials(database: Database) -> None:
    """However often the registration fails, the source's credentials stay valid."""
    first = renew(database)
    confirm(database)
    second = renew(database)
    assert renew(database) == renew(database) == second
    assert opened(database) == (second, first)


def test_retired_credentials_stay_valid_for_a_while(database: Database) -> None:
    """Late deliveries are accepted; there is no current credential any more."""
    first = renew(database)
    confirm(database)
    retire = partial(webhook_credentials.retire_credentials, vault=RING, account_id=ACCOUNT, good_for=HOUR)
    database.transaction(retire)
    assert opened(database) == (first,)
    assert (stored(database).login, stored(database).hook_id, stored(database).is_confirmed) == (None, None, False)
    database.transaction(retire)
    assert opened(database) == (first,)
    second = renew(database)
    assert opened(database) == (second, first)


def test_credentials_open_in_their_own_row_only(database: Database) -> None:
    """Moved to another account they do not open, and neither do they with another key ring."""
    renew(database)
    store_account(database, 70002)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE hostaway.accounts b SET webhook_login = a.webhook_login, webhook_password = a.webhook_password,"
                " webhook_path_secret = a.webhook_path_secret FROM hostaway.accounts a"
                " WHERE a.account_id = 70001 AND b.account_id = 70002"
            )
        )
    with pytest.raises(SecretError):
        stored(database, 70002).open(RING)
    with pytest.raises(SecretError):
        stored(database).open(KeyRing([b"x" * 32]))
