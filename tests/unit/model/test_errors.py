from __future__ import annotations

import re
from datetime import timedelta

import hostaway_sync.errors as errors_module
from hostaway_sync.errors import AccountError, AutomationError, HostawaySyncError, RateLimited, RunIncomplete


def tree(error: type[HostawaySyncError], depth: int = 0) -> list[tuple[int, str, str, int]]:
    """Return an error and all its subclasses: depth, name, advice and exit code."""
    below = [line for child in error.__subclasses__() for line in tree(child, depth + 1)]
    return [(depth, error.__name__, error.advice.value, error.exit_code), *below]


def test_docstring_shows_every_error() -> None:
    """The docstring names every error at its place, with what to do and the exit code it has."""
    drawing = re.compile(r"^([│├└─ ]*)(\w+) +(retry|snooze|skip|permanent) +(\d+)", re.MULTILINE)
    drawn = drawing.findall(errors_module.__doc__ or "")
    actual = {(depth, name, advice, code) for depth, name, advice, code in tree(HostawaySyncError)}
    assert len(drawn) > 15
    assert {(len(branch) // 4, name, advice, int(code)) for branch, name, advice, code in drawn} <= actual
    names = re.findall(r"^[│├└─ ]*(\w+Error|[A-Z][a-z]+[A-Z]\w+|Forbidden)", errors_module.__doc__ or "", re.MULTILINE)
    assert set(names) == {name for _, name, _, _ in actual}


def test_errors_use_only_the_documented_exit_codes() -> None:
    """1 failure, 2 usage, 75 held, 78 settings; no error ends the program with another code."""
    assert {code for _, _, _, code in tree(HostawaySyncError)} == {1, 2, 75, 78}


def test_rate_limited_holds_the_values_of_the_answer() -> None:
    """Time, limit and scope are None if the answer does not have them."""
    silent = RateLimited("slow down")
    assert (silent.retry_in, silent.limit, silent.scope) == (None, None, None)
    told = RateLimited("slow down", retry_in=timedelta(seconds=3), limit=15, scope="ip")
    assert (str(told), told.retry_in, told.limit, told.scope) == ("slow down", timedelta(seconds=3), 15, "ip")


def test_errors_of_accounts_say_what_to_type() -> None:
    """The command has the id, so that it can be copied."""
    assert "70001 exists already: `hostaway-sync sync 70001`" in str(AccountError.exists(70001))
    assert "70001 is not known here: add it with `hostaway-sync account add 70001`" in str(AccountError.unknown(70001))
    assert "70001 was removed: `hostaway-sync account add 70001`" in str(AccountError.removed(70001))
    assert "70001 is disabled: `hostaway-sync account enable 70001`" in str(AccountError.disabled(70001))


def test_incomplete_run_reports_new_problems_only() -> None:
    """All of its message, a part of it, or nothing; on one line and without private values."""
    told = RunIncomplete("account 7:\nmail a@example.org")
    assert (str(told), told.unreported) == ("account 7: mail [hidden]", "account 7: mail [hidden]")
    assert RunIncomplete("a; b", unreported="b").unreported == "b"
    assert RunIncomplete("a; b", is_reported=True, unreported="b").unreported is None


def test_errors_of_automations_say_what_to_type() -> None:
    """With the name as it was given."""
    assert str(AutomationError.exists("n8n")) == (
        "there is an automation 'n8n' already: remove it first, or choose another name"
    )
    assert str(AutomationError.unknown("n8n")) == (
        "there is no automation 'n8n': `hostaway-sync automation list` shows all"
    )
