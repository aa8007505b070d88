from __future__ import annotations

import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from tests.support.store.vaults import SECRET, TOKEN, add_account

from hostaway_sync.errors import ConfigurationError, SecretError, SecretGone, SecretsUnavailable
from hostaway_sync.secrets import KeyRing
from hostaway_sync.secrets.outside_stores import OUTSIDE_STORES
from hostaway_sync.secrets.protocols import Place, read_store_kind
from hostaway_sync.secrets.vault import VaultSecrets
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.secrets import placement as secret_placement
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets import transfer as secret_transfer
from hostaway_sync.store.secrets.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers.fake_vault import FakeVault

    from hostaway_sync.store.postgres.database import Database

PLACE = Place("accounts", "client_secret", 70001)
NOWHERE = "/nowhere"
TEXT = SecretStr('hunter2 "ü"')


def test_secret_in_vault_is_stored_read_and_deleted(fake_vault: FakeVault) -> None:
    """Each is a version of its own, named by place and version; a second deletion is no error."""
    store = VaultSecrets("a1")
    first, second = store.seal(TEXT, PLACE), store.seal(SecretStr("another"), PLACE)
    assert (read_store_kind(first), first == second) == ("vault", False)
    assert (store.open(first, PLACE), store.open(second, PLACE)) == (TEXT, SecretStr("another"))
    assert set(store.list_versions()) == {(PLACE, first), (PLACE, second)}
    for _ in range(2):
        store.discard(first, PLACE)
    assert set(store.list_versions()) == {(PLACE, second)}
    assert store.name == f"HashiCorp Vault at {fake_vault.url}, below secret/hostaway-sync/a1/"


def test_pointer_to_vault_moved_elsewhere_opens_nothing(fake_vault: FakeVault) -> None:
    """The place is part of the name, and so is the mirror; the program looks for it a moment longer."""
    store = VaultSecrets("a1")
    kept = store.seal(TEXT, PLACE)
    for other in (Place("accounts", "client_secret", 70002), Place("accounts", "access_token", 70001)):
        with pytest.raises(SecretGone, match=rf"cannot give {other}: it is not there"):
            store.open(kept, other)
    with pytest.raises(SecretGone):
        VaultSecrets("b2").open(kept, PLACE)
    assert fake_vault.calls["GET data"] == 9


def test_mirror_lists_only_its_own_secrets_in_vault(fake_vault: FakeVault) -> None:
    """Neither those of another mirror, nor those that others stored below our names, however deep."""
    store = VaultSecrets("a1")
    VaultSecrets("a12").seal(TEXT, PLACE)
    for name in ("a1/notes", "a1/accounts/x/client_secret/1", "a1/1/2/3/4/5/6"):
        fake_vault.kept[f"hostaway-sync/{name}"] = {"value": "theirs"}
    assert list(store.list_versions()) == []
    fake_vault.kept["hostaway-sync/a1/accounts/70001/client_secret/v"] = {"number": 5}
    ((place, kept),) = store.list_versions()
    with pytest.raises(SecretError, match="is no text in Vault"):
        store.open(kept, place)


@pytest.mark.parametrize(
    ("status", "error", "words", "calls"),
    [
        (403, SecretError, "will not take accounts.client_secret of 70001: the token may not, or has expired", 1),
        (400, SecretError, r"will not take .*: 400; docs/how-to/secrets-in-vault.md has the policy", 1),
        (307, SecretError, "leads to another address: name that of the active node in VAULT_ADDR", 1),
        (503, SecretsUnavailable, r"does not take .* now: 503 \(sealed, or down for maintenance\); try again later", 3),
        (429, SecretsUnavailable, "does not take .* now: 429; try again later", 3),
        (412, SecretsUnavailable, "does not take .* now: 412; try again later", 3),
        (500, SecretsUnavailable, "does not take .* now: 500; try again later", 3),
    ],
)
def test_refusal_of_vault_gives_one_sentence(
    fake_vault: FakeVault, status: int, error: type[Exception], words: str, calls: int
) -> None:
    """What may pass is tried three times; what will not is reported once, with the place of the policy."""
    store = VaultSecrets("a1")
    with fake_vault.refusing("*", status), pytest.raises(error, match=words) as caught:
        store.seal(TEXT, PLACE)
    assert "hunter2" not in repr(caught.value)
    assert fake_vault.calls["POST data"] == calls


def test_lost_answer_of_vault_stores_a_secret_once(fake_vault: FakeVault) -> None:
    """The repeated request finds the secret there, and takes it as its own."""
    store = VaultSecrets("a1")
    fake_vault.swallowed = 1
    kept = store.seal(TEXT, PLACE)
    assert store.open(kept, PLACE) == TEXT
    assert (len(fake_vault.kept), fake_vault.calls["POST data"]) == (1, 2)


