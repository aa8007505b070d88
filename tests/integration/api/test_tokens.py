from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from tests.support.api_rows import fill_accounts
from tests.support.servers.api import running_api
from tests.support.servers.recording_server import RecordingServer, serving

from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

KEY = RSAKey.generate_key(2048)


class JwksServer(RecordingServer):
    """Publishes the key."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.RequestHandlerClass = _Keys


class _Keys(BaseHTTPRequestHandler):
    server: JwksServer

    def do_GET(self) -> None:
        """Answer with the keys."""
        self.server.asked += 1
        body = json.dumps({"keys": [KEY.as_dict(private=False) | {"kid": "a"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def sign(**more: object) -> str:
    """Return a token for account 1."""
    claims: dict[str, object] = {"iss": "id", "aud": "mirror", "sub": "desk", "scope": "read", "accounts": [1]}
    claims |= {"exp": datetime.now(UTC).timestamp() + 60, **more}
    return jws.serialize_compact({"alg": "RS256", "kid": more.get("kid", "a")}, json.dumps(claims), KEY, ["RS256"])


def test_callers_with_tokens_see_their_accounts(sync_env: Callable[..., SyncEnv]) -> None:
    """With the keys that the issuer publishes, which are asked for once, whatever comes."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1, 2)
    with serving(JwksServer()) as issuer:
        settings = {"jwt_issuer": "id", "jwt_audience": "mirror", "jwt_jwks_url": f"{issuer.url}/keys"}
        with running_api(env.mirror(automation_hosts=issuer.url, **settings)) as api, api.client(None) as client:

            def ask(token: str, path: str = "accounts") -> Any:
                return client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})

            assert [row["account_id"] for row in ask(sign()).json()["items"]] == ["1"]
            assert ask(sign(), "accounts/2").status_code == 404
            assert ask(sign(scope="messages")).status_code == 403
            for token in (sign(exp=1), sign(aud="other"), sign(accounts="1"), sign(kid="b"), sign(kid="c")):
                assert ask(token).status_code == 401
        assert issuer.asked == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"jwt_issuer": "id"},
        {"jwt_issuer": "id", "jwt_audience": "mirror"},
        {"jwt_audience": "mirror", "jwt_public_key": "x"},
        {"jwt_issuer": "id", "jwt_audience": "mirror", "jwt_public_key": "x", "jwt_jwks_url": "https://x"},
    ],
)
def test_half_of_the_settings_of_tokens_is_an_error(sync_env: Callable[..., SyncEnv], settings: dict[str, str]) -> None:
    """Tokens would be refused, or accepted, for reasons that nobody sees."""
    with pytest.raises(ConfigurationError, match="JWT_ISSUER, JWT_AUDIENCE"):
        sync_env(store=False).mirror(**settings)
