"""`hostaway-sync sync` and `sync-all`."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hostaway_sync.app.documents.runs import (
    enqueued_document,
    fleet_document,
    report_document,
    skipped_report_document,
)
from hostaway_sync.app.resources import list_names
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.monitoring import reported
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.explain import Explanation
from hostaway_sync.cli.ui.options import (
    AcceptMissing,
    AccountId,
    DryRun,
    Enqueue,
    Full,
    Json,
    Textfile,
    shown_text,
)
from hostaway_sync.cli.ui.progress import show_progress
from hostaway_sync.errors import HostawaySyncError, LeaseHeld, RunIncomplete, UsageError
from hostaway_sync.model.records import RunState
from hostaway_sync.sync.reporting.outcome import derive_outcome, list_ended_alarms, list_failures

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.records import RunReport
    from hostaway_sync.sync.fleet import AccountOutcome


log = logging.getLogger(__name__)


def read_resource(text: str) -> str:
    """Read the name of a resource."""
    if text in list_names():
        return text
    raise typer.BadParameter(f"{shown_text(text)} is no resource: there are {', '.join(list_names())}")


def sync(
    account_id: AccountId,
    *,
    full: Full = False,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", parser=read_resource, help="Read only this resource, such as reviews; may be repeated."
        ),
    ] = None,
    accept_missing: AcceptMissing = False,
    dry_run: DryRun = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show each API call, and why it was made.")] = False,
    metrics_textfile: Textfile = None,
    json: Json = False,
) -> None:
    """Mirror one account.

    It reads what changed since the last run; on the first run, about once a day, and with --full it reads everything.
    """
    with reported(textfile=metrics_textfile, pings=not dry_run) as run:
        report = mirror_one(
            run.mirror,
            account_id,
            resource or (),
            full=full,
            accept_missing=accept_missing,
            dry_run=dry_run,
            explanation=Explanation(prints=not json) if explain else None,
            json=json,
        )
        run.summary = f"account {account_id}: {_sentence([report])}"


def sync_all(
    *,
    full: Full = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=32, metavar="N", help="Sync so many accounts at once; default: 4.")
    ] = None,
    jitter: Annotated[
        float,
        typer.Option(
            min=0, max=3600, metavar="S", help="Wait a random time of up to S seconds first, to spread many machines."
        ),
    ] = 0,
    dry_run: DryRun = False,
    enqueue: Enqueue = False,
    no_drain: Annotated[
        bool, typer.Option("--no-drain", help="Leave it to a worker to tell automations what changed.")
    ] = False,
    metrics_textfile: Textfile = None,
    json: Json = False,
) -> None:
    """Mirror every active account, short runs first.

    An account that fails is tried once more at the end, and stops no other. Several machines with one database share
    the accounts: one that another machine works on, or has mirrored meanwhile, is skipped. At the end automations are
    told of what changed, for half a minute at most.
    """
    if enqueue and (dry_run or jitter or jobs is not None):
        raise UsageError("--enqueue takes only --full and --json beside it: workers decide how many accounts they sync")
    with reported(textfile=metrics_textfile, pings=not dry_run) as run:
        if enqueue:
            run.summary = _enqueue_all(run.mirror, full=full, json=json)
            return
        with show_progress(fleet=True) as progress:
            outcomes = run.mirror.sync.run_all(
                full=full, dry_run=dry_run, jobs=jobs, jitter=timedelta(seconds=jitter), progress=progress
            )
        if not (dry_run or no_drain):
            _tell_automations(run.mirror)
        _print_outcomes(outcomes, json=json, shown=dry_run)
        _say_endings(outcome.report for outcome in outcomes)
        _require_all_whole(_failed(outcomes))
        if _fleet_state(outcomes) is RunState.SKIPPED:
            raise LeaseHeld("every account is being synced by another run")
        reports = [outcome.report for outcome in outcomes if outcome.report]
        run.summary = f"{len(outcomes)} accounts, {len(outcomes) - len(reports)} skipped: {_sentence(reports)}"


def _tell_automations(mirror: Mirror) -> None:
    """Tell automations of what changed; what goes wrong fails no run, because a later one goes on with it."""
    try:
        if not mirror.automations.drain():
            log.info("automations: not all could be told in time; a worker or the next run goes on")
    except HostawaySyncError as error:
        log.warning("automations: what changed is told later: %s", error)


def _print_outcomes(outcomes: Sequence[AccountOutcome], *, json: bool, shown: bool) -> None:
    if json:
        terminal.print_json(fleet_document(_fleet_state(outcomes), _failed(outcomes), outcomes))
    elif outcomes and (terminal.is_terminal() or shown):
        reports.print_outcomes(outcomes)
    elif terminal.is_terminal():
        terminal.echo("Every account is disabled: nothing was mirrored.")


def _failed(outcomes: Sequence[AccountOutcome]) -> list[AccountOutcome]:
    return [outcome for outcome in outcomes if outcome.state not in {RunState.SUCCESS, RunState.SKIPPED}]


def _require_all_whole(failed: Sequence[AccountOutcome]) -> None:
    """Fail with a sentence an account, and one for all accounts that could not be reached."""
    if not failed:
        return
    lost = [outcome for outcome in failed if outcome.away]
    if lost:
        accounts = "1 account was" if len(lost) == 1 else f"{len(lost)} accounts were"
        said = [f"{accounts} not mirrored: {lost[-1].away}"]
    else:
        said = []
    news = [*said]
    for ended in failed:
        if not ended.away:
            wrong = _wrong(ended)
            said += [f"account {ended.account_id}: {sentence}" for sentence, _ in wrong]
            news += [f"account {ended.account_id}: {sentence}" for sentence, is_news in wrong if is_news]
    raise RunIncomplete("; ".join(said), is_reported=not news, unreported="; ".join(news))


def _wrong(ended: AccountOutcome) -> list[tuple[str, bool]]:
    wrong = list_failures(ended.report) if ended.report else []
    return wrong or [(str(ended.error), True)]


def _say_endings(reports: Iterable[RunReport | None]) -> None:
    for report in reports:
        for sentence in list_ended_alarms(report) if report else ():
            streams.print_notice(sentence)


def _sentence(reports: Sequence[RunReport]) -> str:
    """Say in a few words what runs did that went well."""
    parts = [part.counts for report in reports for part in report.resources.values()]
    changed = sum(part.inserted + part.updated for part in parts)
    return f"{changed} rows changed, {sum(report.api_calls for report in reports)} API calls"


def _enqueue_all(mirror: Mirror, *, full: bool, json: bool) -> str:
    enqueued = mirror.jobs.enqueue_syncs(full=full)
    if json:
        terminal.print_json(enqueued_document(enqueued))
    elif terminal.is_terminal():
        none_runs = "" if mirror.jobs.has_worker() else ", and no worker runs now"
        terminal.echo(f"{len(enqueued)} accounts wait to be synced by `hostaway-sync worker`{none_runs}.")
    standing = {number: alarms for number, alarms in mirror.status.alarms().items() if number in enqueued}
    if standing:
        said = [f"account {number}: {alarm.cause.sentence}" for number in standing for alarm in standing[number]]
        # The worker that ran into it has told it; a monitor and an exit code say it as long as it stands.
        raise RunIncomplete("; ".join(said), is_reported=True)
    return f"{len(enqueued)} accounts were put into the queue"


def mirror_one(
    mirror: Mirror,
    account_id: int,
    resources: Collection[str] = (),
    *,
    full: bool = False,
    accept_missing: bool = False,
    dry_run: bool = False,
    explanation: Explanation | None = None,
    json: bool = False,
    shown: bool = False,
) -> RunReport:
    """Mirror one account, print what came of it, and give it; `shown` prints it to whom did not ask for it, too.

    Raises:
        RunIncomplete: it was not whole.
        LeaseHeld: another run works on it.
    """
    try:
        # Bars and the lines of an explanation would write over each other.
        with show_progress() if explanation is None else nullcontext() as progress:
            report = mirror.sync.run(
                account_id,
                resources=resources,
                full=full,
                accept_missing=accept_missing,
                dry_run=dry_run,
                force_probe=terminal.is_terminal(),
                progress=progress,
                observe=explanation,
            )
    except LeaseHeld:
        if json:
            _print_document(skipped_report_document(account_id), explanation)
        raise
    if json:
        _print_document(report_document(report), explanation)
    elif terminal.is_terminal() or dry_run or shown or explanation is not None:
        if explanation is not None:
            explanation.print_summary()
        reports.print_report(report)
    _say_endings([report])
    _require_whole(report)
    return report


def _print_document(report: dict[str, Any], explanation: Explanation | None) -> None:
    calls = {} if explanation is None else {"calls": explanation.document()}
    terminal.print_json({**report, **calls})


def _require_whole(report: RunReport) -> None:
    if derive_outcome(report) is RunState.SUCCESS:
        return
    wrong = list_failures(report) or [(str(report.error), True)]
    account, news = f"account {report.account_id}: ", "; ".join(sentence for sentence, is_news in wrong if is_news)
    said = account + "; ".join(sentence for sentence, _ in wrong)
    raise RunIncomplete(said, is_reported=not news, unreported=account + news)


def _fleet_state(outcomes: Sequence[AccountOutcome]) -> RunState:
    if outcomes and all(outcome.is_held for outcome in outcomes):
        return RunState.SKIPPED
    states = {outcome.state for outcome in outcomes}
    if states <= {RunState.SUCCESS, RunState.SKIPPED}:
        return RunState.SUCCESS
    return RunState.PARTIAL if states & {RunState.SUCCESS, RunState.SKIPPED} else RunState.FAILED
