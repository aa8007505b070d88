"""`hostaway-sync sync` and `sync-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli import output
from hostaway_sync.cli.arguments import AcceptMissing, AccountId, DryRun, Full, Json
from hostaway_sync.cli.opening import open_mirror
from hostaway_sync.errors import LeaseHeld, RunIncomplete
from hostaway_sync.records import Resource, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.mirror import Mirror
    from hostaway_sync.records import RunReport
    from hostaway_sync.sync.fleet import AccountOutcome


def sync(
    account_id: AccountId,
    *,
    full: Full = False,
    resource: Annotated[list[Resource] | None, typer.Option(help="Only this resource; may be repeated.")] = None,
    accept_missing: AcceptMissing = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Mirror one account.

    Reads what changed since the last run; everything on the first run, about once a day, and with --full.
    """
    with open_mirror() as mirror:
        resources = tuple(resource) if resource else tuple(Resource)
        mirror_one(mirror, account_id, resources, full=full, accept_missing=accept_missing, dry_run=dry_run, json=json)


def sync_all(*, full: Full = False, dry_run: DryRun = False, json: Json = False) -> None:
    """Mirror every active account.

    One that fails is tried once more at the end; none keeps the others from theirs.
    """
    with open_mirror() as mirror, output.watched() as progress:
        outcomes = mirror.sync_all(full=full, dry_run=dry_run, progress=progress)
    failed = [outcome for outcome in outcomes if outcome.state not in {RunState.SUCCESS, RunState.SKIPPED}]
    if json:
        output.print_json(
            {
                "state": _fleet_state(outcomes).value,
                "failed": [outcome.account_id for outcome in failed],
                "accounts": [output.outcome_document(outcome) for outcome in outcomes],
            }
        )
    elif outcomes and (output.is_terminal() or dry_run):
        output.print_outcomes(outcomes)
    elif output.is_terminal():
        typer.echo("No accounts yet: add one with `hostaway-sync account add ID`.")
    if failed:
        raise RunIncomplete("; ".join(f"account {outcome.account_id}: {outcome.error}" for outcome in failed))
    if _fleet_state(outcomes) is RunState.SKIPPED:
        raise LeaseHeld("every account is being synced by another run")


def mirror_one(
    mirror: Mirror,
    account_id: int,
    resources: tuple[Resource, ...] = tuple(Resource),
    *,
    full: bool = False,
    accept_missing: bool = False,
    dry_run: bool = False,
    json: bool = False,
    shown: bool = False,
) -> None:
    """Mirror one account and print what came of it; `shown` prints it to whom did not ask for it, too.

    Raises:
        RunIncomplete: it was not whole.
        LeaseHeld: another run works on it.
    """
    try:
        with output.watched() as progress:
            report = mirror.sync(
                account_id,
                resources=resources,
                full=full,
                accept_missing=accept_missing,
                dry_run=dry_run,
                progress=progress,
            )
    except LeaseHeld:
        if json:
            output.print_json(output.report_document(output.empty_report(account_id, RunState.SKIPPED)))
        raise
    if json:
        output.print_json(output.report_document(report))
    elif output.is_terminal() or dry_run or shown:
        output.print_report(report)
    _require_whole(report)


def _require_whole(report: RunReport) -> None:
    if report.state is not RunState.SUCCESS:
        raise RunIncomplete(f"account {report.account_id}: {report.error}")


def _fleet_state(outcomes: Sequence[AccountOutcome]) -> RunState:
    states = {outcome.state for outcome in outcomes}
    if states == {RunState.SKIPPED}:
        return RunState.SKIPPED
    if states <= {RunState.SUCCESS, RunState.SKIPPED}:
        return RunState.SUCCESS
    return RunState.PARTIAL if states & {RunState.SUCCESS, RunState.SKIPPED} else RunState.FAILED
