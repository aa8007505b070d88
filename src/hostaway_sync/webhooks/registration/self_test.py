"""Send to our own public address what the platform sends: does a delivery reach this receiver, with its login?"""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64encode
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from hostaway_sync.store.webhooks.credentials import Credentials

PROBE: Final = b'{"data":"test"}'
_TIMEOUT_S: Final = 20.0
_LONGEST_ANSWER: Final = 4096
_BROKEN: Final = (OSError, http.client.HTTPException, ValueError)


def run_self_test(url: str, credentials: Credentials) -> str | None:
    """Send both probes, the second one with login and password; return what is wrong, or None."""
    pair = f"{credentials.login}:{credentials.password.get_secret_value()}"
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    for method, body, sent in (("GET", None, {}), ("POST", PROBE, headers)):
        try:
            status, answer = _request(url, method, body, sent)
        except ssl.SSLError as error:
            return f"{method}: its certificate is not valid: {error.reason or type(error).__name__}"
        except _BROKEN as error:
            return f"{method}: no answer ({type(error).__name__})"
        if status != HTTPStatus.OK:
            return f"{method}: the answer is {status}"
        if answer.get("outcome") != "probe":
            return f"{method}: another server answers"
        if body is not None and answer.get("login") is not True:
            return "POST: login and password are lost on the way: does the proxy forward the Authorization header?"
    return None


def _request(url: str, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, parts.path, body=body, headers=headers)
        response = connection.getresponse()
        content = response.read(_LONGEST_ANSWER)
    finally:
        connection.close()
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    return response.status, answer if isinstance(answer, dict) else {}
