"""Documents of `api-key …`; none has a secret, but for the one that is shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.times import iso
from hostaway_sync.model.callers import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.app.api_keys import IssuedKey
    from hostaway_sync.model.callers.keys import ApiKey


def api_key_document(key: ApiKey, now: datetime) -> dict[str, Any]:
    """Return a key without its secret; where accounts and customer are null, it sees all accounts."""
    access = key.access
    return {
        "key_id": key.key_id,
        "name": key.name,
        "state": key.state(now),
        "account_ids": None if access.account_ids is None else sorted(access.account_ids),
        "customer_id": None if access.customer_id is None else str(access.customer_id),
        "scopes": [scope.value for scope in Scope if key.caller().may(scope)],
        "created_at": iso(key.created_at),
        "expires_at": iso(key.expires_at),
        "revoked_at": iso(key.revoked_at),
        "last_used_at": iso(key.last_used_at),
        "previous_until": iso(key.previous_until),
    }


def issued_key_document(issued: IssuedKey, now: datetime) -> dict[str, Any]:
    """Return a key with what its caller sends."""
    return {**api_key_document(issued.key, now), "key": issued.token.get_secret_value()}
