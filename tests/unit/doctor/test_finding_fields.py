"""Name, subject, sentence and advice of each finding: an operator reads all of it, a script the name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.doctor import checks
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
from hostaway_sync.model.circuit_breaker import Outage
from hostaway_sync.model.health import UNWORKED_AFTER
from hostaway_sync.model.status import (
    AccountFacts,
    BucketUsage,
    DatabaseServer,
    DeferredWork,
    MessageBacklog,
    Overview,
)
from hostaway_sync.model.timestamps import FutureMarks, FutureMarksReport

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HERE = Installation("/srv/mirror", is_embedded=False, api_url="https://api.example.org/v1")
OURS = replace(HERE, is_embedded=True)
SERVER = DatabaseServer(
    170004, "0015", "0015", is_read_only=False, missing_rights=(), connections=12, max_connections=100
)
WELL = AccountFacts(1, "One", is_active=True, created_at=NOW, last_sync_at=NOW - timedelta(hours=3))
USE = BucketUsage("ip:here", 3, 200, timedelta(seconds=10))
OK, HINT, TROUBLE = Grade.OK, Grade.HINT, Grade.TROUBLE


def require(found: Iterable[Finding], *expected: tuple[str, Grade, str, str | None, int | None]) -> None:
    """Compare findings: name, grade, the whole sentence, a part of the advice, account."""
    findings = list(found)
    assert [(one.check, one.grade, one.says, one.account_id) for one in findings] == [
        (check, grade, says, account) for check, grade, says, _, account in expected
    ]
    for finding, (*_, advice, _) in zip(findings, expected, strict=True):
        assert (finding.advice is None) == (advice is None)
        assert (advice or "") in (finding.advice or "")


def overview(*accounts: AccountFacts, address: BucketUsage | None = None) -> Overview:
    """Return the facts of the tables."""
    return Overview(NOW, accounts, address)


def of_check(name: str, known: Overview) -> list[Finding]:
    """Return the findings of one check of the tables."""
    return [one for one in checks.check_tables(known) if one.check == name]


def test_database_findings_name_server_and_cure() -> None:
    """The eighty-first connection of a hundred is crowded, the eightieth is not."""
    used = "connections in use"
    well = ("database", OK, f"PostgreSQL 17, revision 0015, 80 of 100 {used}", None, None)
    require(checks.check_database(replace(SERVER, connections=80), HERE), well)
    crowded = ("database", HINT, f"it is nearly full: 81 of 100 {used}", "raise max_connections", None)
    require(checks.check_database(replace(SERVER, connections=81), HERE), crowded)
    empty = ("database", HINT, "there are no tables yet", "account add ID", None)
    require(checks.check_database(replace(SERVER, revision=None), OURS), empty)


def test_key_findings_name_numbers_and_cure() -> None:
    """A sealed value that does not open, one that is not sealed, and keys left over."""
    require(checks.check_keys(KeyFacts("the file", 1)), ("key ring", OK, "1 key from the file", None, None))
    require(
        checks.check_keys(KeyFacts("the file", 2, 3, lost=1)),
        ("key ring", TROUBLE, "1 sealed value does not open with the keys there are", "keys status", None),
    )
    require(
        checks.check_keys(KeyFacts("the file", 2, 3, lost=2, plain=2)),
        ("key ring", TROUBLE, "2 sealed values do not open with the keys there are", "restore the missing key", None),
        ("key ring", TROUBLE, "2 secrets are not sealed", "keys rotate", None),
    )
    require(
        checks.check_keys(KeyFacts("the file", 2, 3)),
        ("key ring", HINT, "2 keys from the file", "remove the old ones", None),
    )
    none = ("key ring", HINT, "there is no key yet, and nothing is sealed", "account add ID", None)
    require(checks.check_keys(KeyFacts("nowhere", 0)), none)


@pytest.mark.parametrize(
    ("status", "grade", "ending", "advice"),
    [
        (200, OK, "", None),
        (401, OK, "", None),
        (300, TROUBLE, ", but with 300", "HOSTAWAY_SYNC_API_URL"),
        (429, HINT, ": too many requests (429)", "other programs"),
        (503, TROUBLE, ", but with 503", "HOSTAWAY_SYNC_API_URL"),
    ],
)
def test_source_findings_tell_address_and_time(status: int, grade: Grade, ending: str, advice: str | None) -> None:
    """A redirect counts as a failure: another program may have this address."""
    says = f"https://api.example.org/v1 answers in 100 ms{ending}"
    clock = ("clock", HINT, "the source's answer names no time to compare ours with", None, None)
    require(checks.check_source(ProbeFacts(status, 0.1), HERE), ("source", grade, says, advice, None), clock)


@pytest.mark.parametrize(
    ("ahead", "grade", "says"),
    [
        (5 * SECOND, OK, "within 5.0 s of the source's"),
        (6 * SECOND, HINT, "this machine's clock is 6 s ahead of the source's"),
        (-60 * SECOND, HINT, "this machine's clock is 60 s behind the source's"),
        (-61 * SECOND, TROUBLE, "this machine's clock is 61 s behind the source's"),
    ],
)
def test_clock_findings_tell_direction_and_size(ahead: timedelta, grade: Grade, says: str) -> None:
    """Five seconds are no trouble, and a minute is still only a hint."""
    _, *found = checks.check_source(ProbeFacts(200, 0.1, ahead), HERE)
    require(found, ("clock", grade, says, None if grade is OK else "chrony", None))


def test_account_findings_count_others_with_the_same_cause() -> None:
    """One account is named, with what to type; several with one cause are one finding that names no account."""
    alone = AccountChecks((AccountCheck(7, "account 7: refused"),))
    require(checks.check_tokens(alone), ("token", TROUBLE, "account 7: refused", "account update 7", 7))
    many = AccountChecks(tuple(AccountCheck(number, "the source is away", cause="source") for number in (7, 8, 9)))
    require(checks.check_tokens(many), ("token", TROUBLE, "the source is away; 2 accounts more", None, None))
    say = "the source is away; 2 accounts more"
    require(checks.check_webhooks(many), ("webhooks", TROUBLE, say, "webhooks check 7", None))


def test_webhook_findings_count_registered_and_unchecked_ones() -> None:
    """No registration is no trouble; webhooks that were not checked for lack of time are counted."""
    none = ("webhooks", OK, "none is registered: only runs find changes", None, None)
    require(checks.check_webhooks(AccountChecks(())), none)
    late = ("webhooks", HINT, "3 accounts could not be asked in time", None, None)
    require(checks.check_webhooks(AccountChecks((), 3)), late)
    well = ("webhooks", OK, "1 account reached its receiver", None, None)
    require(checks.check_webhooks(AccountChecks((AccountCheck(1),))), well)


def test_outage_is_reported_with_its_error() -> None:
    """It is probed automatically, and a person can force a probe."""
    away = Outage(20, NOW, NOW, "it answered 503", away_since=NOW - timedelta(minutes=9), probe_at=NOW)
    says = "runs end at once: it has not answered since 9 min ago: it answered 503"
    found = of_check("source", replace(overview(WELL), outage=away))
    require(found, ("source", TROUBLE, says, "hostaway-sync sync ID", None))


def test_budget_findings_name_each_restricted_limit() -> None:
    """The limit of the address first, then each account's with its number."""
    lowered = replace(USE, lowered_to=15, lowered_until=NOW + timedelta(hours=5))
    silent = replace(USE, silent_until=NOW + 9 * SECOND)
    found = of_check("budget", overview(replace(WELL, limit=silent), replace(WELL, account_id=2, limit=lowered)))
    assert found == []
    advice = "HOSTAWAY_SYNC_RATE_LIMIT_IP"
    found = of_check(
        "budget",
        overview(replace(WELL, limit=silent), replace(WELL, account_id=2, limit=lowered), WELL, address=lowered),
    )
    require(
        found,
        ("budget", HINT, "request limit lowered to 15 for another 5 h", advice, None),
        ("budget", HINT, "the source asked for silence for another 9 s", advice, 1),
        ("budget", HINT, "request limit lowered to 15 for another 5 h", advice, 2),
    )