def test_vault_that_cannot_be_reached_is_tried_again(fake_vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may pass: cron comes again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(SecretsUnavailable, match=r"is not reached \(ConnectError\): try again later"):
            VaultSecrets("a1").seal(TEXT, PLACE)
    assert fake_vault.calls == Counter()


def test_engine_that_does_not_fit_is_named(fake_vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of version 1 keeps nothing of ours, and a mount that is not there is named."""
    fake_vault.is_version_1 = True
    with pytest.raises(SecretError, match="secret/ in Vault is no KV engine of version 2"):
        VaultSecrets("a1").seal(TEXT, PLACE)
    assert fake_vault.kept == {}
    monkeypatch.setenv("VAULT_KV_MOUNT", "/team/")
    with pytest.raises(SecretError, match="has no engine at team/: name one"):
        VaultSecrets("a1").seal(TEXT, PLACE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not the address of a Vault"),
        ({"VAULT_ADDR": "vault.example:8200"}, "VAULT_ADDR is not the address"),
        ({"VAULT_ADDR": "https://u:hunter2@vault.example"}, "VAULT_ADDR is not the address"),
        ({"VAULT_ADDR": "http://vault.example:8200"}, "VAULT_ADDR must be https"),
        ({"VAULT_TOKEN": ""}, "needs a token: set VAULT_TOKEN_FILE or VAULT_TOKEN"),
        ({"VAULT_TOKEN": "hunter2\nx"}, "needs a token"),
        ({"VAULT_TOKEN_FILE": NOWHERE}, "VAULT_TOKEN_FILE /nowhere cannot be read: No such file"),
        ({"VAULT_ADDR": "https://v.example", "VAULT_CACERT": "/nowhere"}, "VAULT_CACERT /nowhere cannot be read"),
    ],
)
def test_wrong_variable_for_vault_is_named(fake_vault: FakeVault, changed: dict[str, str], words: str) -> None:
    """Settings, exit 78; no secret is repeated, and nothing is asked."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        VaultSecrets("a1", fake_vault.environment | changed)
    assert "hunter2" not in str(caught.value)
    assert not fake_vault.calls


def test_token_file_is_read_for_each_request(fake_vault: FakeVault, tmp_path: Path) -> None:
    """Vault's agent writes it anew when it renews the token; a namespace goes along."""
    file = tmp_path / "token"
    file.write_text(fake_vault.accepted + "\n")
    store = VaultSecrets("a1", {"VAULT_ADDR": fake_vault.url, "VAULT_TOKEN_FILE": str(file), "VAULT_NAMESPACE": "team"})
    kept = store.seal(TEXT, PLACE)
    fake_vault.accepted = "hvs.renewed"
    with pytest.raises(SecretError, match="has expired"):
        store.open(kept, PLACE)
    file.write_text(fake_vault.accepted)
    assert store.open(kept, PLACE) == TEXT
    assert fake_vault.namespaces == {"team"}


def test_no_part_of_a_request_to_vault_is_logged(fake_vault: FakeVault, caplog: pytest.LogCaptureFixture) -> None:
    """Neither secret nor token, at any level."""
    with caplog.at_level(logging.DEBUG):
        store = VaultSecrets("a1")
        store.open(store.seal(TEXT, PLACE), PLACE)
    assert "hunter2" not in caplog.text
    assert fake_vault.accepted not in caplog.text


def test_secrets_move_to_vault_and_back(database: Database, fake_vault: FakeVault) -> None:
    """All rights are tried first; then everything lies and opens there, and nothing is left after the way back."""
    ring = KeyRing([b"k" * 32])
    add_account(database, ring)
    for route in ("POST data", "GET data", "LIST metadata", "DELETE metadata"):
        with fake_vault.refusing(route, 403), pytest.raises(SecretError, match="policy"):
            secret_transfer.move_secrets(database, Vault(database, lambda: ring, OUTSIDE_STORES), "vault")
    assert database.transaction(secret_placement.read_placement).store == "database"
    vault = Vault(database, lambda: ring, OUTSIDE_STORES)
    assert secret_transfer.move_secrets(database, vault, "vault").is_whole
    assert fake_vault.secrets() == {
        "accounts/1/client_secret": SECRET.get_secret_value(),
        "accounts/1/access_token": TOKEN.value.get_secret_value(),
    }
    fresh = Vault(database, lambda: ring, OUTSIDE_STORES)
    assert account_queries.open_client_secret(database, fresh, 1) == SECRET
    with fake_vault.refusing("*", 503), pytest.raises(SecretsUnavailable):
        account_queries.open_client_secret(database, Vault(database, lambda: ring, OUTSIDE_STORES), 1)
    assert secret_transfer.move_secrets(database, fresh, "database").is_whole
    assert (fake_vault.kept, sealing.check_secrets(database, ring).troubles) == ({}, ())
