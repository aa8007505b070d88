"""What `status ID` shows: one account in detail, its resources, its last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.app.fleet.status_words import calendar_words, kind_words, run_words, waiting_words
from hostaway_sync.cli.status.words import styled_condition
from hostaway_sync.cli.ui import tables, terminal
from hostaway_sync.cli.ui.tables import Column, Grid, print_paragraph
from hostaway_sync.model.health import format_age, format_ago, format_count
from hostaway_sync.model.records import OBJECTS, Mark, Resource
from hostaway_sync.model.status import RowCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hostaway_sync.model.health import Health
    from hostaway_sync.model.kinds.facts import KindFacts
    from hostaway_sync.model.run_history import RunDetail
    from hostaway_sync.model.status import AccountFacts


def print_account(
    facts: AccountFacts, health: Health, now: datetime, marks: Mapping[Resource, Mark], history: Sequence[RunDetail]
) -> None:
    """Print everything about one account."""
    account = f"account {facts.account_id} {facts.name or ''}".rstrip()
    print_paragraph(terminal.plain_text(f"{account}: ") + styled_condition(health.condition))
    for words in health.problems:
        print_paragraph(f"  {words}")
    print_paragraph("")
    for name, words in _lines(facts, health, now):
        print_paragraph(f"{name:<16}{words}")
    print_paragraph("")
    _print_resources(facts, marks)
    if facts.kinds:
        print_paragraph("")
        _print_kinds(facts.kinds, now)
    if history:
        print_paragraph("")
        _print_history(history)


def _lines(facts: AccountFacts, health: Health, now: datetime) -> list[tuple[str, str]]:
    certificate, lease, quarantine, limit = facts.certificate, facts.lease, facts.quarantine, facts.limit
    deferred = facts.deferred
    lines = [
        ("last success", _moment(facts.last_sync_at, now)),
        ("verified as of", _moment(health.verified_as_of, now)),
        ("last verify", "never"),
        (
            "calls",
            f"{facts.last_run.api_calls if facts.last_run else 0:,} in the last run, {facts.recent.calls:,} in 24 h",
        ),
    ]
    if certificate is not None:
        found = (
            "equal"
            if certificate.is_equal
            else f"{certificate.differences:,} differences, {certificate.late:,} of them late"
        )
        deep = ", every thread read" if certificate.is_deep else ""
        lines[2] = ("last verify", f"{_moment(certificate.verified_at, now)}: {found}{deep}")
    if facts.calendar is not None:
        lines.append(("calendars", calendar_words(facts.calendar, now)))
    if lease is not None:
        held = f"lease until {lease.expires_at:%H:%M:%S} UTC"
        lines.append(("running", f"{run_words(facts, now)}; on {lease.host}, {held}"))
    if deferred.deliveries or deferred.dead_letters:
        lines.append(
            ("deliveries", f"{waiting_words(facts, now)}; {format_count(deferred.dead_letters, 'dead letter')}")
        )
    if (letters := facts.messages).queued:
        until = (
            f", {letters.resting:,} until {letters.resting_until:%Y-%m-%d %H:%M} UTC" if letters.resting_until else ""
        )
        lines.append(("messages", f"{letters.queued:,} waiting for a worker{until}"))
    if quarantine.rowless or quarantine.cleaned:
        lines.append(("quarantined", f"{quarantine.rowless:,} without a row, {quarantine.cleaned:,} stored cleaned"))
    if limit is not None:
        window = f"{limit.window.total_seconds():g} s"
        lines.append(("budget", f"{limit.used:,} of {limit.limit:,} requests in the last {window}"))
    return lines


def _print_resources(facts: AccountFacts, marks: Mapping[Resource, Mark]) -> None:
    numbers = [Column(name, is_number=True) for name in ("live", "missing", "all")]
    ends = [Column("watermark (UTC)"), Column("swept (UTC)"), Column("threads due", is_number=True)]
    grid = Grid([Column("resource"), *numbers, *ends])
    for resource in OBJECTS:
        rows, mark = facts.rows.get(resource, RowCounts()), marks.get(resource, Mark(None, None))
        due = facts.due.get(resource)
        counts = (f"{number:,}" for number in (rows.live, rows.missing, rows.total))
        grid.add(
            [
                resource.value,
                *counts,
                *map(_stamp, (mark.watermark_at, mark.swept_at)),
                f"{due.threads:,}" if due else "",
            ]
        )
    grid.show()


def _print_kinds(kinds: Sequence[KindFacts], now: datetime) -> None:
    """Print a line for each of the other kinds that has rows, and one for all that have none and are well."""
    numbers = [Column(name, is_number=True) for name in ("live", "missing")]
    times = [Column("read (UTC)"), Column("due (UTC)", is_spare=True)]
    grid = Grid([Column("other resource", least=14), *numbers, *times], is_brief=False)
    empty: list[str] = []
    for facts in kinds:
        note = kind_words(facts, now)
        if not note and not facts.live and not facts.missing:
            empty.append(facts.kind.name)
            continue
        counts = (f"{number:,}" for number in (facts.live, facts.missing))
        grid.add([facts.kind.name, *counts, *map(_stamp, (facts.oldest_read_at, facts.due_at))], note)
    if grid.rows:
        grid.show()
    if empty:
        print_paragraph(f"read, and empty: {', '.join(empty)}")


def _print_history(history: Sequence[RunDetail]) -> None:
    numbers = [Column(name, is_number=True) for name in ("took", "calls", "inserted", "updated", "missing")]
    grid = Grid([Column("run (UTC)"), Column("mode"), Column("state"), *numbers], is_brief=False)
    for run, parts in ((chapter.run, chapter.parts.values()) for chapter in history):
        begun = run.started_at or run.triggered_at
        sums = (sum(getattr(part.counts, name) for part in parts) for name in ("inserted", "updated", "missing"))
        grid.add(
            [
                f"{begun:%Y-%m-%d %H:%M}",
                run.mode.value,
                tables.styled_state(run.state),
                format_age(run.finished_at - begun) if run.finished_at else "",
                f"{run.api_calls:,}",
                *(f"{number:,}" for number in sums),
            ],
            run.error or "",
        )
    grid.show()


def _stamp(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _moment(moment: datetime | None, now: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC, {format_ago(moment, now)}" if moment else "never"
