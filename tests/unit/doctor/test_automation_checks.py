"""Findings about automations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync.doctor.automation_checks import check_automations
from hostaway_sync.doctor.findings import Grade
from hostaway_sync.store.automations.states import Automation, AutomationRequest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = Automation(
    1,
    AutomationRequest("crm", ("*",), url="https://hooks.example.com/…"),
    is_active=True,
    disabled_reason=None,
    active_since=NOON - 99 * HOUR,
    failing_since=None,
    failed_rounds=0,
    not_before_at=None,
    delivered_at=None,
    created_at=NOON - 99 * HOUR,
)
GONE = replace(WELL, is_active=False, disabled_reason="it answered 410 Gone", disabled_at=NOON - 2 * HOUR, waiting=1)
FAILING = replace(WELL, failing_since=NOON - 2 * HOUR, waiting=2, waiting_since=NOON - 3 * HOUR)


@pytest.mark.parametrize(
    ("found", "grade", "says"),
    [
        ((WELL, replace(WELL, is_active=False)), Grade.OK, "1 of 2 active, 0 events waiting"),
        (
            (replace(WELL, waiting=1, waiting_since=NOON - HOUR / 20),),
            Grade.OK,
            "1 of 1 active, 1 event waiting, the oldest for 3 min",
        ),
        ((WELL, GONE), Grade.TROUBLE, "automation crm was disabled 2 h ago: it answered 410 Gone"),
        ((FAILING,), Grade.HINT, "automation crm has failed for 2 h: 2 events waiting, the oldest for 3 h"),
        ((replace(FAILING, failing_since=NOON - 25 * HOUR),), Grade.TROUBLE, "automation crm has failed for 25 h: 2"),
        ((replace(WELL, dead=1),), Grade.HINT, "automation crm was not told of 1 event, which were given up"),
        (
            (replace(WELL, waiting=3, waiting_since=NOON - 3 * HOUR),),
            Grade.TROUBLE,
            "3 events waiting for consumers that answer, the oldest for 3 h",
        ),
    ],
)
def test_a_consumer_that_is_not_told_is_a_finding(found: tuple[Automation, ...], grade: Grade, says: str) -> None:
    """One finding each, with what to type; where all is well, one for all."""
    (finding,) = check_automations(found, NOON)
    assert (finding.check, finding.grade) == ("automations", grade)
    assert finding.says.startswith(says)
    assert (finding.advice is None) is (grade is Grade.OK)


def test_where_no_automation_is_nothing_is_said() -> None:
    """Few mirrors have one."""
    assert list(check_automations((), NOON)) == []
