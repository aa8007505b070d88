"""AWS for tests: moto's Secrets Manager behind a real HTTP server, which counts calls, holds them back and refuses."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REGION = "eu-central-1"
_ACCOUNT = "123456789012"


@dataclass(frozen=True)
class AwsCall:
    """One request: `route` is its operation, such as `CreateSecret`."""

    route: str


class QuietHandler(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  (as it is called there)
        """Log nothing."""


class FakeAws:
    """One region of one AWS account; use it as a context manager."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._before: list[Callable[[Any], None]] = []
        self._after: list[Callable[[Any, Any], None]] = []
        self._refusals: dict[str, tuple[int, str]] = {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = ThreadedWSGIServer("127.0.0.1", 0, self._answer, handler=QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop answering, and forget everything."""
        self._server.shutdown()
        self._server.server_close()
        secretsmanager_backends.reset()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that leads boto3 to this server alone."""
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def secrets(self) -> dict[str, str]:
        """Return every secret by its name, without the prefix of the mirror."""
        secrets = secretsmanager_backends[_ACCOUNT][REGION].secrets
        return {
            str(secret.name).split("/", 2)[2].rpartition("/")[0]: version["secret_string"]
            for secret in secrets.values()
            for version in secret.versions.values()
        }

    def count(self) -> int:
        """Return the number of secrets."""
        return len(secretsmanager_backends[_ACCOUNT][REGION].secrets.values())

    def delete_all(self) -> None:
        """Delete all secrets without a call."""
        secretsmanager_backends.reset()

    def on_request(self, look: Callable[[Any], None]) -> None:
        """Call `look` with each request before it is answered."""
        self._before.append(look)

    def after_request(self, look: Callable[[Any, Any], None]) -> None:
        """Call `look` with each request after its effect, before its answer leaves."""
        self._after.append(look)

    @contextmanager
    def refusing(self, operation: str, code: str, status: int = 400) -> Iterator[None]:
        """Refuse an operation, or `*` all, while the block runs."""
        self._refusals[operation] = status, code
        yield
        del self._refusals[operation]

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        call = AwsCall(environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2])
        self.calls[call.route] += 1
        for look in self._before:
            look(call)
        refusal = self._refusals.get(call.route) or self._refusals.get("*")
        if refusal is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{refusal[0]} No", [("Content-Type", "application/x-amz-json-1.1")])
            return [json.dumps({"__type": refusal[1], "message": "no"}).encode()]
        answer = b"".join(self._moto(environ, start))
        for done in self._after:
            done(call, None)
        return [answer]


@contextmanager
def running_fake_aws() -> Iterator[FakeAws]:
    """Run one while the block runs."""
    fake_aws = FakeAws()
    try:
        yield fake_aws
    finally:
        fake_aws.close()
