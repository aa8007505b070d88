"""How the environment of a process changes the route to the source."""

from __future__ import annotations

import pytest
from tests.support.client_env import client_env

from hostaway_sync.errors import ConfigurationError, SourceUnavailable

PROXY = "http://someone:hunter2@127.0.0.1:9"


def test_loopback_address_is_reached_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, PROXY)
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with client_env(reservations=1) as env:
        env.client().check_credentials()
        env.client(api_url=env.sandbox.url.replace("127.0.0.1", "localhost")).check_credentials()


def test_other_addresses_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox in place of a proxy gets the request and cannot serve it; a name may only look local."""
    with client_env(reservations=1) as env:
        monkeypatch.setenv("ALL_PROXY", env.sandbox.url.removesuffix("/v1"))
        asked: list[str] = []
        env.sandbox.on_request(lambda request: asked.append(request.path))
        for address in ("https://api.example/v1", "https://localhost.example/v1"):
            with pytest.raises(SourceUnavailable):
                env.client(api_url=address, attempts=1).check_credentials()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/nonexistent"), ("ALL_PROXY", "hunter2://hunter2"), ("ALL_PROXY", "http://h:hunter2")],
)
def test_unusable_environment_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One sentence that names the variable, and no part of its value."""
    monkeypatch.setenv(name, value)
    with client_env(reservations=1) as env, pytest.raises(ConfigurationError, match=name) as caught:
        env.client(api_url="https://api.example/v1")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__
