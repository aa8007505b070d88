"""What the program prints of runs, accounts and queries."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hostaway_sync.cli.ui import reports
from hostaway_sync.model.records import Mode, RunReport, RunState
from hostaway_sync.store.accounts.queries import Account
from hostaway_sync.sync.fleet import AccountOutcome


def account(name: str) -> Account:
    """Return an account with a name."""
    now = datetime.now(UTC)
    return Account(70001, name, None, is_active=True, last_sync_at=None, created_at=now, updated_at=now)


@pytest.mark.parametrize("name", [":key: Villa", "[bold]Villa[/bold]", "[/]", "a\\[b]", "C:\\", "👩‍👩‍👧 Müller"])
def test_account_name_is_printed_without_markup(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """No part of it is read as markup, in any report."""
    reports.print_accounts([account(name)])
    reports.print_rows([name], [[name]])
    reports.print_outcomes([AccountOutcome(70001, RunState.FAILED, None, name)])
    assert capsys.readouterr().out.count(name) == 4


def test_account_name_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are left out."""
    reports.print_accounts([account("a\x1b[31m\x9b2J\rb\nc\x00")])
    assert "a[31m2Jbc" in capsys.readouterr().out


def test_report_ends_with_the_state_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line has it."""
    reports.print_report(RunReport(70001, Mode.FULL, RunState.PARTIAL, 3, 1.25, {}))
    assert capsys.readouterr().out.splitlines()[-1] == "account 70001: partial (full) in 1.2 s, 3 API calls"
