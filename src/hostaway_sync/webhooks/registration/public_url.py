"""Where deliveries go: public addresses and the secret at their end."""

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
    """Give a public address without a slash at its end.

    Raises:
        UsageError: the source cannot send deliveries there.
    """
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or any(letter.isspace() or not letter.isprintable() for letter in text.strip()):
        raise UsageError("the public address is none: write it as https://sync.example.org")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise UsageError("the public address must be https, because login and password travel to it")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError("the public address must be plain, without user, question mark and number sign")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def build_delivery_url(base: str, platform: str, account_id: int, path_secret: str) -> str:
    """Give where deliveries to an account go."""
    return f"{base}/webhooks/{platform}/{account_id}/{path_secret}"


def mask_url(url: str) -> str:
    """Give what may be shown of a URL: its path may be a secret, whoever it belongs to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "?"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}/…"


def select_own_hooks(
    hooks: Iterable[Webhook], credentials: Collection[Credentials], hook_id: int | None, prefixes: Collection[str]
) -> list[Webhook]:
    """Give the registrations that are ours, the one we know first.

    Args:
        hooks: all that the source has.
        credentials: ours.
        hook_id: the source's id of ours, as last known.
        prefixes: addresses that only we make: whatever secret follows, nobody else wants those deliveries.
    """
    secrets = {one.path_secret.get_secret_value() for one in credentials}
    found = [
        hook
        for hook in hooks
        if hook.hook_id == hook_id
        or hook.url.rpartition("/")[2] in secrets
        or any(hook.url.startswith(prefix) for prefix in prefixes)
    ]
    return sorted(found, key=lambda hook: hook.hook_id != hook_id)
