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
Webhook = dict[str, Any]


class WebhookList:
    """The webhooks of one account.

    Attributes:
        legacy: those of the deprecated interface, by the last piece of its paths; they are read only.
        log: every delivery, oldest first, as the log of deliveries shows it (API notes, 6.3).
    """

    def __init__(self) -> None:
        self.legacy: dict[str, list[Webhook]] = {"reservations": [], "conversationMessages": []}
        self._hooks: dict[int, Webhook] = {}
        self.log: list[dict[str, Any]] = []
        self._next = 4_711

    def all(self) -> list[Webhook]:
        """Return all webhooks, oldest first."""
        return list(self._hooks.values())

    def get(self, hook_id: int) -> Webhook:
        """Return one webhook; KeyError for an unknown id."""
        return self._hooks[hook_id]

    def create(self, wish: Webhook) -> Webhook:
        """Add a webhook; its URL is not probed here."""
        number = self._next
        hook: Webhook = {"id": number, "isEnabled": 1, "login": None, "password": None, "alertingEmailAddress": None}
        hook |= {key: wish[key] for key in _KEYS if key in wish}
        self._next += 1
        self._hooks[number] = hook
        return hook

    def update(self, hook_id: int, wish: Webhook) -> Webhook:
        """Change a webhook; KeyError for an unknown id."""
        self._hooks[hook_id] = self._hooks[hook_id] | {key: wish[key] for key in _KEYS if key in wish}
        return self._hooks[hook_id]

    def delete(self, hook_id: int) -> None:
        """Remove a webhook; KeyError for an unknown id."""
        del self._hooks[hook_id]

    def log_delivery(self, hook: Webhook, account_id: int, event: str, object_id: int, status: int | None) -> None:
        """Log one delivery and the status of its answer; 0 without an answer."""
        entry: Webhook = {"id": 900_001 + len(self.log), "accountId": account_id, "listingMapId": None}
        entry |= {"webhookNotificationSettingId": hook["id"], "isEnabled": hook["isEnabled"], "url": hook["url"]}
        entry |= {"login": hook["login"], "password": "****", "object": event_object(event), "objectId": object_id}
        self.log.append(entry | {"event": event, "responseStatus": status or 0, "responseBody": ""})


def probe_url(url: str) -> bool:
    """Return whether a URL answers GET and POST without login with 2xx, as Hostaway probes it at registration.

    The sandbox talks to no other machine: any address but a loopback one counts as unreachable.
    """
    return all(
        _is_good(send_request(url, method=method, body=body)) for method, body in (("GET", None), ("POST", PROBE))
    )


def send_delivery(hook: Webhook, body: bytes) -> int | None:
    """Send one delivery and return the status of its answer, or None without one."""
    headers = {"Content-Type": "application/json"}
    if hook["login"] is not None:
        login = b64encode(f"{hook['login']}:{hook['password'] or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    return send_request(hook["url"], method="POST", body=body, headers=headers)


def event_object(event: str) -> str:
    """Return the kind of object that an event is about."""
    return "conversationMessage" if event.startswith("message.") else event.partition(".")[0]


def delivery_body(event: str, account_id: int, payload: bytes, *, nested: bool) -> bytes:
    """Return the body of a delivery; `nested` puts the object under `payload.data` (API notes, 6.2)."""
    head = json.dumps({"object": event_object(event), "event": event, "accountId": account_id})[:-1].encode()
    return head + (b',"payload":{"data":' + payload + b"}}" if nested else b',"data":' + payload + b"}")


def send_request(url: str, *, method: str, body: bytes | None, headers: dict[str, str] | None = None) -> int | None:
    """Send one request to a loopback address and return the status of its answer, or None without one."""
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
