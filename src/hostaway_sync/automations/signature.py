"""Signatures of Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_PREFIX: Final = "whsec_"
_BYTES: Final = 32


def make_secret() -> SecretStr:
    """Return a new secret, in the form that every library of Standard Webhooks takes."""
    return SecretStr(_PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode())


def sign(event_id: str, body: bytes, keys: Sequence[SecretStr], *, now: datetime) -> dict[str, str]:
    """Return the headers of a request; while a secret is rotated it is signed with both.

    Args:
        event_id: the same at each try.
        body: to the byte.
        keys: the secret, and the one before it while that is valid.
        now: in UTC; a consumer refuses what is older than five minutes.
    """
    text = body.decode()
    signatures: list[str] = [Webhook(key.get_secret_value()).sign(event_id, now, text) for key in keys]
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
