"""How a run ended, and the sentences to tell about it: its own failures and the alarms that stand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from hostaway_sync.model.alarms import Alarm
    from hostaway_sync.model.records import RunReport


def derive_outcome(report: RunReport) -> RunState:
    """Return the state of a run for the exit code: a run that was whole is PARTIAL while an alarm stands."""
    is_well = report.state in {RunState.SUCCESS, RunState.SKIPPED}
    return RunState.PARTIAL if is_well and report.alarms.alarms else report.state


def list_failures(report: RunReport) -> list[tuple[str, bool]]:
    """Return what is wrong after a run: sentences, each with whether it is news.

    An alarm that was told lately is no news, nor is the failure of this run that caused it.
    """
    quiet = {alarm.cause.sentence for alarm in report.alarms.alarms if alarm not in report.alarms.reported}
    sentences = [
        f"{resource}: {part.error}"
        for resource, part in report.resources.items()
        if part.error and part.caused_by not in report.resources
    ]
    sentences += [told for told in map(_sentence, report.alarms.alarms) if told not in sentences]
    return [(sentence, sentence not in quiet) for sentence in sentences]


def list_ended_alarms(report: RunReport) -> list[str]:
    """Return a sentence for each alarm whose cause a run saw to be gone."""
    return [
        f"account {report.account_id}: over, after it began {alarm.since:%Y-%m-%d %H:%M} UTC: {alarm.cause.sentence}"
        for alarm in report.alarms.ended
    ]


def _sentence(alarm: Alarm) -> str:
    return alarm.cause.sentence
