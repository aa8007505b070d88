"""Documents of `sync` and `sync-all`, and parts of them that other documents have, too."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from hostaway_sync.model.records import ChangeCounts, Mode, Resource, RunReport, RunState
from hostaway_sync.sync.reporting.outcome import derive_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.app.jobs.jobs import SyncRequest
    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.sync.fleet import AccountOutcome


def report_document(report: RunReport) -> dict[str, Any]:
    """Return a report; the five resources are there, asked for or not, and each other kind of which a list was read."""
    counts = {
        name: counts_document(report.resources[name].counts if name in report.resources else ChangeCounts())
        for name in dict.fromkeys([*map(str, Resource), *map(str, report.resources)])
    }
    return {
        "account_id": report.account_id,
        "mode": report.mode.value,
        "state": derive_outcome(report).value,
        "api_calls": report.api_calls,
        "duration_s": report.duration_s,
        "resources": counts,
        **_dry_run(report),
        # A run that was not whole says so itself.
        **alarms_document(report.alarms.alarms if derive_outcome(report) is not report.state else ()),
    }


def skipped_report_document(account_id: int, state: RunState = RunState.SKIPPED) -> dict[str, Any]:
    """Return the report of an account for which there was no run."""
    return report_document(RunReport(account_id, Mode.FULL, state, 0, 0.0, {}))


def outcome_document(ended: AccountOutcome) -> dict[str, Any]:
    """Return how one account of a fleet ended: a report, and why there was none."""
    report = report_document(ended.report) if ended.report else skipped_report_document(ended.account_id, ended.state)
    return {**report, "error": ended.error}


def fleet_document(
    state: RunState, failed: Sequence[AccountOutcome], outcomes: Sequence[AccountOutcome]
) -> dict[str, Any]:
    """Return how all accounts ended."""
    return {
        "state": state.value,
        "failed": [ended.account_id for ended in failed],
        "accounts": [outcome_document(ended) for ended in outcomes],
    }


def sync_request_document(request: SyncRequest) -> dict[str, Any]:
    """Return a sync that was asked for; ids are text."""
    job = request.job
    return {
        "job": str(request.number),
        "account_id": str(job.account_id),
        "mode": (Mode.FULL if job.full else Mode.INCREMENTAL).value,
        "resources": list(job.resources),
    }


def enqueued_document(account_ids: Sequence[int]) -> dict[str, Any]:
    """Return which accounts wait for a worker to sync them."""
    return {"enqueued": list(account_ids)}


def counts_document(counts: ChangeCounts) -> dict[str, int]:
    """Return how many records a run met, by what became of them."""
    return {
        "seen": counts.seen,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "stale": counts.stale,
        "quarantined": counts.quarantined,
        "missing": counts.missing,
    }


def alarms_document(alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Return the key `alarms` and its value while any stands, else nothing."""
    listed = [
        {
            "kind": alarm.cause.kind.value,
            "resource": alarm.cause.resource or None,
            "since": alarm.since.isoformat(),
            "sentence": alarm.cause.sentence,
        }
        for alarm in alarms
    ]
    return {"alarms": listed} if listed else {}


def api_call_document(call: ApiCall) -> dict[str, Any]:
    """Return one request to the source."""
    return {
        "granted_at": call.granted_at.astimezone(UTC).isoformat(),
        "method": call.method,
        "path": call.path,
        "params": dict(call.params),
        "status": call.status,
        "seconds": call.duration_s,
        "waited": call.waited_s,
        "attempt": call.attempt,
        "why": call.why,
        "step": call.step,
    }


def _dry_run(report: RunReport) -> dict[str, Any]:
    """Return that a run wrote nothing, and what it would have written; nothing of a run that was no dry one."""
    ids = {
        str(resource): {change.value: list(keys) for change, keys in part.ids.items()}
        for resource, part in report.resources.items()
        if part.ids is not None
    }
    return {"dry_run": True, "ids": ids} if ids else {}
