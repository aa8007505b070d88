"""Hostaway's unified webhooks of one account: list, create, update, delete (API notes, 6.1).

Hostaway asks the URL before it agrees to a new one, so a create or update may take as long as it waits for us. Neither
is sent twice: where the outcome is not known, the list tells.
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
from hostaway_sync.platforms.hostaway.webhooks.delivery_log import LOGS, read_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.deliveries import DeliveryLog, WebhookSettings
    from hostaway_sync.platforms.hostaway.http.api import HostawayApi
    from hostaway_sync.platforms.hostaway.http.protocol import Listing

HOOKS: Final = "/webhooks/unifiedWebhooks"
LEGACY: Final = ("/webhooks/reservations", "/webhooks/conversationMessages")
_WHICH: Final = "webhook: which are registered?"
_GONE: Final = (NotFound, Forbidden, RequestRejected)


class Registration:
    """The `WebhookApi` of one account.

    Args:
        api: makes the calls of the account.
    """

    def __init__(self, api: HostawayApi) -> None:
        self._api = api

    def list_webhooks(self, *, why: str = _WHICH) -> list[Webhook]:
        """Give all registrations; see `WebhookApi`."""
        return self._listed(HOOKS, Cause(why), is_legacy=False)

    def list_legacy_webhooks(self) -> list[Webhook]:
        """Give those of the deprecated interface; see `WebhookApi`."""
        found = []
        for path in LEGACY:
            with suppress(*_GONE):
                found += self._listed(path, Cause(_WHICH), is_legacy=True)
        return found

    def create(self, settings: WebhookSettings) -> Webhook:
        """Add a registration; see `WebhookApi`."""
        return self._changed("POST", HOOKS, settings)

    def update(self, hook_id: int, settings: WebhookSettings) -> Webhook:
        """Change a registration; see `WebhookApi`."""
        return self._changed("PUT", f"{HOOKS}/{hook_id}", settings)

    def delete(self, hook_id: int) -> None:
        """Remove a registration; see `WebhookApi`."""
        with suppress(NotFound):
            self._api.change("DELETE", f"{HOOKS}/{hook_id}", {}, Cause("webhook: remove it"))

    def read_delivery_log(self, hook_id: int | None, *, after: int | None) -> DeliveryLog | None:
        """Give what was delivered; see `WebhookApi`."""

        def fetch(path: str, params: Mapping[str, int | str], step: str) -> Listing:
            cause = Cause("webhook: what was delivered, and what was not?", step)
            return self._api.get_list(path, params, cause)[0]

        for path in LOGS:
            with suppress(*_GONE):
                return read_log(partial(fetch, path), hook_id, after=after)
        return None

    def _listed(self, path: str, cause: Cause, *, is_legacy: bool) -> list[Webhook]:
        listing, _ = self._api.get_list(path, {}, cause)
        hooks = (_hook(row, is_legacy=is_legacy) for row in listing.rows)
        return [hook for hook in hooks if hook is not None]

    def _changed(self, method: str, path: str, wish: WebhookSettings) -> Webhook:
        document: dict[str, int | str] = {
            "isEnabled": int(wish.is_enabled),
            "url": wish.url,
            "login": wish.login,
            "password": wish.password.get_secret_value(),
        }
        cause = Cause("webhook: register it" if method == "POST" else "webhook: change it")
        hook = _hook(self._api.change(method, path, document, cause), is_legacy=False)
        # A write can succeed without effect (quirk 60).
        if hook is None or hook.url != wish.url or hook.is_enabled != wish.is_enabled:
            raise SourceUnavailable(f"Hostaway answered {method} {path} with something else than was asked for")
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
