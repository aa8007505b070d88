"""`hostaway-sync status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.status.words import styled_condition
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import AnyAccountId, Json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.text import Text

    from hostaway_sync.model.health import Health
    from hostaway_sync.model.status import AccountFacts, Overview
    from hostaway_sync.store.automations.states import Automation

_RUNS = 20


def status(
    account_id: AnyAccountId = None,
    *,
    size: Annotated[bool, typer.Option("--size", help="Show what takes space in the database instead.")] = False,
    json: Json = False,
) -> None:
    """Show the state of each account, and what is wrong.

    With ID, it shows one account in detail. An account is late when its last success began more than 26 hours ago.
    """
    from hostaway_sync.app.documents.database import size_document
    from hostaway_sync.app.documents.status import details_document, overview_document
    from hostaway_sync.cli.status import account as status_account
    from hostaway_sync.cli.status import size as status_size
    from hostaway_sync.model.health import assess_health

    if size:
        with open_mirror() as mirror:
            found = mirror.status.size()
        if json:
            terminal.print_json(size_document(found))
        else:
            status_size.print_size(found)
        return
    with open_mirror() as mirror:
        overview = mirror.status.overview(account_id)
        marks, history = mirror.status.history(account_id, runs=_RUNS) if account_id is not None else ({}, [])
        automations = mirror.automations.list_all() if account_id is None else []
    verdicts = [(facts, assess_health(facts, overview.now)) for facts in overview.accounts]
    if json:
        document = overview_document(overview, verdicts, automations)
        if account_id is not None:
            facts, _ = verdicts[0]
            document["accounts"][0] |= details_document(marks, history, facts.calendar, facts.kinds)
        terminal.print_json(document)
    elif account_id is not None:
        status_account.print_account(*verdicts[0], overview.now, marks, history)
        say_outage(overview)
        say_stall(overview)
        say_new_words(overview)
    elif verdicts:
        print_overview(overview, verdicts)
        say_automations(automations)
    else:
        terminal.echo("No accounts yet: add one with `hostaway-sync account add ID`.")


def print_overview(overview: Overview, verdicts: Sequence[tuple[AccountFacts, Health]]) -> None:
    """Print one line an account, and the sums of all."""
    from hostaway_sync.app.fleet.status_words import budget_words
    from hostaway_sync.cli.ui.tables import Column, Grid, print_paragraph
    from hostaway_sync.model.health import severity_rank

    ends = [
        Column(name, is_number=True, is_spare=name in {"rows", "calls"}) for name in ("live", "rows", "calls", "24 h")
    ]
    names = [Column("account"), Column("name", least=6, most=20)]
    grid = Grid([*names, *(Column(name) for name in ("state", "success", "verified")), *ends])
    for facts, health in verdicts:
        grid.add(
            _cells(facts, health, overview.now), note(facts, health, overview.now), severity_rank(health.condition)
        )
    grid.show()
    print_paragraph("")
    say_outage(overview)
    say_stall(overview)
    say_new_words(overview)
    print_paragraph(_sums([health for _, health in verdicts]))
    if overview.address is not None:
        print_paragraph(budget_words(overview.address, overview.now))


def say_outage(overview: Overview) -> None:
    """Print since when Hostaway is away; nothing when it is not."""
    from hostaway_sync.app.fleet.status_words import outage_words
    from hostaway_sync.cli.ui.tables import print_paragraph

    if words := outage_words(overview):
        print_paragraph(words)


def say_stall(overview: Overview) -> None:
    """Print for what the feed of changes waits; nothing when it does not."""
    from hostaway_sync.cli.ui.tables import print_paragraph
    from hostaway_sync.model.history.stall_sentences import advise_on_stall, describe_stall

    if overview.stall is not None:
        says = describe_stall(overview.stall, overview.now)
        print_paragraph(f"{says[0].upper()}{says[1:]}: {advise_on_stall(overview.stall)}")


def say_automations(automations: Sequence[Automation]) -> None:
    """Print how many automations there are, and what is wrong with each; nothing where there is none."""
    from hostaway_sync.cli.ui.tables import print_paragraph
    from hostaway_sync.model.health import format_count

    if not automations:
        return
    waiting = sum(one.waiting for one in automations)
    number, active = format_count(len(automations), "automation"), sum(one.is_active for one in automations)
    print_paragraph(f"{number}: {active} active, {format_count(waiting, 'event')} waiting")
    for one in automations:
        if one.disabled_reason is not None:
            print_paragraph(f"automation {one.name} was disabled: {one.disabled_reason}")
        elif one.is_active and one.failing_since is not None:
            print_paragraph(f"automation {one.name} fails since {one.failing_since:%Y-%m-%d %H:%M} UTC")


def say_new_words(overview: Overview) -> None:
    """Print the words that the views of `core` do not know; nothing when they know all."""
    from hostaway_sync.cli.ui.tables import print_paragraph
    from hostaway_sync.model.kinds.new_words import describe_new_words

    if overview.new_words:
        says = describe_new_words(overview.new_words)
        print_paragraph(f"{says[0].upper()}{says[1:]}")


def _cells(facts: AccountFacts, health: Health, now: datetime) -> list[Text | str]:
    from hostaway_sync.app.fleet.status_words import format_since

    live, total = sum(rows.live for rows in facts.rows.values()), sum(rows.total for rows in facts.rows.values())
    return [
        str(facts.account_id),
        facts.name or "",
        styled_condition(health.condition),
        format_since(facts.last_sync_at, now),
        format_since(health.verified_as_of, now),
        f"{live:,}",
        f"{total:,}",
        f"{facts.last_run.api_calls:,}" if facts.last_run else "",
        f"{facts.recent.calls:,}",
    ]


def note(facts: AccountFacts, health: Health, now: datetime) -> str:
    """Return what works on the account, what waits, and the worst of what is wrong."""
    from hostaway_sync.app.fleet.status_words import run_words, waiting_words

    worst, *more = health.problems or ("",)
    wrong = f"{worst} (and {len(more)} more)" if more else worst
    waiting = waiting_words(facts, now) if facts.deferred.deliveries else ""
    return "; ".join(words for words in (run_words(facts, now), waiting, wrong) if words)


def _sums(verdicts: Sequence[Health]) -> str:
    looks = sum(health.has_problems for health in verdicts)
    fine = [health.condition.value for health in verdicts if not health.has_problems]
    counted = {word: fine.count(word) for word in ("ok", "running", "disabled")}
    parts = [f"{number} {word}" for word, number in counted.items() if number or word == "ok"]
    if looks:
        parts.append(f"{looks} need{'s' if looks == 1 else ''} a look (`status ID` says more)")
    accounts = f"{len(verdicts)} account{'' if len(verdicts) == 1 else 's'}"
    return f"{accounts}: {', '.join(parts)}"
