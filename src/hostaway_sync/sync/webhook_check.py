"""What a run does about the announcements of its account; it depends on none of them, and fails for none."""

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
    """Say whether the source answers, as far as a run has seen: one that fails for now would fail here, too."""
    return not any(report.state is RunState.FAILED and report.can_recover for report in reports)


def check_webhook(account_id: int, announcing: WebhookCheck, *, audits: bool) -> None:
    """Have a registration that was disabled enabled again, look for deliveries that did not come, and say so.

    Raises:
        HostawaySyncError: that could not be found out.
    """
    if (sentence := announcing.keep_enabled()) is not None:
        log.warning("%s", sentence)
    if audits and (audit := announcing.audit_deliveries()) is not None:
        _say(account_id, audit)


def _say(account_id: int, audit: DeliveryAudit) -> None:
    if audit.has_log:
        level = logging.WARNING if audit.lost else logging.INFO
        found = f"{audit.lost} of {audit.announced} announced objects were lost"
        log.log(level, "account %d: %s%s", account_id, found, ", and are read again" if audit.lost else "")
    elif audit.is_first:
        log.warning("account %d: the source shows no log of its deliveries, so that none can be audited", account_id)
