"""What a run does about the webhook of its account; the run does not depend on it, and does not fail for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.deliveries import DeliveryAudit, WebhookCheck
    from hostaway_sync.model.records import ResourceReport

log = logging.getLogger(__name__)


def is_source_answering(reports: Iterable[ResourceReport]) -> bool:
    """Whether the source answers, as far as a run has seen; one that fails for now would fail here, too."""
    return not any(report.state is RunState.FAILED and report.can_recover for report in reports)


def check_webhook(account_id: int, webhook: WebhookCheck, *, audits: bool) -> None:
    """Enable a registration again that the platform disabled, find lost deliveries, and log both.

    Args:
        account_id: for the log.
        webhook: of the account.
        audits: whether to look for lost deliveries, too.

    Raises:
        HostawaySyncError: the platform or the database could not be asked.
    """
    if (sentence := webhook.keep_enabled()) is not None:
        log.warning("%s", sentence)
    if audits and (audit := webhook.audit_deliveries()) is not None:
        _log_audit(account_id, audit)


def _log_audit(account_id: int, audit: DeliveryAudit) -> None:
    if audit.has_log:
        level = logging.WARNING if audit.lost else logging.INFO
        found = f"{audit.lost} of {audit.announced} announced objects were lost"
        log.log(level, "account %d: %s%s", account_id, found, ", and are read again" if audit.lost else "")
    elif audit.is_first:
        log.warning("account %d: the source shows no log of its deliveries, so that none can be audited", account_id)
