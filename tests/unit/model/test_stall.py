from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hostaway_sync.doctor.database_checks import check_feed
from hostaway_sync.doctor.findings import Grade
from hostaway_sync.model.history.stall import FeedStall
from hostaway_sync.model.history.stall_sentences import advise_on_stall, describe_stall
from hostaway_sync.model.status import Overview

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STALL = FeedStall(NOON, 7, application="psql\x1b", role="ida", database="shop", began_at=NOON - timedelta(hours=3))


def test_a_stall_is_said_with_what_to_do() -> None:
    """Of a session, of one that tells nothing of itself, and of a prepared transaction."""
    soon = NOON + timedelta(minutes=12)
    assert describe_stall(STALL, soon) == (
        "the feed of changes has waited 12 min for the transaction of session 7 (psql) of role 'ida' in database "
        "'shop', begun 3 h ago"
    )
    assert advise_on_stall(STALL) == "wait until it ends, or end it with `SELECT pg_terminate_backend(7)`"
    assert describe_stall(FeedStall(NOON, 7, role="x", database="y"), soon) == (
        "the feed of changes has waited 12 min for the transaction of session 7 of role 'x' in database 'y'"
    )
    prepared = FeedStall(NOON, None, prepared="two\nphase", role="x", database="y")
    assert describe_stall(prepared, soon) == (
        "the feed of changes has waited 12 min for the prepared transaction 'two phase' of role 'x' in database 'y'"
    )
    assert advise_on_stall(prepared).startswith("end it there with COMMIT PREPARED or ROLLBACK PREPARED")


def test_doctor_finds_a_stall_graver_with_time() -> None:
    """A job of the night is a hint, a session that somebody forgot is trouble; nothing is said where nothing waits."""
    for minutes, grade in ((2, Grade.HINT), (15, Grade.HINT), (20, Grade.TROUBLE)):
        (finding,) = check_feed(Overview(NOON + timedelta(minutes=minutes), (), stall=STALL))
        assert (finding.check, finding.grade) == ("changes", grade)
        assert finding.advice is not None
        assert "session 7" in finding.says
    assert list(check_feed(Overview(NOON, ()))) == []
