"""Documents of `automation …`; none has a secret, but for the one that is shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.times import iso
from hostaway_sync.automations.events import AWAITED

if TYPE_CHECKING:
    from hostaway_sync.app.jobs.automations import AddedAutomation, RotatedSecret
    from hostaway_sync.automations.answer import Answer
    from hostaway_sync.store.automations.states import Automation, Delivery


def automation_document(automation: Automation) -> dict[str, Any]:
    """Return an automation and how its consumer is doing."""
    request = automation.request
    return {
        "name": request.name,
        "events": list(request.events),
        "awaited_events": [event for event in request.events if event in AWAITED],
        "account_ids": None if request.account_ids is None else list(request.account_ids),
        "conditions": {key: list(values) for key, values in request.conditions.items()},
        "url": request.url,
        "command": None if request.command is None else list(request.command),
        "is_active": automation.is_active,
        "disabled_reason": automation.disabled_reason,
        "disabled_at": iso(automation.disabled_at),
        "active_since": iso(automation.active_since),
        "failing_since": iso(automation.failing_since),
        "not_before_at": iso(automation.not_before_at),
        "delivered_at": iso(automation.delivered_at),
        "waiting": automation.waiting,
        "waiting_since": iso(automation.waiting_since),
        "dead": automation.dead,
        "both_secrets_until": iso(automation.previous_until),
        "created_at": iso(automation.created_at),
    }


def added_automation_document(added: AddedAutomation) -> dict[str, Any]:
    """Return a new automation with its secret."""
    return {
        **automation_document(added.automation),
        "secret": None if added.secret is None else added.secret.get_secret_value(),
    }


def rotated_secret_document(name: str, rotated: RotatedSecret) -> dict[str, Any]:
    """Return a new secret, and until when the one before is used, too."""
    return {
        "name": name,
        "secret": rotated.secret.get_secret_value(),
        "both_secrets_until": iso(rotated.both_until),
    }


def answer_document(name: str, answer: Answer) -> dict[str, Any]:
    """Return how a consumer answered an example."""
    return {
        "name": name,
        "is_delivered": answer.is_delivered,
        "status": answer.status,
        "error": answer.error,
        "answer": answer.shown,
        "output": answer.output,
    }


def automation_delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Return what became of one event."""
    return {
        "change_id": delivery.change_id,
        "account_id": delivery.account_id,
        "event": delivery.event,
        "resource": delivery.resource,
        "record_id": delivery.record_id,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "not_before_at": iso(delivery.not_before_at),
        "status": delivery.status,
        "error": delivery.error,
        "output": delivery.output,
        "created_at": iso(delivery.created_at),
        "settled_at": iso(delivery.settled_at),
    }
