from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostaway_sync.doctor import checks
from hostaway_sync.doctor.causes import not_checked
from hostaway_sync.doctor.findings import (
    AccountCheck,
    AccountChecks,
    DiskSpace,
    Finding,
    Grade,
    Installation,
    KeyFacts,
    ProbeFacts,
    Schedule,
)
from hostaway_sync.errors import ConfigurationError, SchemaOutdated, StoreUnavailable
from hostaway_sync.model.circuit_breaker import Outage
from hostaway_sync.model.status import AccountFacts, BucketUsage, DatabaseServer, DeferredWork, Overview
from hostaway_sync.store.connection.pooler import POOLED_BY_TRANSACTION

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Installation("/srv/mirror", is_embedded=False, api_url="https://api.example.org/v1")
OURS = replace(HERE, is_embedded=True)
SERVER = DatabaseServer(
    170004, "0015", "0015", is_read_only=False, missing_rights=(), connections=12, max_connections=100
)
WELL = AccountFacts(1, "One", is_active=True, created_at=NOW, last_sync_at=NOW - timedelta(hours=3))
USE = BucketUsage("ip:here", 3, 200, timedelta(seconds=10))
OK, HINT, TROUBLE = Grade.OK, Grade.HINT, Grade.TROUBLE


def grades(found: Any) -> list[Grade]:
    """Return the grades of findings, in their order."""
    return [finding.grade for finding in found]


def said(found: Any) -> str:
    """Return everything that findings say and advise."""
    return "\n".join(f"{finding.says} {finding.advice}" for finding in found)


