"""The public address of deliveries, and the secret at the end of its path."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hostaway_sync.model.deliveries import Webhook
    from hostaway_sync.store.webhooks.credentials import Credentials

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def parse_public_url(text: str) -> str:
    """Return a public address without a slash at its end.

    Raises:
        UsageError: the platform cannot send deliveries there.
    """
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or any(char.isspace() or not char.isprintable() for char in text.strip()):
        raise UsageError("the public address is not a URL: write it as https://sync.example.org")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise UsageError("the public address must be https, because login and password travel to it")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "the public address must have no user, query or fragment: write it as https://sync.example.org"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def build_delivery_url(base: str, platform: str, account_id: int, path_secret: str) -> str:
    """Return the URL for deliveries to an account."""
    return f"{base}/webhooks/{platform}/{account_id}/{path_secret}"


def mask_url(url: str) -> str:
    """Return what may be shown of a URL: any path may be a secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "?"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/…"


def select_own_hooks(
    hooks: Iterable[Webhook], credentials: Collection[Credentials], hook_id: int | None, prefixes: Collection[str]
) -> list[Webhook]:
    """Return the registrations of this program, the one with the known id first.

    Args:
        hooks: all registrations of the account.
        credentials: those that this program made for the account.
        hook_id: the platform's id of our registration, as last known.
        prefixes: beginnings of URLs that only this program makes, whatever secret follows.
    """
    secrets = {credential.path_secret.get_secret_value() for credential in credentials}
    found = [
        hook
        for hook in hooks
        if hook.hook_id == hook_id
        or hook.url.rpartition("/")[2] in secrets
        or any(hook.url.startswith(prefix) for prefix in prefixes)
    ]
    return sorted(found, key=lambda hook: hook.hook_id != hook_id)
