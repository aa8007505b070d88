"""Hostaway's unified webhooks of one account: list, create, update, delete (API notes, 6.1).

Hostaway requests a new URL before it accepts it, so a create or update may take as long as it waits for our receiver.
Neither is sent twice: when the outcome is not known, the list of registrations shows it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceUnavailable
from hostaway_sync.model.deliveries import Webhook
from hostaway_sync.platforms.hostaway.http.request import Cause
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_boolean, as_id
from hostaway_sync.platforms.hostaway.webhooks.delivery_log import LOG_PATHS, read_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.deliveries import DeliveryLog, WebhookSettings
    from hostaway_sync.platforms.hostaway.http.api import HostawayApi
    from hostaway_sync.platforms.hostaway.http.protocol import Listing

PATH: Final = "/webhooks/unifiedWebhooks"
LEGACY_PATHS: Final = ("/webhooks/reservations", "/webhooks/conversationMessages")
_WHICH: Final = "webhook: which are registered?"
_UNAVAILABLE: Final = (NotFound, Forbidden, RequestRejected)


class HostawayWebhooks:
    """The `WebhookApi` of one account.

    Args:
        api: makes the calls of the account.
    """

    def __init__(self, api: HostawayApi) -> None:
        self._api = api

    def list_webhooks(self, *, why: str = _WHICH) -> list[Webhook]:
        """Return all registrations; see `WebhookApi`."""
        return self._list(PATH, Cause(why), is_legacy=False)

    def list_legacy_webhooks(self) -> list[Webhook]:
        """Return the registrations of the deprecated interface; see `WebhookApi`."""
        found = []
        for path in LEGACY_PATHS:
            with suppress(*_UNAVAILABLE):
                found += self._list(path, Cause(_WHICH), is_legacy=True)
        return found

    def create(self, settings: WebhookSettings) -> Webhook:
        """Add a registration; see `WebhookApi`."""
        return self._change("POST", PATH, settings)

    def update(self, hook_id: int, settings: WebhookSettings) -> Webhook:
        """Change a registration; see `WebhookApi`."""
        return self._change("PUT", f"{PATH}/{hook_id}", settings)

    def delete(self, hook_id: int) -> None:
        """Remove a registration; see `WebhookApi`."""
        with suppress(NotFound):
            self._api.change("DELETE", f"{PATH}/{hook_id}", {}, Cause("webhook: remove it"))

    def read_delivery_log(self, hook_id: int | None, *, after: int | None) -> DeliveryLog | None:
        """Return what Hostaway says it delivered; see `WebhookApi`."""

        def fetch(path: str, params: Mapping[str, int | str], step: str) -> Listing:
            cause = Cause("webhook: what was delivered, and what was not?", step)
            return self._api.get_list(path, params, cause)[0]

        for path in LOG_PATHS:
            with suppress(*_UNAVAILABLE):
                return read_log(partial(fetch, path), hook_id, after=after)
        return None

    def _list(self, path: str, cause: Cause, *, is_legacy: bool) -> list[Webhook]:
        listing, _ = self._api.get_list(path, {}, cause)
        hooks = (_hook(row, is_legacy=is_legacy) for row in listing.rows)
        return [hook for hook in hooks if hook is not None]

    def _change(self, method: str, path: str, settings: WebhookSettings) -> Webhook:
        document: dict[str, int | str] = {
            "isEnabled": int(settings.is_enabled),
            "url": settings.url,
            "login": settings.login,
            "password": settings.password.get_secret_value(),
        }
        cause = Cause("webhook: register it" if method == "POST" else "webhook: change it")
        hook = _hook(self._api.change(method, path, document, cause), is_legacy=False)
        # A write can succeed without effect (quirk 60).
        if hook is None or hook.url != settings.url or hook.is_enabled != settings.is_enabled:
            raise SourceUnavailable(f"Hostaway answered {method} {path} with another registration than was asked for")
        return hook


def _hook(raw: bytes, *, is_legacy: bool) -> Webhook | None:
    try:
        row: Any = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    number = as_id(row.get("id")) if isinstance(row, dict) else None
    if number is None:
        return None
    url, login = row.get("url"), row.get("login")
    return Webhook(
        hook_id=number,
        url=url if isinstance(url, str) else "",
        is_enabled=_is_enabled(row.get("isEnabled")),
        login=login if isinstance(login, str) and login else None,
        is_legacy=is_legacy,
    )


def _is_enabled(value: object) -> bool:
    try:
        return as_boolean(value) is not False
    except Misfit:
        return True
