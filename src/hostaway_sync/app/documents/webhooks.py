"""Documents of `webhooks …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostaway_sync.model.deliveries import DeliveryAudit
    from hostaway_sync.webhooks.registration.registrar import HookCheck, ListedHook, RegistrationResult


def registered_document(account_id: int, registered: RegistrationResult) -> dict[str, Any]:
    """Return what registering a webhook did."""
    return {
        "account_id": account_id,
        "hook_id": registered.hook_id,
        "address": registered.address,
        "is_new": registered.is_new,
        "others": [_hook(hook) for hook in registered.others],
    }


def hook_document(account_id: int, hook: ListedHook) -> dict[str, Any]:
    """Return one webhook that the source has of an account."""
    return {"account_id": account_id, **_hook(hook)}


def hook_check_document(check: HookCheck) -> dict[str, Any]:
    """Return whether the webhooks of an account arrive."""
    return {
        "account_id": check.account_id,
        "is_registered": check.is_registered,
        "is_enabled": check.is_enabled,
        "problems": list(check.problems),
        "others": [_hook(hook) for hook in check.others],
        "audit": _audit(check.audit) if check.audit else None,
    }


def _hook(hook: ListedHook) -> dict[str, Any]:
    return {
        "hook_id": hook.hook_id,
        "address": hook.address,
        "kind": hook.kind,
        "is_enabled": hook.is_enabled,
    }


def _audit(audit: DeliveryAudit) -> dict[str, Any]:
    return {
        "has_log": audit.has_log,
        "announced": audit.announced,
        "lost": audit.lost,
        "is_whole": audit.is_whole,
        "is_first": audit.is_first,
    }
