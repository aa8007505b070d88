from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.cli.ui import output
from hostaway_sync.model.records import Mode, RunReport, RunState
from hostaway_sync.settings import load_settings
from hostaway_sync.store.accounts.queries import Account
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases
from hostaway_sync.sync.fleet import AccountOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def account(name: str) -> Account:
    """Give an account with a name."""
    now = datetime.now(UTC)
    return Account(70001, name, None, is_active=True, last_sync_at=None, created_at=now, updated_at=now)


@pytest.mark.parametrize("name", [":key: Villa", "[bold]Villa[/bold]", "[/]", "a\\[b]", "C:\\", "👩‍👩‍👧 Müller"])
def test_a_name_is_printed_as_it_was_typed(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Nothing in it is markup, wherever it stands."""
    output.print_accounts([account(name)])
    output.print_rows([name], [[name]])
    output.print_outcomes([AccountOutcome(70001, RunState.FAILED, None, name)])
    assert capsys.readouterr().out.count(name) == 4


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are left out."""
    output.print_accounts([account("a\x1b[31m\x9b2J\rb\nc\x00")])
    assert "a[31m2Jbc" in capsys.readouterr().out


def test_a_report_names_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says how the run ended."""
    output.print_report(RunReport(70001, Mode.FULL, RunState.PARTIAL, 3, 1.25, {}))
    assert capsys.readouterr().out.splitlines()[-1] == "account 70001: partial (full) in 1.2 s, 3 API calls"


@pytest.mark.usefixtures("own_logging")
def test_a_talkative_log_is_about_this_program() -> None:
    """What libraries have to say at INFO is not."""
    output.configure_logging(load_settings(log_level="DEBUG"))
    assert logging.getLogger("hostaway_sync.sync").isEnabledFor(logging.DEBUG)
    for library in ("alembic.runtime.migration", "httpx", "httpcore.http11"):
        assert not logging.getLogger(library).isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_in_the_log_shows_lines_and_no_variables(capsys: pytest.CaptureFixture[str], style: str) -> None:
    """Where a bug is must be seen in either style; what is in variables may be a secret."""
    output.configure_logging(load_settings(log_format=style))
    held = "variable".upper()
    try:
        _ = held.index("nowhere")
    except ValueError:
        logging.getLogger("hostaway_sync.queue").exception("a bug")
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "held.index(" in said
    assert held not in said


def test_a_dry_run_of_all_prints_its_table_to_a_pipe(sync_env: Build, program: Program) -> None:
    """It is asked for its table, as that of one account is."""
    env = sync_env()
    done = program(env, "sync-all", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "70001" in done.stdout
    assert "success" in done.stdout
    assert env.rows("reservations") == {}


def test_another_run_at_work_is_a_document_for_scripts(sync_env: Build, program: Program) -> None:
    """Exit 75 and silence on stderr, while --json says what was skipped."""
    env = sync_env()
    leases.acquire_lease(env.database, 70001, process_names.this_process())
    done = program(env, "sync", "70001", "--json")
    assert (done.returncode, done.stderr) == (75, "")
    document = json.loads(done.stdout)
    assert (document["state"], document["api_calls"]) == ("skipped", 0)
    assert not any(count for counts in document["resources"].values() for count in counts.values())
    done = program(env, "sync-all", "--json")
    assert (done.returncode, done.stderr) == (75, "")
    document = json.loads(done.stdout)
    assert (document["state"], document["failed"]) == ("skipped", [])
    assert [account["state"] for account in document["accounts"]] == ["skipped"]
