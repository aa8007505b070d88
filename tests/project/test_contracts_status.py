"""The keys of documents that need trouble to be whole: of `status`, and of runs while an alarm stands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.project.json_outline import COUNTS, EACH, REPORT, keys_of, outline

from hostaway_sync.app.documents.runs import outcome_document, report_document
from hostaway_sync.app.documents.status import details_document, overview_document
from hostaway_sync.cli.ui.terminal import print_json
from hostaway_sync.model.alarms import Alarm, AlarmKind, AlarmUpdate, Cause
from hostaway_sync.model.calendar.facts import CalendarFacts
from hostaway_sync.model.circuit_breaker import Outage
from hostaway_sync.model.doubts import Doubt, Doubts
from hostaway_sync.model.health import assess_health
from hostaway_sync.model.history.stall import FeedStall
from hostaway_sync.model.kinds.facts import KindFacts
from hostaway_sync.model.kinds.kind import Kind
from hostaway_sync.model.records import OBJECTS, ChangeCounts, Mark, Mode, Resource, RunReport, RunState
from hostaway_sync.model.run_history import ResourceSummary, RunDetail
from hostaway_sync.model.status import (
    AccountFacts,
    AnnouncementCounts,
    BucketUsage,
    Certificate,
    DeferredWork,
    DueThreads,
    Lease,
    MessageBacklog,
    Overview,
    QuarantineCounts,
    RunSummary,
)
from hostaway_sync.sync.fleet import AccountOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = RunSummary(Mode.FULL, RunState.SUCCESS, NOON, NOON, NOON + MINUTE, 3, "why")
ALARM = Alarm(Cause(AlarmKind.BRAKE, "reservations", "many rows are gone"), NOON)
LIMIT = BucketUsage("account:7", 1, 200, timedelta(seconds=10), 50, NOON + MINUTE, NOON + MINUTE)
FACTS = AccountFacts(
    7,
    "Harbour",
    is_active=True,
    created_at=NOON,
    last_sync_at=NOON,
    due={Resource.CONVERSATIONS: DueThreads(2, NOON)},
    lease=Lease("dock", NOON + MINUTE),
    open_run=replace(RUN, state=RunState.RUNNING, finished_at=None),
    records_read=5,
    last_run=RUN,
    certificate=Certificate(NOON, is_equal=False, is_deep=False, api_calls=4, differences=3, late=1, error="why"),
    equal_at=NOON,
    quarantine=QuarantineCounts(1, 2),
    limit=LIMIT,
    deferred=DeferredWork(1, NOON, 2, NOON, has_worker=True),
    messages=MessageBacklog(1, 1, 1, 1, 1, 1, NOON),
    announcements=AnnouncementCounts(3, 4),
    alarms=(ALARM,),
    doubts=Doubts({Resource.LISTINGS: Doubt(1, NOON)}, {Resource.RESERVATIONS: Doubt(2, NOON)}),
)
OUTAGE = Outage(20, NOON, NOON, "no answer", NOON, NOON + MINUTE, 2)
STALL = FeedStall(NOON, 7)
OVERVIEW = Overview(NOON + MINUTE, (FACTS,), replace(LIMIT, key="address"), OUTAGE, STALL)

PAST = "mode state triggered_at started_at finished_at api_calls error duration_s"
BUDGET = "budget[key used limit window lowered_to lowered_until silent_until window_s]"
HEAD = "state now late_after_s"
UNTIL_RUNS = (
    "account_id name is_active state wrong[] last_success_at verified_as_of "
    f"rows{{live missing total resources{{{EACH.format('live missing total')}}}}} calls{{last_run last_24_h}}"
)
PROOF = "certificate{verified_at is_equal is_deep api_calls differences late error swept is_outdated is_sudden}"
WAITING = (
    "equal_at due{threads since} deliveries{deliveries oldest_at dead_letters due_since has_worker} "
    "messages{unsettled waiting unsent undelivered queued resting resting_until}"
)
ALARMS = "alarms[kind resource since sentence]"
CALENDAR = (
    "is_on listings read never_read oldest_read_at due{listings days since} short{listings known_until} "
    "missing{listings days} refused{listings since error} overdue{listings since}"
)
RUNS = (
    f"watermarks{{{EACH.format('watermark_at swept_at')}}} "
    f"runs[{PAST} resources{{{EACH.format(f'state {COUNTS} error')}}}]"
)
KIND = (
    "is_on live missing lists read oldest_read_at due_at unavailable{lists since error} failed{lists error} overdue_at"
)
DETAILS = f"calendar other_resources{{}} {RUNS}"


def test_keys_of_status_when_nothing_is_wrong(sync_env: Build) -> None:
    """Of all accounts, and of one with its history."""
    env = sync_env()
    env.mirrored()
    account = (
        f"{UNTIL_RUNS} running last_run{{{PAST}}} certificate {WAITING} silence suspected{{}} set_back{{}} "
        "quarantined{rowless cleaned} abandoned_24_h"
    )
    assert keys_of(env, "status") == f"{HEAD} outage feed new_words[] accounts[{account}] automations[] {BUDGET}"
    assert (
        keys_of(env, "status", "70001")
        == f"{HEAD} outage feed new_words[] accounts[{account} {DETAILS}] automations[] {BUDGET}"
    )


def test_keys_of_status_when_everything_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """Some keys stand in the document only while there is a problem."""
    print_json(overview_document(OVERVIEW, [(FACTS, assess_health(FACTS, NOON))]))
    feed = "feed{waiting_since pid prepared application role database began_at}"
    outage = "outage{failures failing_since failed_at error away_since probe_at probes}"
    account = (
        f"{UNTIL_RUNS} running{{host lease_expires_at mode since records}} last_run{{{PAST}}} {PROOF} {WAITING} "
        "silence{unannounced announced is_silent} suspected{listings{rows since}} set_back{reservations{rows since}} "
        f"quarantined{{rowless cleaned}} abandoned_24_h {ALARMS}"
    )
    assert (
        outline(json.loads(capsys.readouterr().out))
        == f"{HEAD} {outage} {feed} new_words[] accounts[{account}] automations[] {BUDGET}"
    )


def test_keys_of_the_history_of_an_account(capsys: pytest.CaptureFixture[str]) -> None:
    """Marks without what only the program needs, and runs by resource."""
    part = ResourceSummary(RunState.PARTIAL, ChangeCounts(1, 1), "why")
    marks = dict.fromkeys(OBJECTS, Mark(NOON, NOON, NOON, NOON))
    history = [RunDetail(RUN, dict.fromkeys(OBJECTS, part))]
    print_json(details_document(marks, history))
    assert outline(json.loads(capsys.readouterr().out)) == DETAILS
    kinds = [KindFacts(Kind("reviews"))]
    print_json(details_document(marks, history, CalendarFacts(known_until=NOON.date()), kinds))
    told = outline(json.loads(capsys.readouterr().out))
    assert told == f"calendar{{{CALENDAR}}} other_resources{{reviews{{{KIND}}}}} {RUNS}"


def test_keys_of_a_run_while_an_alarm_stands() -> None:
    """A run that was not whole says so itself, alone and as one of many."""
    report = RunReport(7, Mode.FULL, RunState.SUCCESS, 3, 1.0, {}, alarms=AlarmUpdate((ALARM,), (ALARM,)))
    assert outline(report_document(report)) == f"{REPORT} {ALARMS}"
    assert outline(outcome_document(AccountOutcome(7, RunState.FAILED, report, "why"))) == f"{REPORT} {ALARMS} error"
    assert outline(outcome_document(AccountOutcome(7, RunState.SKIPPED, None, "why"))) == f"{REPORT} error"
