"""What came of a run, and what must be said of it: its own failures and the alarms that stand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.records import RunReport


def derive_outcome(report: RunReport) -> RunState:
    """Return what came of a run, for an exit code: one that was whole is partial while an alarm stands."""
    is_well = report.state in {RunState.SUCCESS, RunState.SKIPPED}
    return RunState.PARTIAL if is_well and report.alarms.alarms else report.state


def list_failures(report: RunReport) -> list[tuple[str, bool]]:
    """Return what is wrong after a run, one sentence each, and whether it must be said now.

    An alarm that was told lately is not, nor is the failure of this run that it stands for.
    """
    quiet = {alarm.cause.sentence for alarm in report.alarms.alarms if alarm not in report.alarms.reported}
    said = [
        f"{resource}: {part.error}"
        for resource, part in report.resources.items()
        if part.error and part.caused_by not in report.resources
    ]
    said += [sentence for sentence in map(_sentence, report.alarms.alarms) if sentence not in said]
    return [(sentence, sentence not in quiet) for sentence in said]


def list_ended_alarms(report: RunReport) -> list[str]:
    """Return a sentence for each alarm whose cause a run saw to be gone."""
    return [
        f"account {report.account_id}: over, after it began {alarm.since:%Y-%m-%d %H:%M} UTC: {alarm.cause.sentence}"
        for alarm in report.alarms.ended
    ]


def _sentence(alarm: Alarm) -> str:
    return alarm.cause.sentence
