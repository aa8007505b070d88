"""Webhooks: the list of them, the probes when one is made, and deliveries (API notes, 6)."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 20
_LOOPBACK = ("127.0.0.1", "localhost")
_KEYS = ("isEnabled", "url", "login", "password", "alertingEmailAddress")
PROBE = b'{"data":"test"}'
Hook = dict[str, Any]


class Hooks:
    """The webhooks of one account.

    Attributes:
        legacy: those of the deprecated interface, by the last piece of its paths; they can only be looked at here.
        log: every delivery, oldest first, as the log of deliveries shows it (API notes, 6.3).
    """

    def __init__(self) -> None:
        self.legacy: dict[str, list[Hook]] = {"reservations": [], "conversationMessages": []}
        self._hooks: dict[int, Hook] = {}
        self.log: list[dict[str, Any]] = []
        self._next = 4_711

    def all(self) -> list[Hook]:
        """Give every webhook, oldest first."""
        return list(self._hooks.values())

    def get(self, hook_id: int) -> Hook:
        """Give one webhook; KeyError when there is none."""
        return self._hooks[hook_id]

    def create(self, wish: Hook) -> Hook:
        """Add a webhook; its URL is not probed here."""
        number = self._next
        hook: Hook = {"id": number, "isEnabled": 1, "login": None, "password": None, "alertingEmailAddress": None}
        hook |= {key: wish[key] for key in _KEYS if key in wish}
        self._next += 1
        self._hooks[number] = hook
        return hook

    def update(self, hook_id: int, wish: Hook) -> Hook:
        """Change a webhook; KeyError when there is none."""
        self._hooks[hook_id] = self._hooks[hook_id] | {key: wish[key] for key in _KEYS if key in wish}
        return self._hooks[hook_id]

    def delete(self, hook_id: int) -> None:
        """Remove a webhook; KeyError when there is none."""
        del self._hooks[hook_id]

    def note(self, hook: Hook, account_id: int, event: str, object_id: int, status: int | None) -> None:
        """Write down one delivery and what it was answered with; 0 when nobody answered."""
        entry: Hook = {"id": 900_001 + len(self.log), "accountId": account_id, "listingMapId": None}
        entry |= {"webhookNotificationSettingId": hook["id"], "isEnabled": hook["isEnabled"], "url": hook["url"]}
        entry |= {"login": hook["login"], "password": "****", "object": kind_of(event), "objectId": object_id}
        self.log.append(entry | {"event": event, "responseStatus": status or 0, "responseBody": ""})


def probe(url: str) -> bool:
    """Ask a URL as Hostaway does when it is registered: GET and POST without login; True when both give 2xx.

    Only loopback addresses are asked: the sandbox talks to no other machine, they count as unreachable.
    """
    return all(_is_good(send(url, method=method, body=body)) for method, body in (("GET", None), ("POST", PROBE)))


def deliver(hook: Hook, body: bytes) -> int | None:
    """Send one delivery; gives the status, None when nobody answered."""
    headers = {"Content-Type": "application/json"}
    if hook["login"] is not None:
        login = b64encode(f"{hook['login']}:{hook['password'] or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return send(hook["url"], method="POST", body=body, headers=headers)


def kind_of(event: str) -> str:
    """Give the kind of object that an event is about."""
    return "conversationMessage" if event.startswith("message.") else event.partition(".")[0]


def delivery_body(event: str, account_id: int, payload: bytes, *, nested: bool) -> bytes:
    """Write a delivery; `nested` puts the object under `payload.data` (API notes, 6.2)."""
    head = json.dumps({"object": kind_of(event), "event": event, "accountId": account_id})[:-1].encode()
    return head + (b',"payload":{"data":' + payload + b"}}" if nested else b',"data":' + payload + b"}")


def send(url: str, *, method: str, body: bytes | None, headers: dict[str, str] | None = None) -> int | None:
    """Send one request to a loopback address; gives the status, None when nobody answered."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_TIMEOUT)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers={"Content-Type": "application/json"} | (headers or {}))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _is_good(status: int | None) -> bool:
    return status is not None and 200 <= status < 300  # noqa: PLR2004  (HTTP statuses)
