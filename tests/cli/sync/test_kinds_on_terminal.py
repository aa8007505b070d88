from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.terminal import read_on_terminal

from hostaway_sync.cli.ui import reports, tables
from hostaway_sync.cli.ui.progress import Bars
from hostaway_sync.model.records import ChangeCounts, Mode, Resource, ResourceReport, RunReport, RunState
from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

FIRST = ["listings", "reservations", "conversations", "messages"]
OTHERS = [
    *("reviews", "tasks", "custom_fields", "cancellation_policies", "account_tax_settings", "owner_statements"),
    *("listing_fee_settings", "listing_tax_settings"),
]


def table_of(lines: list[str]) -> dict[str, list[str]]:
    """Return the cells of the table of counts by the first one; its head is under an empty name."""
    (head,) = [number for number, line in enumerate(lines) if line.split()[:2] == ["seen", "inserted"]]
    (end,) = [number for number, line in enumerate(lines) if "API calls" in line]
    return {"": lines[head].split(), **{line.split()[0]: line.split()[1:] for line in lines[head + 1 : end]}}


def test_table_of_counts_fits_80_columns(sync_env: Build) -> None:
    """A line for each kind that brought something; whole names, and no column of zeros but those with room."""
    env = sync_env(listings=3, reservations=60, conversations=False, switches=Switches(gate_403=("/tasks",)))
    for key in list(env.sandbox.world.objects("seasonal_rules")):
        env.sandbox.world.delete_object("seasonal_rules", key)
    names = ",".join([*OTHERS, "seasonal_rules"])
    lines = read_on_terminal(env, "sync", "70001", columns=80, RESOURCES=names)
    table = table_of(lines)
    assert max(len(line) for line in lines if line.split() and line.split()[0] in table) <= 80
    assert list(table) == ["", *FIRST, *(name for name in OTHERS if name != "tasks")]
    assert table[""] == ["seen", "inserted", "updated", "unchanged", "missing"]
    for kind in ("reviews", "listing_fee_settings"):
        ((rows,),) = sql.rows(env.database, f"SELECT count(*) FROM {kind}")
        assert table[kind] == [str(rows), str(rows), "0", "0", "0", "success"]
    lines = read_on_terminal(env, "sync", "70001", columns=80, RESOURCES=names)
    assert list(table_of(lines)) == ["", *FIRST]


def test_a_counted_oddity_keeps_its_column(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not zero is shown, however narrow the terminal is; a kind that failed has a line."""
    monkeypatch.setattr(tables, "width", lambda: 80)
    counts = ChangeCounts(seen=3, inserted=2, quarantined=1)
    parts: dict[str, ResourceReport] = {
        Resource.LISTINGS: ResourceReport(RunState.SUCCESS, ChangeCounts()),
        "cancellation_policies": ResourceReport(RunState.SUCCESS, counts),
        "seasonal_rules": ResourceReport(RunState.FAILED, ChangeCounts(), error="away"),
        "coupons": ResourceReport(RunState.SUCCESS, ChangeCounts()),
    }
    reports.print_report(RunReport(70001, Mode.FULL, RunState.PARTIAL, 3, 1.25, parts))
    table = table_of(capsys.readouterr().out.splitlines())
    assert table[""] == ["seen", "inserted", "updated", "unchanged", "quarantined"]
    assert list(table)[1:] == ["listings", "cancellation_policies", "seasonal_rules"]


def test_one_bar_shows_all_other_kinds() -> None:
    """Each takes a moment, and there are many; the first ones have a bar each."""
    with Bars() as bars:
        for name in ("listings", "reviews", "tasks"):
            bars.advance(70001, name, 1, 2)
        shown = [task.description for task in bars._progress.tasks]  # noqa: SLF001  (what the terminal shows)
    assert shown == ["70001 listings", "70001 others (tasks)"]
