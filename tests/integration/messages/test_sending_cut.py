"""A sender that lost its connection, or its time, while its message was on the way: the guest hears it once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.barrier import PATIENCE, Barrier
from tests.support.messages import SEND, TEXT, THREAD, Guest, a_guest

from hostaway_sync.messages.decision import Step
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.messages import liveness

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import Town

    Build = Callable[..., Town]

# As `idle_session_timeout`, a pooler, a firewall or a restarted network does it.
CUT = """
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
LATE = "UPDATE rights SET expires_at = now() - interval '1 hour' WHERE name ~ '^sender' RETURNING name"
LONG_AGO = "UPDATE sent_messages SET sending_at = sending_at - interval '11 minutes' RETURNING 1"


def others_try(guest: Guest, **options: Any) -> Step:
    """Have another process of this program try the same message, and settle what is open."""
    mirror = guest.here.mirror()
    mirror.sync(guest.here.account_id)
    with mirror.messages.draft(guest.reservation_id, TEXT, **options) as draft:
        return draft.send().step


def test_a_cut_connection_is_no_death(town: Build) -> None:
    """Every connection is cut while the request is under way: it stays one that is being sent, and ends as it does."""
    guest = a_guest(town)
    with ThreadPoolExecutor() as pool, Barrier(guest.here.sandbox, SEND) as barrier:
        sending = pool.submit(guest.tell)
        barrier.wait()
        assert guest.here.ask(CUT)[0][0] > 0
        assert others_try(guest) is Step.UNDER_WAY
        assert guest.ledger() == ["sending"]
        barrier.open.set()
        assert sending.result(PATIENCE).step is Step.SEND
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "answer")], [TEXT])


def test_a_sender_away_from_the_database_is_given_the_time_of_a_request(town: Build) -> None:
    """Its right has run out: its message is given up when no request can be under way, and not sent again."""
    guest = a_guest(town)
    with ThreadPoolExecutor() as pool, Barrier(guest.here.sandbox, SEND) as barrier:
        sending = pool.submit(guest.tell)
        barrier.wait()
        assert len(guest.here.ask(LATE)) == 1
        assert others_try(guest) is Step.UNDER_WAY
        assert guest.ledger() == ["sending"]
        guest.here.ask(LONG_AGO)
        assert others_try(guest) is Step.UNSETTLED
        assert guest.ledger() == ["outcome_unknown"]
        barrier.open.set()
        sending.result(PATIENCE)
    # Its answer is believed whenever it comes.
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "answer")], [TEXT])


def test_who_was_taken_for_dead_before_its_mark_sends_nothing(town: Build) -> None:
    """Its right has run out before anything left: another one sends, and it finds its row taken."""
    guest = a_guest(town)
    with ThreadPoolExecutor() as pool, Barrier(guest.here.sandbox, THREAD) as barrier:
        sending = pool.submit(guest.tell)
        barrier.wait()
        assert len(guest.here.ask(LATE)) == 1
        mirror = guest.here.mirror()
        with mirror.messages.draft(guest.reservation_id, TEXT) as draft:
            assert draft.send().step is Step.TAKE_UP
        barrier.open.set()
        sending.result(PATIENCE)
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "answer")], [TEXT])


def test_a_sender_that_slept_after_its_mark_sends_nothing(town: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept for so long that others may have given the row up lets the request go no more."""
    guest = a_guest(town)
    monkeypatch.setattr(liveness, "LEAVES_WITHIN", timedelta(microseconds=-1))
    sent = guest.tell()
    assert sent.intent is not None
    assert "held up" in (sent.intent.error or "")
    assert (guest.ledger(), guest.heard) == (["failed"], [])
    monkeypatch.undo()
    guest.tell()
    assert (guest.ledger(), guest.heard) == (["sent"], [TEXT])


def test_a_right_of_a_sender_ends_with_its_request(town: Build) -> None:
    """However it ends, no row is left behind."""
    guest = a_guest(town)
    for effect in (faults.status(422), faults.connection_reset()):
        guest.meets(effect)
        guest.tell("another text", again=True)
    guest.tell()
    assert sorted(guest.ledger()) == ["outcome_unknown", "sent"]
    assert guest.here.ask("SELECT name FROM rights WHERE owner IS NOT NULL") == []
