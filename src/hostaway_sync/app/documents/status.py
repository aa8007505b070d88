"""The document of `status`: everything its tables show and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.automations import automation_document
from hostaway_sync.app.documents.runs import alarms_document, counts_document
from hostaway_sync.app.documents.times import iso
from hostaway_sync.model.health import LATE_AFTER, is_webhook_silent
from hostaway_sync.model.records import OBJECTS, Resource
from hostaway_sync.model.status import RowCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.model.calendar.facts import CalendarFacts
    from hostaway_sync.model.circuit_breaker import Outage
    from hostaway_sync.model.doubts import Doubt
    from hostaway_sync.model.health import Health
    from hostaway_sync.model.history.stall import FeedStall
    from hostaway_sync.model.kinds.facts import KindFacts
    from hostaway_sync.model.records import Mark
    from hostaway_sync.model.run_history import RunDetail
    from hostaway_sync.model.status import (
        AccountFacts,
        AnnouncementCounts,
        BucketUsage,
        Certificate,
        DeferredWork,
        MessageBacklog,
        Overview,
        RunSummary,
    )
    from hostaway_sync.store.automations.states import Automation


def overview_document(
    overview: Overview, verdicts: Sequence[tuple[AccountFacts, Health]], automations: Sequence[Automation] = ()
) -> dict[str, Any]:
    """Return how all accounts do, or one, and the automations."""
    limits = [overview.address, *(facts.limit for facts in overview.accounts)]
    is_wrong = any(health.has_problems for _, health in verdicts)
    is_wrong = is_wrong or any(one.disabled_reason is not None for one in automations)
    return {
        "state": "look" if is_wrong else "ok",
        "now": overview.now.isoformat(),
        "late_after_s": LATE_AFTER.total_seconds(),
        "outage": _outage(overview.outage) if overview.outage else None,
        "feed": _stall(overview.stall) if overview.stall else None,
        "new_words": [{"kind": one.kind, "word": one.word, "rows": one.rows} for one in overview.new_words],
        "accounts": [_account(facts, health) for facts, health in verdicts],
        "automations": [automation_document(one) for one in automations],
        "budget": [_budget(use) for use in limits if use is not None],
    }


def details_document(
    marks: Mapping[Resource, Mark],
    history: Sequence[RunDetail],
    calendar: CalendarFacts | None = None,
    kinds: Sequence[KindFacts] = (),
) -> dict[str, Any]:
    """Return what the document of one account has besides."""
    return {
        "calendar": _calendar(calendar) if calendar else None,
        "other_resources": {facts.kind.name: _kind(facts) for facts in kinds},
        "watermarks": {
            resource.value: {"watermark_at": iso(mark.watermark_at), "swept_at": iso(mark.swept_at)}
            for resource, mark in marks.items()
        },
        "runs": [
            {
                **_run(chapter.run),
                "resources": {
                    str(name): {
                        "state": part.state.value,
                        **counts_document(part.counts),
                        "error": part.error,
                    }
                    for name, part in chapter.parts.items()
                },
            }
            for chapter in history
        ],
    }


def _stall(stall: FeedStall) -> dict[str, Any]:
    return {
        "waiting_since": stall.waiting_since.isoformat(),
        "pid": stall.pid,
        "prepared": stall.prepared,
        "application": stall.application,
        "role": stall.role,
        "database": stall.database,
        "began_at": iso(stall.began_at),
    }


def _account(facts: AccountFacts, health: Health) -> dict[str, Any]:
    due = facts.due.values()
    return {
        "account_id": facts.account_id,
        "name": facts.name,
        "is_active": facts.is_active,
        "state": health.condition.value,
        "wrong": list(health.problems),
        "last_success_at": iso(facts.last_sync_at),
        "verified_as_of": iso(health.verified_as_of),
        "rows": _rows({resource: facts.rows.get(resource, RowCounts()) for resource in OBJECTS}),
        "calls": {"last_run": facts.last_run.api_calls if facts.last_run else None, "last_24_h": facts.recent.calls},
        "running": _running(facts),
        "last_run": _run(facts.last_run) if facts.last_run else None,
        "certificate": _certificate(facts.certificate) if facts.certificate else None,
        "equal_at": iso(facts.equal_at),
        "due": {
            "threads": sum(mark.threads for mark in due),
            "since": iso(min((mark.since for mark in due), default=None)),
        },
        "deliveries": _deliveries(facts.deferred),
        "messages": _messages(facts.messages),
        "silence": _silence(facts.announcements) if facts.announcements else None,
        "suspected": _doubted(facts.doubts.suspected),
        "set_back": _doubted(facts.doubts.set_back),
        "quarantined": {"rowless": facts.quarantine.rowless, "cleaned": facts.quarantine.cleaned},
        "abandoned_24_h": facts.recent.abandoned,
        **alarms_document(facts.alarms),
    }


def _rows(rows: Mapping[Resource, RowCounts]) -> dict[str, Any]:
    return {
        "live": sum(counted.live for counted in rows.values()),
        "missing": sum(counted.missing for counted in rows.values()),
        "total": sum(counted.total for counted in rows.values()),
        "resources": {
            resource.value: {"live": counted.live, "missing": counted.missing, "total": counted.total}
            for resource, counted in rows.items()
        },
    }


def _calendar(calendar: CalendarFacts) -> dict[str, Any]:
    return {
        "is_on": calendar.is_on,
        "listings": calendar.listings,
        "read": calendar.read,
        "never_read": calendar.never_read,
        "oldest_read_at": iso(calendar.oldest_read_at),
        "due": {
            "listings": calendar.due_listings,
            "days": calendar.due_days,
            "since": iso(calendar.due_since),
        },
        "short": {
            "listings": calendar.short_listings,
            "known_until": calendar.known_until.isoformat() if calendar.known_until else None,
        },
        "missing": {"listings": calendar.missing_listings, "days": calendar.missing_days},
        "refused": {
            "listings": calendar.refused,
            "since": iso(calendar.refused_since),
            "error": calendar.refusal,
        },
        "overdue": {"listings": calendar.overdue, "since": iso(calendar.overdue_since)},
    }


def _kind(facts: KindFacts) -> dict[str, Any]:
    return {
        "is_on": facts.is_on,
        "live": facts.live,
        "missing": facts.missing,
        "lists": facts.lists,
        "read": facts.read,
        "oldest_read_at": iso(facts.oldest_read_at),
        "due_at": iso(facts.due_at),
        "unavailable": {
            "lists": facts.refused,
            "since": iso(facts.refused_since),
            "error": facts.refusal,
        },
        "failed": {"lists": facts.failed, "error": facts.failure},
        "overdue_at": iso(facts.overdue_at),
    }


def _running(facts: AccountFacts) -> dict[str, Any] | None:
    run = facts.open_run
    if facts.lease is None:
        return None
    return {
        "host": facts.lease.host,
        "lease_expires_at": iso(facts.lease.expires_at),
        "mode": run.mode.value if run else None,
        "since": iso(run.started_at or run.triggered_at) if run else None,
        "records": facts.records_read,
    }


def _run(run: RunSummary) -> dict[str, Any]:
    begun = run.started_at or run.triggered_at
    return {
        "mode": run.mode.value,
        "state": run.state.value,
        "triggered_at": iso(run.triggered_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "api_calls": run.api_calls,
        "error": run.error,
        "duration_s": (run.finished_at - begun).total_seconds() if run.finished_at else None,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "verified_at": iso(certificate.verified_at),
        "is_equal": certificate.is_equal,
        "is_deep": certificate.is_deep,
        "api_calls": certificate.api_calls,
        "differences": certificate.differences,
        "late": certificate.late,
        "error": certificate.error,
        "swept": certificate.swept,
        "is_outdated": certificate.is_outdated,
        "is_sudden": certificate.is_sudden,
    }


def _deliveries(deferred: DeferredWork) -> dict[str, Any]:
    return {
        "deliveries": deferred.deliveries,
        "oldest_at": iso(deferred.oldest_at),
        "dead_letters": deferred.dead_letters,
        "due_since": iso(deferred.due_since),
        "has_worker": deferred.has_worker,
    }


def _messages(letters: MessageBacklog) -> dict[str, Any]:
    return {
        "unsettled": letters.unsettled,
        "waiting": letters.waiting_for_person,
        "unsent": letters.unsent,
        "undelivered": letters.undelivered,
        "queued": letters.queued,
        "resting": letters.resting,
        "resting_until": iso(letters.resting_until),
    }


def _silence(silence: AnnouncementCounts) -> dict[str, Any]:
    return {
        "unannounced": silence.unannounced,
        "announced": silence.announced,
        "is_silent": is_webhook_silent(silence.unannounced, silence.announced),
    }


def _doubted(doubts: Mapping[Resource, Doubt]) -> dict[str, Any]:
    return {resource.value: {"rows": doubt.rows, "since": iso(doubt.since)} for resource, doubt in doubts.items()}


def _outage(outage: Outage) -> dict[str, Any]:
    return {
        "failures": outage.failures,
        "failing_since": iso(outage.failing_since),
        "failed_at": iso(outage.failed_at),
        "error": outage.error,
        "away_since": iso(outage.away_since),
        "probe_at": iso(outage.probe_at),
        "probes": outage.probes,
    }


def _budget(use: BucketUsage) -> dict[str, Any]:
    return {
        "key": use.key,
        "used": use.used,
        "limit": use.limit,
        # Older than the rule that a key names its unit; scripts read it.
        "window": use.window.total_seconds(),
        "lowered_to": use.lowered_to,
        "lowered_until": iso(use.lowered_until),
        "silent_until": iso(use.silent_until),
        "window_s": use.window.total_seconds(),
    }