@pytest.mark.parametrize(
    ("changed", "installation", "expected", "words"),
    [
        ({}, HERE, [OK], "PostgreSQL 17, revision 0015, 12 of 100 connections"),
        ({}, OURS, [OK], "embedded PostgreSQL 17"),
        ({"revision": None}, HERE, [TROUBLE], "at revision none, this program needs 0015 run `hostaway-sync migrate`"),
        ({"revision": "0010"}, OURS, [TROUBLE], "any other command migrates it"),
        ({"revision": "0016"}, OURS, [TROUBLE], "install the newer program"),
        ({"revision": None}, OURS, [HINT], "`hostaway-sync account add ID` creates them"),
        ({"missing_rights": ("accounts: delete",)}, HERE, [TROUBLE], "missing on accounts: delete"),
        (
            {"missing_rights": ("accounts: delete",), "replaced_by_role": "other"},
            HERE,
            [TROUBLE],
            "to role 'other', which a setting `role`",
        ),
        ({"is_read_only": True}, HERE, [TROUBLE], "connect to the primary"),
        ({"connections": 81}, HERE, [HINT], "nearly full: 81 of 100"),
        ({"open_schemas": ("public",)}, HERE, [HINT, OK], 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC'),
        ({"open_schemas": ("hostaway",)}, HERE, [TROUBLE, OK], "in schema hostaway, and the worker would call them"),
    ],
)
def test_database_troubles_are_named_with_their_cure(
    changed: dict[str, Any], installation: Installation, expected: list[Grade], words: str
) -> None:
    """Rights, revision, a replica, and too many connections."""
    found = list(checks.check_database(replace(SERVER, **changed), installation))
    assert grades(found) == expected
    assert words in said(found)


@pytest.mark.parametrize(
    ("keys", "expected", "words"),
    [
        (KeyFacts("the file", 1), [OK], "1 key from the file"),
        (KeyFacts("the file", 1, 3), [OK], "3 sealed values"),
        (KeyFacts("the file", 2, 3), [HINT], "2 keys"),
        (KeyFacts("the file", 2, 3, lost=2), [TROUBLE], "2 sealed values do not open"),
        (KeyFacts("the file", 2, 3, lost=2, plain=1), [TROUBLE, TROUBLE], "1 secret is not sealed"),
        (KeyFacts("the file", 2, 3, plain=1), [TROUBLE, HINT], "1 secret is not sealed"),
        (KeyFacts("the file", 1, 3, plain=2), [TROUBLE], "2 secrets are not sealed"),
        (KeyFacts("nowhere", 0), [HINT], "`hostaway-sync account add ID` creates one"),
    ],
)
def test_lost_keys_are_trouble_and_unused_keys_a_hint(keys: KeyFacts, expected: list[Grade], words: str) -> None:
    """An unsealed secret is trouble, too."""
    found = list(checks.check_keys(keys))
    assert grades(found) == expected
    assert words in said(found)


@pytest.mark.parametrize(
    ("probed", "expected", "words"),
    [
        (ProbeFacts(403, 0.1), [OK, HINT], "answers in 100 ms"),
        (ProbeFacts(200, 0.1, timedelta(seconds=1)), [OK, OK], "within 1.0 s"),
        (ProbeFacts(429, 0.1, timedelta(0)), [HINT, OK], "the other programs of this address"),
        (ProbeFacts(503, 0.1, timedelta(0)), [TROUBLE, OK], "but with 503"),
        (ProbeFacts(403, 0.1, timedelta(seconds=-7), timedelta(0)), [OK, HINT], "this machine's clock is 7 s behind"),
        (ProbeFacts(403, 0.1, timedelta(0), timedelta(hours=2)), [OK, TROUBLE], "the database's clock is 2 h ahead of"),
    ],
)
def test_source_is_judged_by_its_answer_and_its_clock(probed: ProbeFacts, expected: list[Grade], words: str) -> None:
    """Any answer but a failure is good, and its time is compared with both clocks."""
    found = list(checks.check_source(probed, HERE))
    assert grades(found) == expected
    assert words in said(found)


def test_accounts_that_are_well_are_one_finding() -> None:
    """Each refused account is named with what to type, the others are counted."""
    proofs = AccountChecks(
        (
            AccountCheck(1),
            AccountCheck(2, "account 2: refused"),
            AccountCheck(3, "limited", is_for_now=True),
            AccountCheck(4),
        ),
        5,
    )
    found = list(checks.check_tokens(proofs))
    assert grades(found) == [TROUBLE, HINT, HINT, OK]
    assert found[0].account_id == 2
    assert "account update 2" in said(found)
    assert "5 accounts could not be asked" in said(found)
    assert "2 accounts may read" in said(found)


def test_missing_accounts_and_webhooks_are_no_trouble() -> None:
    """Without accounts there is no token to check, and without registrations no webhook."""
    assert said(checks.check_tokens(AccountChecks(()))) == "no active accounts None"
    assert grades(checks.check_webhooks(AccountChecks(()))) == [OK]
    assert grades(checks.check_tokens(AccountChecks((AccountCheck(1, "no"),)))) == [TROUBLE]


def test_unreachable_receiver_is_trouble() -> None:
    """A round trip that fails is named with its account."""
    (finding,) = checks.check_webhooks(AccountChecks((AccountCheck(7, "account 7's receiver is away"),)))
    assert (finding.grade, finding.account_id) == (TROUBLE, 7)
    assert "webhooks check 7" in str(finding.advice)


def overview(*accounts: AccountFacts, address: BucketUsage | None = USE) -> Overview:
    """Return the facts of the tables."""
    return Overview(NOW, accounts, address)


@pytest.mark.parametrize(
    ("known", "expected", "words"),
    [
        (overview(WELL), {"budget": OK, "queue": OK, "runs": OK}, "the oldest 3 h ago"),
        (overview(address=None), {"queue": OK, "runs": HINT}, "account add"),
        (overview(WELL, address=replace(USE, used=190)), {"budget": HINT, "queue": OK, "runs": OK}, "requests wait"),
        (
            overview(WELL, address=replace(USE, lowered_to=15, lowered_until=NOW + timedelta(hours=5))),
            {"budget": HINT, "queue": OK, "runs": OK},
            "lowered to 15 for another 5 h",
        ),
        (
            overview(replace(WELL, limit=replace(USE, silent_until=NOW + timedelta(seconds=9)))),
            {"budget": HINT, "queue": OK, "runs": OK},
            "silence for another 9 s",
        ),
        (
            overview(replace(WELL, deferred=DeferredWork(2, NOW - timedelta(hours=4)))),
            {"budget": OK, "queue": OK, "runs": OK},
            "2 deliveries waiting, the oldest for 4 h",
        ),
        (
            overview(replace(WELL, deferred=DeferredWork(1, NOW, 3, NOW - timedelta(hours=2)))),
            {"budget": OK, "queue": TROUBLE, "runs": OK},
            "no worker runs",
        ),
        (
            overview(replace(WELL, deferred=DeferredWork(1, NOW, 0, NOW - timedelta(hours=2), has_worker=True))),
            {"budget": OK, "queue": TROUBLE, "runs": OK},
            "start another",
        ),
        (
            overview(replace(WELL, deferred=DeferredWork(dead_letters=1))),
            {"budget": OK, "queue": HINT, "runs": OK},
            "1 dead letter waiting for you",
        ),
        (
            overview(replace(WELL, last_sync_at=NOW - timedelta(days=3))),
            {"budget": OK, "queue": OK, "runs": TROUBLE},
            "no success for 3 d",
        ),
        (overview(replace(WELL, is_active=False)), {"budget": OK, "queue": OK, "runs": HINT}, "no active account"),
    ],
)
def test_budget_queue_and_last_successes_are_judged(known: Overview, expected: dict[str, Grade], words: str) -> None:
    """Each has its finding, with the worst of them last in its check."""
    found = list(checks.check_tables(known))
    assert {finding.check: finding.grade for finding in found} == expected
    assert words in said(found)


@pytest.mark.parametrize(
    ("free", "is_writable", "installation", "expected"),
    [
        (50, True, OURS, [OK]),
        (50, None, HERE, [OK]),
        (1, True, OURS, [HINT]),
        (1, True, HERE, [OK]),
        (0.1, True, HERE, [TROUBLE]),
        (50, False, HERE, [TROUBLE]),
        (0.1, False, OURS, [TROUBLE, TROUBLE]),
    ],
)
def test_disk_space_is_judged(
    free: float,
    is_writable: bool | None,  # noqa: FBT001  (a case)
    installation: Installation,
    expected: list[Grade],
) -> None:
    """Little space is a hint where the database is, no space is trouble, and so is another user's directory."""
    space = DiskSpace("/srv/mirror", int(free * checks.GIB), 100 * checks.GIB, is_writable)
    assert grades(checks.check_disk(space, installation)) == expected


def test_missing_schedule_is_a_hint() -> None:
    """Another machine may start the runs, so that a crontab without our line is no trouble."""
    assert grades(checks.check_schedule(Schedule(("/etc/cron.d/mirror",)))) == [OK]
    assert grades(checks.check_schedule(Schedule(()))) == [HINT]
    assert "(not readable: /etc/cron.d/x)" in said(checks.check_schedule(Schedule((), ("/etc/cron.d/x",))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/5 * * * * root hostaway-sync sync-all", True),
        ("ExecStart=/opt/venv/bin/hostaway-sync sync 70001", True),
        ("* * * * * python -m hostaway_sync sync-all", True),
        ("# */5 * * * * hostaway-sync sync-all", False),
        ("; hostaway-sync sync-all", False),
        ("* * * * * hostaway-sync worker --drain", False),
        ("", False),
    ],
)
def test_crontab_lines_that_start_runs_are_recognized(text: str, expected: bool) -> None:  # noqa: FBT001  (a case)
    """A comment starts no run, and neither does a command that only works off a queue."""
    assert checks.starts_runs(text) is expected


@pytest.mark.parametrize(
    ("error", "says", "advice"),
    [
        (TimeoutError(), "no answer within seconds", "start it"),
        (StoreUnavailable("the database is not available"), "the database is not available", "start it"),
        (ConfigurationError(POOLED_BY_TRANSACTION), POOLED_BY_TRANSACTION, None),
        (SchemaOutdated("run `hostaway-sync migrate`"), "run `hostaway-sync migrate`", None),
    ],
)
def test_configuration_errors_keep_their_own_advice(error: Exception, says: str, advice: str | None) -> None:
    """A pooler that mixes sessions does run: advice to start it would not help."""
    assert checks.failed_check("database", error, "start it") == Finding("database", TROUBLE, says, advice)


def test_worst_findings_come_first() -> None:
    """Findings are sorted by grade, and otherwise keep their order."""
    found = [Finding("a", OK, ""), not_checked("b", "c"), checks.failed_check("d", OSError("e")), Finding("f", OK, "")]
    assert [finding.check for finding in checks.sort_by_grade(found)] == ["d", "b", "a", "f"]


def test_open_circuit_breaker_is_trouble() -> None:
    """Runs end at once meanwhile, and doctor says since when; single failures are no finding."""
    failing = Outage(3, NOW, NOW, "it answered 503")
    away = replace(failing, away_since=NOW - timedelta(minutes=9), probe_at=NOW)
    assert "source" not in [one.check for one in checks.check_tables(replace(overview(WELL), outage=failing))]
    first, *_ = checks.check_tables(replace(overview(WELL), outage=away))
    assert (first.check, first.grade) == ("source", TROUBLE)
    assert "has not answered since 9 min ago: it answered 503" in first.says


def test_env_file_that_every_user_may_read_is_a_hint() -> None:
    """It is read all the same: it may hold no secret."""
    installation = Installation("/data", is_embedded=True, api_url="", files=(("/a/.env", 0o644), ("/b/key", 0o640)))
    (finding,) = checks.check_files(installation)
    assert finding.grade is HINT
    assert "/a/.env" in finding.says
    assert finding.advice == "`chmod o-r /a/.env`, if a secret is in it"
