"""A sender loses its connection, or its time, during the request: the guest gets the message once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.messages import SEND, TEXT, THREAD, MessageCase, message_case

from hostaway_sync.messages.decision import Step
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.messages import liveness

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# As `idle_session_timeout`, a pooler, a firewall or a restarted network cuts it.
CUT = """
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
LATE = "UPDATE rights SET expires_at = now() - interval '1 hour' WHERE name ~ '^sender' RETURNING name"
LONG_AGO = "UPDATE sent_messages SET sending_at = sending_at - interval '11 minutes' RETURNING 1"


def others_try(case: MessageCase, **options: Any) -> Step:
    """Make another process of this program try the same message, and settle open ones."""
    mirror = case.env.mirror()
    mirror.sync.run(case.env.account_id)
    with mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT, **options)) as draft:
        return draft.send().step


def test_sender_with_a_lost_connection_keeps_its_message(sync_env: Build) -> None:
    """All connections are cut during the request: the row stays `sending`, and gets the request's outcome."""
    case = message_case(sync_env)
    with ThreadPoolExecutor() as pool, Barrier(case.env.sandbox, SEND) as barrier:
        sending = pool.submit(case.send)
        barrier.wait()
        assert sql.rows(case.env.database, CUT)[0][0] > 0
        assert others_try(case) is Step.UNDER_WAY
        assert case.ledger() == ["sending"]
        barrier.open.set()
        assert sending.result(PATIENCE).step is Step.SEND
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "answer")], [TEXT])


def test_message_is_given_up_only_after_its_longest_request(sync_env: Build) -> None:
    """Its claim has expired: it is given up when no request can be running, and not sent again."""
    case = message_case(sync_env)
    with ThreadPoolExecutor() as pool, Barrier(case.env.sandbox, SEND) as barrier:
        sending = pool.submit(case.send)
        barrier.wait()
        assert len(sql.rows(case.env.database, LATE)) == 1
        assert others_try(case) is Step.UNDER_WAY
        assert case.ledger() == ["sending"]
        sql.execute(case.env.database, LONG_AGO)
        assert others_try(case) is Step.UNSETTLED
        assert case.ledger() == ["outcome_unknown"]
        barrier.open.set()
        sending.result(PATIENCE)
    # Its answer counts whenever it comes.
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "answer")], [TEXT])


def test_sender_whose_row_was_taken_sends_nothing(sync_env: Build) -> None:
    """Its claim expired before the request: another process sends, and this one finds its row taken."""
    case = message_case(sync_env)
    with ThreadPoolExecutor() as pool, Barrier(case.env.sandbox, THREAD) as barrier:
        sending = pool.submit(case.send)
        barrier.wait()
        assert len(sql.rows(case.env.database, LATE)) == 1
        mirror = case.env.mirror()
        with mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
            assert draft.send().step is Step.TAKE_UP
        barrier.open.set()
        sending.result(PATIENCE)
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "answer")], [TEXT])


def test_sender_that_slept_after_its_mark_sends_nothing(sync_env: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept so long that others may have given the row up: the request does not leave."""
    case = message_case(sync_env)
    monkeypatch.setattr(liveness, "LEAVES_WITHIN", timedelta(microseconds=-1))
    sent = case.send()
    assert sent.intent is not None
    assert "held up" in (sent.intent.error or "")
    assert (case.ledger(), case.accepted) == (["failed"], [])
    monkeypatch.undo()
    case.send()
    assert (case.ledger(), case.accepted) == (["sent"], [TEXT])


def test_sender_releases_its_claim(sync_env: Build) -> None:
    """However the sending ends, no row of the claim is left."""
    case = message_case(sync_env)
    for effect in (faults.status(422), faults.connection_reset()):
        case.add_send_fault(effect)
        case.send("another text", again=True)
    case.send()
    assert sorted(case.ledger()) == ["outcome_unknown", "sent"]
    assert sql.rows(case.env.database, "SELECT name FROM rights WHERE owner IS NOT NULL") == []