@pytest.mark.parametrize(("used", "grade"), [(180, OK), (181, HINT)])
def test_budget_is_full_above_nine_tenths(used: int, grade: Grade) -> None:
    """Another command says what fits one address."""
    says = f"{used} of 200 requests in the last 10 s" + ("" if grade is OK else ": requests wait")
    found = of_check("budget", overview(WELL, address=replace(USE, used=used)))
    require(found, ("budget", grade, says, None if grade is OK else "hostaway-sync plan", None))


@pytest.mark.parametrize(
    ("deferred", "grade", "says", "advice"),
    [
        (DeferredWork(), OK, "0 deliveries waiting; no dead letters", None),
        (DeferredWork(1, NOW - 3 * SECOND), OK, "1 delivery waiting, the oldest for 3 s; no dead letters", None),
        (DeferredWork(dead_letters=2), HINT, "2 dead letters waiting for you", "dead-letters list"),
        (DeferredWork(due_since=NOW - UNWORKED_AFTER), OK, "0 deliveries waiting; no dead letters", None),
        (
            DeferredWork(due_since=NOW - UNWORKED_AFTER - SECOND),
            TROUBLE,
            "work has been due for 10 min: no worker runs",
            "start `hostaway-sync worker`",
        ),
        (
            DeferredWork(due_since=NOW - UNWORKED_AFTER - SECOND, has_worker=True),
            TROUBLE,
            "work has been due for 10 min: more is deferred than workers get done",
            "start another `hostaway-sync worker`",
        ),
    ],
)
def test_queue_findings_count_waiting_work(deferred: DeferredWork, grade: Grade, says: str, advice: str | None) -> None:
    """Work that is due for more than ten minutes is trouble."""
    found = of_check("queue", overview(replace(WELL, deferred=deferred)))
    require(found, ("queue", grade, says, advice, None))


