"""`status --json`: everything the tables of `status` show and more, times in ISO 8601, durations in seconds."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hostaway_sync.cli.output import alarms_document
from hostaway_sync.records import Resource
from hostaway_sync.store.facts import Rows
from hostaway_sync.sync.health import LATE_AFTER, is_silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.records import Mark
    from hostaway_sync.store.chapters import Chapter
    from hostaway_sync.store.doubts import Doubt
    from hostaway_sync.store.facts import AccountFacts, BucketUse, Overview, PastRun
    from hostaway_sync.sync.health import Health


def overview_document(overview: Overview, verdicts: Sequence[tuple[AccountFacts, Health]]) -> dict[str, Any]:
    """Give the document of all accounts, or of one."""
    limits = [overview.address, *(facts.limit for facts in overview.accounts)]
    document = {
        "state": "look" if any(health.needs_a_look for _, health in verdicts) else "ok",
        "now": overview.now,
        "late_after_s": LATE_AFTER,
        "outage": asdict(overview.outage) if overview.outage else None,
        "accounts": [_account(facts, health) for facts, health in verdicts],
        "budget": [_budget(use) for use in limits if use is not None],
    }
    return _plain_document(document)


def details_document(marks: Mapping[Resource, Mark], history: Sequence[Chapter]) -> dict[str, Any]:
    """Give what the document of one account has besides."""
    return _plain_document(
        {
            "watermarks": {
                resource.value: {"watermark_at": mark.watermark_at, "swept_at": mark.swept_at}
                for resource, mark in marks.items()
            },
            "runs": [
                {
                    **_run(chapter.run),
                    "resources": {
                        resource.value: {"state": part.state, **asdict(part.counts), "error": part.error}
                        for resource, part in chapter.parts.items()
                    },
                }
                for chapter in history
            ],
        }
    )


def _account(facts: AccountFacts, health: Health) -> dict[str, Any]:
    due = facts.due.values()
    rows = {resource.value: facts.rows.get(resource, Rows()) for resource in Resource}
    return {
        "account_id": facts.account_id,
        "name": facts.name,
        "is_active": facts.is_active,
        "state": health.condition,
        "wrong": health.wrong,
        "last_success_at": facts.last_sync_at,
        "verified_as_of": health.verified_as_of,
        "rows": {
            "live": sum(counted.live for counted in rows.values()),
            "missing": sum(counted.missing for counted in rows.values()),
            "total": sum(counted.total for counted in rows.values()),
            "resources": {
                name: {"live": counted.live, "missing": counted.missing, "total": counted.total}
                for name, counted in rows.items()
            },
        },
        "calls": {"last_run": facts.ended.api_calls if facts.ended else None, "last_24_h": facts.recent.calls},
        "running": _running(facts),
        "last_run": _run(facts.ended) if facts.ended else None,
        "certificate": asdict(facts.certificate) if facts.certificate else None,
        "equal_at": facts.equal_at,
        "due": {
            "threads": sum(mark.threads for mark in due),
            "since": min((mark.since for mark in due), default=None),
        },
        "deliveries": asdict(facts.deferred),
        "messages": asdict(facts.letters),
        "silence": _silence(facts),
        "suspected": _doubted(facts.doubts.suspected),
        "set_back": _doubted(facts.doubts.set_back),
        "quarantined": asdict(facts.quarantine),
        "abandoned_24_h": facts.recent.abandoned,
        **alarms_document(facts.alarms),
    }


def _doubted(doubts: Mapping[Resource, Doubt]) -> dict[str, Any]:
    return {resource.value: {"rows": doubt.rows, "since": doubt.since} for resource, doubt in doubts.items()}


def _silence(facts: AccountFacts) -> dict[str, Any] | None:
    silence = facts.silence
    if silence is None:
        return None
    return {**asdict(silence), "is_silent": is_silent(silence.unannounced, silence.announced)}


def _running(facts: AccountFacts) -> dict[str, Any] | None:
    run = facts.under_way
    if facts.lease is None:
        return None
    return {
        "host": facts.lease.host,
        "lease_expires_at": facts.lease.expires_at,
        "mode": run.mode if run else None,
        "since": (run.started_at or run.triggered_at) if run else None,
        "records": facts.records_read,
    }


def _run(run: PastRun) -> dict[str, Any]:
    begun = run.started_at or run.triggered_at
    return {**asdict(run), "duration_s": run.finished_at - begun if run.finished_at else None}


def _budget(use: BucketUse) -> dict[str, Any]:
    document = asdict(use)
    return {**document, "window_s": document.pop("window")}


def _plain_document(document: Mapping[str, object]) -> dict[str, Any]:
    """Write times as text, and spans of time in seconds."""
    return {name: _plain(value) for name, value in document.items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
