from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support.store.vaults import NOW, SECRET, TOKEN, add_account, assert_all_named, open_vault, stored_token

from hostaway_sync.errors import (
    AccountError,
    ConfigurationError,
    SecretError,
    SecretGone,
    StoreUnavailable,
)
from hostaway_sync.model.records import AccessToken
from hostaway_sync.secrets import KeyRing
from hostaway_sync.secrets.protocols import format_pointer
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.accounts import queries as stored
from hostaway_sync.store.accounts.changes import AccountChanges
from hostaway_sync.store.secrets import (
    placement as secret_placement,
)
from hostaway_sync.store.secrets import (
    sealing,
)
from hostaway_sync.store.secrets import (
    transfer as secret_transfer,
)
from hostaway_sync.store.secrets.vault import Vault, run_secret_transaction
from hostaway_sync.store.tables import accounts
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.fake_aws import AwsCall, FakeAws

    from hostaway_sync.secrets import SecretWriter
    from hostaway_sync.store.postgres.database import Database

PLACE = sealing.place_of(accounts.c.client_secret, 1)
BASE = "https://sync.example.org"


@pytest.fixture
def vault(database: Database, fake_aws: FakeAws) -> Vault:
    """Return a vault of an empty database whose secrets belong in AWS."""
    del fake_aws
    secret_placement.require_placement(database, "aws")
    return open_vault(database)


def register(database: Database, vault: Vault, number: int = 1) -> webhook_credentials.Credentials:
    """Store the registration of a webhook."""
    renew = partial(webhook_credentials.renew_credentials, account_id=number, url=BASE)
    wanted = run_secret_transaction(database, vault, number, renew)
    database.transaction(
        partial(webhook_credentials.confirm_credentials, account_id=number, hook_id=1, old_ones_for=timedelta(hours=1))
    )
    return wanted