def test_unsent_messages_need_a_worker() -> None:
    """Messages of all accounts are counted together."""
    facts = replace(WELL, deferred=DeferredWork(due_since=NOW - SECOND), messages=MessageBacklog(queued=2))
    says = "4 messages to guests wait for a worker, and none runs"
    require(of_check("queue", overview(facts, facts)), ("queue", TROUBLE, says, "start `hostaway-sync worker`", None))


def test_run_findings_name_the_account_to_look_at() -> None:
    """Healthy accounts are counted, with the oldest success."""
    late = replace(WELL, account_id=9, last_sync_at=NOW - timedelta(days=3))
    older = replace(WELL, account_id=2, last_sync_at=NOW - timedelta(hours=5))
    trouble, well = of_check("runs", overview(WELL, late, older))
    assert (trouble.grade, trouble.account_id, trouble.advice) == (TROUBLE, 9, "`hostaway-sync status 9` says more")
    require([well], ("runs", OK, "2 accounts mirrored, the oldest 5 h ago", None, None))


def test_readable_env_file_is_named() -> None:
    """With the command that closes it to others."""
    (finding,) = checks.check_files(replace(HERE, files=(("/a/.env", 0o604),)))
    require([finding], ("files", HINT, "every user of this machine may read /a/.env", "`chmod o-r /a/.env`", None))


def test_marks_from_the_future_are_counted_by_column() -> None:
    """Tables that are too large to search are named; without such marks there is no finding."""
    assert list(checks.check_future_marks(FutureMarksReport(()))) == []
    two = (FutureMarks("a.b", 1_200, timedelta(hours=3)), FutureMarks("c.d", 1, timedelta(days=5)))
    found, skipped = checks.check_future_marks(FutureMarksReport(two, ("changes", "listings")))
    assert (found.check, found.grade) == ("clock", HINT)
    assert found.says.endswith("count as unknown: a.b (1,200, up to 3 h), c.d (1, up to 5 d)")
    assert "have its clock set over the network" in str(found.advice)
    says = "marks from the future were not looked for in changes, listings: it takes too long"
    require([skipped], ("clock", HINT, says, None, None))


@pytest.mark.parametrize(
    ("free", "installation", "grade"),
    [
        (checks.LITTLE_SPACE, OURS, OK),
        (checks.LITTLE_SPACE - 1, OURS, HINT),
        (checks.NO_SPACE, OURS, HINT),
        (checks.NO_SPACE - 1, OURS, TROUBLE),
        (checks.NO_SPACE, HERE, OK),
        (checks.NO_SPACE - 1, HERE, TROUBLE),
    ],
)
def test_disk_findings_tell_free_space(free: int, installation: Installation, grade: Grade) -> None:
    """Two gibibytes are little where the database is, a quarter of one is too little anywhere."""
    says = f"{free / checks.GIB:.1f} of 100.0 GiB free at /srv/mirror"
    found = checks.check_disk(DiskSpace("/srv/mirror", free, 100 * checks.GIB, is_writable=True), installation)
    require(found, ("disk", grade, says, None if grade is OK else "hostaway-sync prune", None))


@pytest.mark.parametrize(
    ("installation", "needs"), [(OURS, "the embedded database and the key file are"), (HERE, "the key file is")]
)
def test_directory_of_another_user_is_named(installation: Installation, needs: str) -> None:
    """With the database's files that lie in it."""
    space = DiskSpace("/srv/mirror", 50 * checks.GIB, 100 * checks.GIB, is_writable=False)
    says = f"/srv/mirror, where {needs}, may not be written by this user"
    require(checks.check_disk(space, installation), ("disk", TROUBLE, says, "change its owner", None))


def test_schedule_findings_name_places() -> None:
    """Files that start runs, or files that could not be read."""
    some = Schedule(("/etc/crontab", "/etc/cron.d/mirror"))
    started = "runs are started by /etc/crontab, /etc/cron.d/mirror"
    require(checks.check_schedule(some), ("schedule", OK, started, None, None))
    none = "no crontab and no timer of this machine starts runs"
    require(checks.check_schedule(Schedule(())), ("schedule", HINT, none, "crontab.example", None))
    says = f"{none} (not readable: /etc/a, /etc/b)"
    require(checks.check_schedule(Schedule((), ("/etc/a", "/etc/b"))), ("schedule", HINT, says, "see", None))
