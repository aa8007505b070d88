from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from hostaway_sync.errors import SecretError, SecretGone, SecretsUnavailable
from hostaway_sync.secrets.aws import AwsSecrets
from hostaway_sync.secrets.protocols import Place, read_store_kind

if TYPE_CHECKING:
    from tests.support.servers.fake_aws import FakeAws

PLACE = Place("accounts", "client_secret", 70001)
SECRET = SecretStr('hunter2 "ü"')


def test_secret_is_stored_read_and_deleted(fake_aws: FakeAws) -> None:
    """Each is a version of its own, named by place and version; a second deletion is no error."""
    store = AwsSecrets("a1")
    first, second = store.seal(SECRET, PLACE), store.seal(SecretStr("another"), PLACE)
    assert read_store_kind(first) == "aws"
    assert first != second
    assert (store.open(first, PLACE), store.open(second, PLACE)) == (SECRET, SecretStr("another"))
    assert set(store.list_versions()) == {(PLACE, first), (PLACE, second)}
    for _ in range(2):
        store.discard(first, PLACE)
    assert set(store.list_versions()) == {(PLACE, second)}
    assert fake_aws.count() == 1
    assert store.name == "AWS Secrets Manager in eu-central-1, below hostaway-sync/a1/"


def test_pointer_moved_to_another_place_opens_nothing(fake_aws: FakeAws) -> None:
    """As with a sealed value: the place is part of the name. The program looks for it a moment longer."""
    store = AwsSecrets("a1")
    kept = store.seal(SECRET, PLACE)
    for other in (Place("accounts", "client_secret", 70002), Place("accounts", "access_token", 70001)):
        with pytest.raises(SecretGone, match=rf"cannot give {other}: it is not there"):
            store.open(kept, other)
    with pytest.raises(SecretGone):
        AwsSecrets("b2").open(kept, PLACE)
    assert fake_aws.calls["GetSecretValue"] == 9


@pytest.mark.usefixtures("fake_aws")
def test_mirror_lists_only_its_own_secrets() -> None:
    """Neither those of another mirror, nor those that others stored below our names."""
    store = AwsSecrets("a1")
    AwsSecrets("a12").seal(SECRET, PLACE)
    for name in ("hostaway-sync/a1/notes", "hostaway-sync/a1/accounts/x/client_secret/1", "elsewhere/a1/1/2/3"):
        store._client.create_secret(Name=name, SecretString="theirs")  # noqa: SLF001  (as a stranger would)
    assert list(store.list_versions()) == []
    store._client.create_secret(  # noqa: SLF001  (as above)
        Name="hostaway-sync/a1/accounts/70001/client_secret/v", SecretBinary=b"theirs"
    )
    ((place, kept),) = store.list_versions()
    with pytest.raises(SecretError, match="is no text in AWS"):
        store.open(kept, place)


def test_more_secrets_than_a_page_has_are_listed(fake_aws: FakeAws) -> None:
    """A hundred a request."""
    store = AwsSecrets("a1")
    kept = {
        (Place("accounts", "client_secret", n), store.seal(SECRET, Place("accounts", "client_secret", n)))
        for n in range(1, 112)
    }
    assert set(store.list_versions()) == kept
    assert fake_aws.calls["ListSecrets"] == 2


@pytest.mark.parametrize(
    ("code", "status", "error", "words", "calls"),
    [
        ("AccessDeniedException", 400, SecretError, "will not take accounts.client_secret of 70001: Access", 1),
        ("UnrecognizedClientException", 400, SecretError, "has the policy that is needed", 1),
        ("InternalServiceError", 500, SecretsUnavailable, "does not take .* now: Internal.*; try again later", 3),
        ("ThrottlingException", 400, SecretsUnavailable, "does not take .* now: Throttling", 3),
        ("ServiceUnavailable", 503, SecretsUnavailable, "does not take .* now", 3),
    ],
)
def test_refusal_of_aws_gives_one_sentence(
    fake_aws: FakeAws, code: str, status: int, error: type[Exception], words: str, calls: int
) -> None:
    """Temporary errors are tried three times; lasting ones are reported once, with the place of the policy."""
    store = AwsSecrets("a1")
    with fake_aws.refusing("*", code, status), pytest.raises(error, match=words) as caught:
        store.seal(SECRET, PLACE)
    assert "hunter2" not in repr(caught.value)
    assert fake_aws.calls["CreateSecret"] == calls


@pytest.mark.usefixtures("fake_aws")
def test_unreachable_aws_and_unknown_region_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first may pass, the second is a wrong setting."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(SecretsUnavailable, match=r"is not reached \(EndpointConnectionError\): try again later"):
            AwsSecrets("a1").seal(SECRET, PLACE)
    monkeypatch.delenv("AWS_ENDPOINT_URL_SECRETS_MANAGER")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-nowhere-1")
    # Whether names resolve here or not, no answer comes: the proxy does not exist.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(SecretError, match="no region eu-nowhere-1 with a Secrets Manager: set AWS_DEFAULT_REGION"):
        AwsSecrets("a1").seal(SECRET, PLACE)


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("AWS_DEFAULT_REGION",), "set AWS_DEFAULT_REGION, for example to eu-central-1"),
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "finds no usable AWS credentials"),
        (("AWS_SECRET_ACCESS_KEY",), r"finds no usable AWS credentials \(PartialCredentialsError\)"),
    ],
)
def test_missing_aws_setting_is_named(
    fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], words: str
) -> None:
    """Settings, exit 78."""
    for name in without:
        monkeypatch.delenv(name)
    with pytest.raises(SecretError, match=words):
        AwsSecrets("a1").seal(SECRET, PLACE)
    assert not fake_aws.calls


def test_no_part_of_an_aws_request_is_logged(fake_aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    """boto3 at DEBUG would log the body, and so the secret."""
    with caplog.at_level(logging.DEBUG):
        store = AwsSecrets("a1")
        store.open(store.seal(SECRET, PLACE), PLACE)
    assert fake_aws.calls.total() == 2
    assert "hunter2" not in caplog.text
