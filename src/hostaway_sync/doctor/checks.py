"""What the facts mean, and what to do about them. Pure: no I/O, no clock.

Each function judges one thing, and yields its findings; what is well is one finding for all accounts together.
"""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hostaway_sync.doctor.causes import group_by_cause, list_not_checked
from hostaway_sync.doctor.database_checks import check_open_schemas, list_database_troubles
from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.health import (
    UNWORKED_AFTER,
    Condition,
    assess_health,
    count_unattended_messages,
    describe_limit_troubles,
    describe_waiting_messages,
    format_age,
    format_ago,
    format_count,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hostaway_sync.doctor.findings import AccountChecks, DiskSpace, Installation, KeyFacts, ProbeFacts, Schedule
    from hostaway_sync.model.status import AccountFacts, DatabaseServer, Overview
    from hostaway_sync.model.timestamps import FutureMarksReport

# Above this share of the server's connections, the next ones will soon be refused.
CROWDED_SHARE: Final = 0.8
# Tokens and watermarks bear some minutes; a clock that is off by more is not set at all.
SKEW_HINT: Final = timedelta(seconds=5)
SKEW_TROUBLE: Final = timedelta(minutes=1)
FULL_SHARE: Final = 0.9
GIB: Final = 1024**3
# What a mirror of a hundred thousand reservations takes.
LITTLE_SPACE: Final = 2 * GIB
NO_SPACE: Final = GIB // 4
FORBIDDEN: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_READ_BY_ALL: Final = 0o004
_GRAVE: Final = {Condition.FAILING, Condition.DIFFERS, Condition.LATE, Condition.NEVER}
_COMMAND: Final = re.compile(r"hostaway[-_]sync\b.*\b(sync|sync-all)\b")


def check_database(found: DatabaseServer, installation: Installation) -> Iterator[Finding]:
    """Judge the database itself."""
    check = "database"
    if found.revision is None and installation.is_embedded:
        yield Finding(check, Grade.HINT, "there are no tables yet", "`hostaway-sync account add ID` creates them")
        return
    troubles = list(list_database_troubles(found, installation))
    yield from (Finding(check, Grade.TROUBLE, says, advice) for says, advice in troubles)
    yield from check_open_schemas(found)
    used = f"{found.connections} of {found.max_connections} connections in use"
    if found.connections > CROWDED_SHARE * found.max_connections:
        advice = "run fewer workers at once, or raise max_connections (how many each takes: docs, How-to)"
        yield Finding(check, Grade.HINT, f"it is nearly full: {used}", advice)
    elif not troubles:
        where = "embedded PostgreSQL" if installation.is_embedded else "PostgreSQL"
        yield Finding(check, Grade.OK, f"{where} {found.version // 10_000}, revision {found.revision}, {used}")


def check_keys(found: KeyFacts) -> Iterator[Finding]:
    """Judge the key ring."""
    check = "key ring"
    if not found.known:
        advice = "`hostaway-sync account add ID` creates one, unless HOSTAWAY_SYNC_MASTER_KEY is set"
        yield Finding(check, Grade.HINT, "there is no key yet, and nothing is sealed", advice)
        return
    if found.lost:
        advice = "restore the missing key from your backup; `hostaway-sync keys status` names it"
        values, do = format_count(found.lost, "sealed value"), "does" if found.lost == 1 else "do"
        says = f"{values} {do} not open with the keys there are"
        yield Finding(check, Grade.TROUBLE, says, advice)
    if found.plain:
        advice = "`hostaway-sync keys rotate` seals them"
        are = "is" if found.plain == 1 else "are"
        yield Finding(check, Grade.TROUBLE, f"{format_count(found.plain, 'secret')} {are} not sealed", advice)
    if found.known > 1 and not found.lost:  # while a value does not open, every key may be needed
        advice = "when `hostaway-sync keys rotate` is done, remove the old ones"
        yield Finding(check, Grade.HINT, f"{found.known} keys from {found.source}", advice)
    elif not found.lost and not found.plain:
        opens = "" if found.values is None else f", {format_count(found.values, 'sealed value')}"
        yield Finding(check, Grade.OK, f"{format_count(found.known, 'key')} from {found.source}{opens}")


def check_source(found: ProbeFacts, installation: Installation) -> Iterator[Finding]:
    """Judge the source's answer to a request without a token, and what it says of our clocks."""
    took = f"{installation.api_url} answers in {found.seconds * 1000:.0f} ms"
    if found.status in FORBIDDEN or found.status < HTTPStatus.MULTIPLE_CHOICES:
        yield Finding("source", Grade.OK, took)
    elif found.status == HTTPStatus.TOO_MANY_REQUESTS:
        yield Finding(
            "source", Grade.HINT, f"{took}: too many requests (429)", "find the other programs of this address"
        )
    else:
        advice = "check HOSTAWAY_SYNC_API_URL, and the source's status page"
        yield Finding("source", Grade.TROUBLE, f"{took}, but with {found.status}", advice)
    yield from _check_clocks(found)


def _check_clocks(found: ProbeFacts) -> Iterator[Finding]:
    ahead = {"this machine's": found.machine_is_ahead, "the database's": found.database_is_ahead}
    known = {whose: by for whose, by in ahead.items() if by is not None}
    if not known:
        yield Finding("clock", Grade.HINT, "the source's answer names no time to compare ours with")
        return
    wrong = {whose: by for whose, by in known.items() if abs(by) > SKEW_HINT}
    for whose, by in wrong.items():
        grade = Grade.TROUBLE if abs(by) > SKEW_TROUBLE else Grade.HINT
        way = "ahead of" if by > timedelta() else "behind"
        says = f"{whose} clock is {format_age(abs(by))} {way} the source's"
        yield Finding("clock", grade, says, "have it set over the network, by chrony or systemd-timesyncd")
    if not wrong:
        most = max(abs(by) for by in known.values()).total_seconds()
        yield Finding("clock", Grade.OK, f"within {most:.1f} s of the source's")


def check_tokens(found: AccountChecks, explained: Collection[str] = ()) -> Iterator[Finding]:
    """Judge whether each account may read; causes in `drop_explained` have a finding already."""
    advice = "`hostaway-sync account update ID` takes a new secret; `account disable ID` leaves it out"
    yield from _check_accounts("token", found, (advice, None), "may read", explained)


def check_webhooks(found: AccountChecks, explained: Collection[str] = ()) -> Iterator[Finding]:
    """Judge whether deliveries reach our receiver from outside, with their login."""
    if not found.asked and not found.unasked:
        yield Finding("webhooks", Grade.OK, "none is registered: only runs find changes")
        return
    advice = "check that `hostaway-sync serve-webhooks` runs behind its proxy; `webhooks check ID` says more"
    yield from _check_accounts("webhooks", found, (advice, advice), "reached its receiver", explained)


def _check_accounts(
    check: str, found: AccountChecks, cures: tuple[str, str | None], did: str, explained: Collection[str]
) -> Iterator[Finding]:
    """Judge proofs; `cures` are for what is wrong with one account, and for what is wrong with many."""
    good = [proof for proof in found.asked if proof.trouble is None]
    for group in group_by_cause(found.asked, explained):
        first, others = group[0], len(group) - 1
        lasting = (Grade.TROUBLE, cures[first.cause is not None])
        grade, cure = (Grade.HINT, "run this again in a while") if first.is_for_now else lasting
        says = f"{first.trouble}; {format_count(others, 'account')} more" if others else first.trouble or ""
        cure = cure and cure.replace("ID", str(first.account_id))
        yield Finding(check, grade, says, cure, None if others else first.account_id)
    yield from list_not_checked(check, found.asked, explained)
    if found.unasked:
        yield Finding(check, Grade.HINT, f"{format_count(found.unasked, 'account')} could not be asked in time")
    if good or not (found.asked or found.unasked):
        yield Finding(check, Grade.OK, f"{format_count(len(good), 'account')} {did}" if good else "no active accounts")


def check_tables(found: Overview) -> Iterator[Finding]:
    """Judge what the tables know: the budget, deferred work, and how long ago each account was mirrored."""
    active = [facts for facts in found.accounts if facts.is_active]
    if found.outage is not None and found.outage.away_since is not None:
        says = f"runs end at once: it has not answered since {format_ago(found.outage.away_since, found.now)}"
        advice = "it is probed without you; once it is back, `hostaway-sync sync ID` on a terminal probes it at once"
        yield Finding("source", Grade.TROUBLE, f"{says}: {found.outage.error}", advice)
    yield from _check_budget(found, active)
    yield from _check_queue(found, active)
    yield from _check_successes(found, active)


def _check_budget(found: Overview, active: list[AccountFacts]) -> Iterator[Finding]:
    use = found.address
    if use is None:
        return
    troubles: list[tuple[int | None, str]] = [(None, words) for words in describe_limit_troubles(use, found.now)]
    for facts in active:
        if facts.limit is not None:
            troubles += [(facts.account_id, words) for words in describe_limit_troubles(facts.limit, found.now)]
    advice = "set HOSTAWAY_SYNC_RATE_LIMIT_IP or _ACCOUNT to what it allows, and one EGRESS for all of one address"
    yield from (Finding("budget", Grade.HINT, words, advice, number) for number, words in troubles)
    used = f"{use.used:,} of {use.limit:,} requests in the last {use.window.total_seconds():g} s"
    if use.used > FULL_SHARE * use.limit:
        yield Finding("budget", Grade.HINT, f"{used}: requests wait", "`hostaway-sync plan` says what fits one address")
    elif not troubles:
        yield Finding("budget", Grade.OK, used)


def _check_queue(found: Overview, active: list[AccountFacts]) -> Iterator[Finding]:
    deferred = [facts.deferred for facts in active]
    letters = sum(one.dead_letters for one in deferred)
    waiting = sum(one.deliveries for one in deferred)
    due = [one.due_since for one in deferred if one.due_since is not None]
    if letters:
        advice = "`hostaway-sync dead-letters list`, then retry or discard them"
        yield Finding("queue", Grade.HINT, f"{format_count(letters, 'dead letter')} waiting for you", advice)
    if due and found.now - min(due) > UNWORKED_AFTER:
        has_worker = any(one.has_worker for one in deferred)
        why = "more is deferred than workers get done" if has_worker else "no worker runs"
        advice = "start another `hostaway-sync worker`" if has_worker else "start `hostaway-sync worker`"
        yield Finding(
            "queue", Grade.TROUBLE, f"work has been due for {format_age(found.now - min(due))}: {why}", advice
        )
    elif unsent := sum(count_unattended_messages(facts, found.now) for facts in active):
        yield Finding("queue", Grade.TROUBLE, describe_waiting_messages(unsent), "start `hostaway-sync worker`")
    elif not letters:
        oldest = [one.oldest_at for one in deferred if one.oldest_at is not None]
        since = f", the oldest for {format_age(found.now - min(oldest))}" if oldest else ""
        says = f"{waiting:,} {'delivery' if waiting == 1 else 'deliveries'} waiting{since}; no dead letters"
        yield Finding("queue", Grade.OK, says)


def _check_successes(found: Overview, active: list[AccountFacts]) -> Iterator[Finding]:
    if not active:
        advice = "`hostaway-sync account add ID` adds one"
        yield Finding("runs", Grade.HINT, "there is no active account: nothing is mirrored", advice)
    fine = []
    for facts in active:
        health = assess_health(facts, found.now)
        if health.condition in _GRAVE:
            advice = f"`hostaway-sync status {facts.account_id}` says more"
            yield Finding("runs", Grade.TROUBLE, health.problems[0], advice, facts.account_id)
        else:
            fine.append(facts.last_sync_at)
    done = [moment for moment in fine if moment is not None]
    if done:
        says = f"{format_count(len(done), 'account')} mirrored, the oldest {format_ago(min(done), found.now)}"
        yield Finding("runs", Grade.OK, says)


def check_files(installation: Installation) -> Iterator[Finding]:
    """Judge who may read the files that settings and secrets come from."""
    for path in (path for path, mode in installation.files if mode & _READ_BY_ALL):
        says, cure = f"every user of this machine may read {path}", f"`chmod o-r {path}`, if a secret is in it"
        yield Finding("files", Grade.HINT, says, cure)


def check_future_marks(found: FutureMarksReport) -> Iterator[Finding]:
    """Judge marks about the past that lie in the future; nothing is said where there is none."""
    check = "clock"
    if found.found:
        named = ", ".join(f"{one.column} ({one.marks:,}, up to {format_age(one.furthest_by)})" for one in found.found)
        says = f"the database's clock was ahead once: marks that it left in the future count as unknown: {named}"
        advice = "nothing waits for them, and runs write them anew; have its clock set over the network"
        yield Finding(check, Grade.HINT, says, advice)
    if found.skipped_tables:
        says = f"marks from the future were not looked for in {', '.join(found.skipped_tables)}: it takes too long"
        yield Finding(check, Grade.HINT, says)


def check_disk(found: DiskSpace, installation: Installation) -> Iterator[Finding]:
    """Judge the room that is left for the data directory."""
    check, room = "disk", f"{found.free / GIB:.1f} of {found.total / GIB:.1f} GiB free"
    needs = "the embedded database and the key file are" if installation.is_embedded else "the key file is"
    if found.is_writable is False:
        says = f"{found.path}, where {needs}, may not be written by this user"
        yield Finding(check, Grade.TROUBLE, says, "run this command as its owner, or change its owner")
    if found.free < NO_SPACE or (installation.is_embedded and found.free < LITTLE_SPACE):
        grade = Grade.TROUBLE if found.free < NO_SPACE else Grade.HINT
        advice = "make room; `hostaway-sync prune` and `status --size` help with the database"
        yield Finding(check, grade, f"{room} at {found.path}", advice)
    elif found.is_writable is not False:
        yield Finding(check, Grade.OK, f"{room} at {found.path}")


def check_schedule(found: Schedule) -> Iterator[Finding]:
    """Judge whether anything on this machine starts runs; another machine may."""
    if found.places:
        yield Finding("schedule", Grade.OK, f"runs are started by {', '.join(found.places)}")
        return
    says = "no crontab and no timer of this machine starts runs"
    if found.unread:
        says += f" (not readable: {', '.join(found.unread)})"
    yield Finding("schedule", Grade.HINT, says, "unless something else starts them: see crontab.example")


def starts_runs(text: str) -> bool:
    """Whether a crontab, a script or a unit starts runs, in a line that is no comment."""
    lines = (line.strip() for line in text.splitlines())
    return any(_COMMAND.search(line) for line in lines if not line.startswith(("#", ";")))


def failed_check(check: str, error: Exception, advice: str | None = None) -> Finding:
    """Return the finding for a check that failed with an error.

    Args:
        check: what was checked.
        error: its error; one about settings says what to do.
        advice: what to do about any other error.
    """
    says = "no answer within seconds" if isinstance(error, TimeoutError) else str(error)
    return Finding(check, Grade.TROUBLE, says, None if isinstance(error, ConfigurationError) else advice)


def sort_by_grade(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort by grade, and keep the order within a grade."""
    grades = list(Grade)
    return tuple(sorted(findings, key=lambda finding: grades.index(finding.grade)))