def test_only_pointers_are_stored_in_the_database(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """In an account's whole life, each replaced secret is deleted, and a removed account leaves none."""
    add_account(database, vault)
    assert fake_aws.secrets() == {
        "accounts/1/client_secret": SECRET.get_secret_value(),
        "accounts/1/access_token": TOKEN.value.get_secret_value(),
    }
    for _ in range(3):
        register(database, vault)
        assert_all_named(database, fake_aws)
    assert fake_aws.count() == 5
    account_changes.change_account(database, vault, 1, AccountChanges(client_secret=SecretStr("another"), token=TOKEN))
    stored.StoredToken(database, vault, 1).save(AccessToken(SecretStr("newer"), NOW, TOKEN.expires_at))
    assert_all_named(database, fake_aws)
    assert stored_token(fake_aws) == "newer"
    assert database.transaction(sealing.values_by_store) == {"aws": 5}
    run_secret_transaction(
        database, vault, 1, partial(webhook_credentials.retire_credentials, account_id=1, good_for=timedelta(hours=1))
    )
    assert fake_aws.count() == 3
    account_changes.remove_account(database, vault, 1)
    assert fake_aws.count() == 0
    add_account(database, vault)
    assert_all_named(database, fake_aws)


def test_process_reads_each_secret_once(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """However often it is used; another process sees by the row that there is a newer one."""
    add_account(database, vault)
    other = open_vault(database)
    vaults = [stored.StoredToken(database, one, 1) for one in (other, other, open_vault(database))]
    for _ in range(5):
        assert [token_vault.load() for token_vault in vaults] == [TOKEN] * 3
        assert stored.open_client_secret(database, other, 1) == SECRET
    assert fake_aws.calls["GetSecretValue"] == 3
    newer = AccessToken(SecretStr("newer"), NOW, TOKEN.expires_at)
    vaults[0].save(newer)
    for _ in range(5):
        assert [token_vault.load() for token_vault in vaults] == [newer] * 3
    assert fake_aws.calls["GetSecretValue"] == 5
    assert fake_aws.calls["DeleteSecret"] == 1


def test_refused_change_leaves_no_secret_in_aws(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """An existing, a removed and an unknown account: the secret that was stored first is deleted again."""
    add_account(database, vault)
    with pytest.raises(AccountError, match="exists already"):
        add_account(database, vault)
    with pytest.raises(AccountError, match="not known"):
        account_changes.change_account(database, vault, 2, AccountChanges(client_secret=SECRET, token=TOKEN))
    assert_all_named(database, fake_aws)
    account_changes.remove_account(database, vault, 1)
    stored.StoredToken(database, vault, 1).save(TOKEN)
    assert fake_aws.count() == 0

    def refuse(connection: sa.Connection, store: SecretWriter) -> None:
        sealing.seal_value(connection, store, SECRET, accounts.c.client_secret, 1)
        raise AccountError("no")

    with pytest.raises(AccountError, match="no"):
        run_secret_transaction(database, vault, 1, refuse)
    assert fake_aws.count() == 0
    assert fake_aws.calls["CreateSecret"] == fake_aws.calls["DeleteSecret"]


def test_commit_with_a_lost_answer_loses_no_secret(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """Secrets that the row may name stay; repeated work stores none twice, and finds its own account."""
    add_account(database, vault, token=None)
    tries = []

    def work(connection: sa.Connection, store: SecretWriter) -> None:
        kept = sealing.seal_value(connection, store, SecretStr("newer"), accounts.c.client_secret, 1)
        connection.execute(sa.update(accounts).values(client_secret=kept))
        tries.append(kept)
        if len(tries) == 1:
            connection.commit()  # and then the server stops
            raise StoreUnavailable("the answer is lost")

    run_secret_transaction(database, vault, 1, work)
    assert len(tries) == 2
    assert len(set(tries)) == 1
    assert_all_named(database, fake_aws)
    assert fake_aws.secrets() == {"accounts/1/client_secret": "newer"}

    def never(connection: sa.Connection, store: SecretWriter) -> None:
        work(connection, store)
        raise sa.exc.OperationalError("", {}, Exception("server closed the connection unexpectedly"))

    hasty = database.separate_pool(pool_size=2, patience=0)
    with pytest.raises(StoreUnavailable):
        run_secret_transaction(hasty, vault, 1, never)
    hasty.disconnect()
    assert fake_aws.count() == 2
    assert len(secret_transfer.find_orphans(database, vault, "aws")) == 1
    assert secret_transfer.move_secrets(database, vault, "aws").orphans == 1
    assert_all_named(database, fake_aws)


def test_secret_that_cannot_be_deleted_is_an_orphan(
    database: Database, vault: Vault, fake_aws: FakeAws, caplog: pytest.LogCaptureFixture
) -> None:
    """The command succeeds; a warning names the command that counts orphans, and a move deletes them."""
    add_account(database, vault)
    with caplog.at_level(logging.WARNING), fake_aws.refusing("DeleteSecret", "AccessDeniedException"):
        stored.StoredToken(database, vault, 1).save(AccessToken(SecretStr("newer"), NOW, TOKEN.expires_at))
    assert "`hostaway-sync keys check` counts such as orphans" in caplog.text
    assert fake_aws.count() == 3
    assert secret_transfer.move_secrets(database, vault, "aws") == secret_transfer.TransferResult(
        "aws", 0, 1, is_whole=True
    )
    assert_all_named(database, fake_aws)


def test_lost_token_is_renewed_and_lost_secret_is_an_error(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """They were deleted in AWS, or an old backup was restored."""
    add_account(database, vault)
    fake_aws.delete_all()
    other = open_vault(database)
    token_vault = stored.StoredToken(database, other, 1)
    assert token_vault.load() is None
    with pytest.raises(SecretGone, match=r"cannot give accounts.client_secret of 1: it is not there"):
        stored.open_client_secret(database, other, 1)
    token_vault.save(TOKEN)
    assert token_vault.load() == TOKEN
    assert account_changes.change_account(database, other, 1, AccountChanges(client_secret=SECRET)) == (
        "client_secret",
    )
    assert stored.open_client_secret(database, other, 1) == SECRET


def test_secret_replaced_during_its_reading_is_found(database: Database, vault: Vault, fake_aws: FakeAws) -> None:
    """A process that read the row before the replacement reads it again, instead of failing."""
    add_account(database, vault)
    newer = AccessToken(SecretStr("newer"), NOW, TOKEN.expires_at)
    both = AccountChanges(client_secret=SecretStr("another"), token=newer)
    exchanges: list[Callable[[], object]] = [
        lambda: stored.StoredToken(database, vault, 1).save(newer),
        lambda: account_changes.change_account(database, vault, 1, both),
    ]

    def exchange(call: AwsCall) -> None:
        if call.route == "GetSecretValue" and exchanges:
            exchanges.pop(0)()

    fake_aws.on_request(exchange)
    other = open_vault(database)
    assert stored.StoredToken(database, other, 1).load() == newer
    assert stored.open_client_secret(database, other, 1) == SecretStr("another")


def test_settings_decide_before_the_first_secret(database: Database, fake_aws: FakeAws) -> None:
    """Afterwards the database does, and other settings are refused with both ways out."""
    assert secret_placement.require_placement(database, "database") == secret_placement.Placement()
    first = secret_placement.require_placement(database, "aws")
    assert (first.store, first.leaving) == ("aws", None)
    assert secret_placement.require_placement(database, "database").store == "database"
    assert secret_placement.require_placement(database, "aws").mirror == first.mirror
    vault = open_vault(database)
    add_account(database, vault)
    with pytest.raises(ConfigurationError, match=r"lie in aws, but HOSTAWAY_SYNC_SECRETS_STORE is database: set it to"):
        secret_placement.require_placement(database, "database")
    account_changes.remove_account(database, vault, 1)
    assert secret_placement.require_placement(database, "database").store == "database"
    assert not fake_aws.count()


def test_running_process_follows_a_move(database: Database, fake_aws: FakeAws) -> None:
    """It opens moved secrets, and stores new ones in their present place."""
    ring = KeyRing([b"k" * 32])
    running = open_vault(database, lambda: ring)
    add_account(database, running)
    token_vault = stored.StoredToken(database, running, 1)
    assert token_vault.load() == TOKEN
    assert secret_transfer.move_secrets(database, open_vault(database, lambda: ring), "aws").moved == 2
    assert (token_vault.load(), stored.open_client_secret(database, running, 1)) == (TOKEN, SECRET)
    token_vault.save(AccessToken(SecretStr("newer"), NOW, TOKEN.expires_at))
    assert stored_token(fake_aws) == "newer"
    assert secret_transfer.move_secrets(
        database, open_vault(database, lambda: ring), "database"
    ) == secret_transfer.TransferResult("database", 2, 0, is_whole=True)
    assert fake_aws.count() == 0
    assert sealing.check_secrets(database, ring).troubles == ()
    assert stored.open_client_secret(database, running, 1) == SECRET


def test_unknown_secrets_store_gives_one_sentence(database: Database, vault: Vault) -> None:
    """A newer program moved them there; a database without its mirror's name says what to restore."""
    add_account(database, vault)
    with pytest.raises(SecretError, match="lie in vault, which this version of hostaway-sync does not know"):
        vault.open(format_pointer("vault", "1"), PLACE)
    database.transaction(lambda connection: connection.execute(sa.text("DELETE FROM hostaway.secrets_store")))
    with pytest.raises(SecretError, match="restore `secrets_store`"):
        open_vault(database).open(format_pointer("aws", "1"), PLACE)
