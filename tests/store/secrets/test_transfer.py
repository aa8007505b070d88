from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support.store.vaults import TOKEN, add_account, assert_all_named, open_vault, stored_token

from hostaway_sync.errors import SecretError, SecretsUnavailable
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.secrets import (
    placement as secret_placement,
)
from hostaway_sync.store.secrets import (
    sealing,
)
from hostaway_sync.store.secrets import (
    transfer as secret_transfer,
)
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from tests.support.servers.fake_aws import AwsCall, FakeAws

    from hostaway_sync.store.postgres.database import Database


def test_move_takes_plain_text_and_leaves_unopenable_values(database: Database, fake_aws: FakeAws) -> None:
    """It is not complete then; with the key restored, a second one completes it."""
    ring, other = KeyRing([b"k" * 32]), KeyRing([b"o" * 32])
    add_account(database, ring)
    add_account(database, other, 2, token=None)
    plain = sa.update(accounts).where(accounts.c.account_id == 1).values(access_token=b"hunter2-token")
    database.transaction(lambda connection: connection.execute(plain))
    done = secret_transfer.move_secrets(database, open_vault(database, lambda: ring), "aws")
    assert (done.moved, done.is_whole, [one.place.primary_key for one in done.troubles]) == (2, False, [2])
    assert database.transaction(secret_placement.read_placement).leaving == "database"
    assert stored_token(fake_aws) == TOKEN.value.get_secret_value()
    assert secret_placement.require_placement(database, "database") == secret_placement.require_placement(
        database, "aws"
    )
    both = KeyRing([b"k" * 32, b"o" * 32])
    assert secret_transfer.move_secrets(
        database, open_vault(database, lambda: both), "aws"
    ) == secret_transfer.TransferResult("aws", 1, 0, is_whole=True)
    assert_all_named(database, fake_aws)


@pytest.mark.parametrize("operation", ["CreateSecret", "GetSecretValue", "ListSecrets", "DeleteSecret"])
def test_move_checks_all_rights_before_it_begins(database: Database, fake_aws: FakeAws, operation: str) -> None:
    """A missing right in the policy is found before any change."""
    ring = KeyRing([b"k" * 32])
    add_account(database, ring)
    with fake_aws.refusing(operation, "AccessDeniedException"), pytest.raises(SecretError, match="policy"):
        secret_transfer.move_secrets(database, open_vault(database, lambda: ring), "aws")
    assert database.transaction(secret_placement.read_placement).store == "database"
    assert sealing.check_secrets(database, ring).troubles == ()
    assert [*open_vault(database, lambda: ring).open_store("aws").list_versions()] == []


def test_move_deletes_the_trial_secret_of_a_killed_one(database: Database, fake_aws: FakeAws) -> None:
    """Also where it is refused afterwards."""
    ring = KeyRing([b"k" * 32])
    add_account(database, ring)
    database.transaction(secret_placement.ensure_mirror_name)
    vault = open_vault(database, lambda: ring)
    vault.open_store("aws").seal(SecretStr("a trial"), sealing.place_of(accounts.c.client_secret, 0))
    with fake_aws.refusing("CreateSecret", "AccessDeniedException"), pytest.raises(SecretError, match="policy"):
        secret_transfer.move_secrets(database, vault, "aws")
    assert [*vault.open_store("aws").list_versions()] == []


def test_move_that_loses_aws_half_way_is_continued(database: Database, fake_aws: FakeAws) -> None:
    """Moved secrets stay; the next move takes the rest."""
    ring = KeyRing([b"k" * 32])
    for number in range(1, 6):
        add_account(database, ring, number)
    vault = open_vault(database, lambda: ring)
    refusing = ExitStack()

    def refuse(call: AwsCall) -> None:
        if call.route == "CreateSecret" and fake_aws.calls[call.route] == 5:
            refusing.enter_context(fake_aws.refusing("CreateSecret", "InternalServiceError", 500))

    fake_aws.on_request(refuse)
    with refusing, pytest.raises(SecretsUnavailable):
        secret_transfer.move_secrets(database, vault, "aws")
    assert database.transaction(sealing.values_by_store) == {"aws": 3, "database": 7}
    assert secret_transfer.move_secrets(database, vault, "aws").moved == 7
    assert_all_named(database, fake_aws)
