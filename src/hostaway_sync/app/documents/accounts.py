"""Documents of `account …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.app.accounts import Removal
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.audit_log import AuditEntry


def account_document(account: Account) -> dict[str, Any]:
    """Return what may be shown of an account."""
    return {
        "account_id": account.account_id,
        "name": account.name,
        "customer_id": str(account.customer_id) if account.customer_id else None,
        "is_active": account.is_active,
        "last_sync_at": iso(account.last_sync_at),
        "created_at": account.created_at.isoformat(),
        "removed_at": iso(account.removed_at),
        "resource_sets": None if account.resource_sets is None else list(account.resource_sets),
    }


def account_details_document(account: Account) -> dict[str, Any]:
    """Return all that may be shown of an account."""
    return {
        **account_document(account),
        "updated_at": account.updated_at.isoformat(),
        "token_expires_at": iso(account.token_expires_at),
        "webhook_url": account.webhook_url,
    }


def audit_document(entries: Iterable[AuditEntry]) -> dict[str, Any]:
    """Return who changed what of an account."""
    return {
        "audit": [
            {
                "changed_at": entry.changed_at.isoformat(),
                "action": entry.action.value,
                "os_user": entry.os_user,
                "host": entry.host,
                "changes": entry.changes,
            }
            for entry in entries
        ]
    }


def changed_account_document(account: Account, changed: Iterable[str]) -> dict[str, Any]:
    """Return an account and the names of its fields that a command changed."""
    return {**account_document(account), "changed": list(changed)}


def account_state_document(account_id: int, *, is_active: bool, changed: bool) -> dict[str, Any]:
    """Return whether an account is active now, and whether a command made it so."""
    return {"account_id": account_id, "is_active": is_active, "changed": changed}


def removal_document(removal: Removal, *, purged: bool) -> dict[str, Any]:
    """Return what removing an account did."""
    return {
        "account_id": removal.account_id,
        "purged": purged,
        "webhooks_removed": removal.webhooks_removed,
        "token_revoked": removal.token_revoked,
        "rows_deleted": dict(removal.rows_deleted),
        "troubles": list(removal.troubles),
    }
