"""A forgotten guest gets no message: its text would be stored, and stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.messages import SEND, message_case, quiet_hours_now
from tests.support.store.database_dump import dump_columns, find_texts

from hostaway_sync.errors import MessageRefused
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.privacy.guest_tables import ERASED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

WORDS = "Dear Ydalinn, the key lies under the lamplight"


def forget(case: MessageCase) -> None:
    """Forget the guest."""
    case.mirror.privacy.forget_guests(case.env.account_id, [case.reservation_id], [])


def send_all_ways(case: MessageCase) -> dict[str, Callable[[], object]]:
    """Return every way to send or queue the text."""

    def prepare(do: Callable[[Any], object], **options: Any) -> None:
        with case.mirror.messages.prepare(MessageRequest(case.reservation_id, WORDS, **options)) as draft:
            do(draft)

    return {
        "at once": lambda: case.send(WORDS),
        "with a key": lambda: case.send(WORDS, key="lamplight-1"),
        "again": lambda: case.send(WORDS, again=True),
        "into a thread": lambda: case.send(WORDS, conversation_id=case.conversation_id),
        "in quiet hours": lambda: case.send(WORDS, quiet_hours=quiet_hours_now(case)),
        "in a batch": lambda: prepare(lambda draft: draft.queue()),
        "as a rehearsal": lambda: prepare(lambda draft: draft.queue(dry_run=True)),
        "as a preview": lambda: prepare(lambda draft: draft.preview()),
    }


def test_forgotten_guest_gets_no_message_in_any_way(sync_env: Build) -> None:
    """It is refused before it is sent or stored, with what to do; another guest gets it."""
    case = message_case(sync_env)
    forget(case)
    for way, do in send_all_ways(case).items():
        with pytest.raises(MessageRefused, match=f"guest of reservation {case.reservation_id} was forgotten") as caught:
            do()
        assert (way, "lamplight" in str(caught.value)) == (way, False)
    case.run_worker()
    assert (case.accepted, case.ledger()) == ([], [])
    assert find_texts(dump_columns(case.env.database), ["lamplight", "Ydalinn"]) == []
    others = set(case.env.rows("reservations")) - {case.reservation_id}
    world = case.env.sandbox.account(case.env.account_id)
    other = next(number for number in sorted(others) if world.conversations_of(number))
    with case.mirror.messages.prepare(MessageRequest(other, WORDS)) as draft:
        assert draft.send().step.value == "send"


def test_conversation_alone_may_be_forgotten(sync_env: Build) -> None:
    """It is found by the address alone: its reservation is another guest's, or there is none."""
    case = message_case(sync_env)
    sql.execute(
        case.env.database,
        "INSERT INTO forgotten_guests (account_id, resource, object_id) VALUES"
        f" ({case.env.account_id}, 'conversations', {case.conversation_id})",
    )
    with pytest.raises(MessageRefused, match="was forgotten"):
        case.send(WORDS)
    assert case.accepted == []


@pytest.mark.parametrize("way", ["at once", "in a batch", "in quiet hours"])
def test_guest_forgotten_after_the_look_up_gets_no_message(sync_env: Build, way: str) -> None:
    """The transaction that stores the text looks for the guest again."""
    case = message_case(sync_env)
    hours = quiet_hours_now(case) if way == "in quiet hours" else None
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, WORDS, quiet_hours=hours)) as draft:
        forget(case)
        with pytest.raises(MessageRefused, match="was forgotten"):
            (draft.queue if way == "in a batch" else draft.send)()
    assert (case.accepted, case.ledger()) == ([], [])


def test_failed_message_to_a_forgotten_guest_is_not_retried(sync_env: Build) -> None:
    """It was certainly not sent, and its text is erased: the empty rest must not be sent."""
    case = message_case(sync_env)
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, WORDS)) as draft:
        draft.queue()
    forget(case)
    sql.execute(
        case.env.database,
        "UPDATE sent_messages SET state = 'pending', settled_at = NULL, proof = NULL, owner = NULL, is_queued = true",
    )
    case.make_jobs_due()
    case.run_worker()
    assert (case.accepted, case.ledger("state, body")) == ([], [("failed", ERASED)])


def test_unknown_message_to_a_forgotten_guest_is_not_resent(sync_env: Build) -> None:
    """Its text is erased; an operator who did not find it in the thread is told so."""
    case = message_case(sync_env)
    case.add_send_fault(faults.connection_reset())
    number = case.send(WORDS).intent.intent_id  # type: ignore[union-attr]
    assert case.ledger() == ["outcome_unknown"]
    forget(case)
    with pytest.raises(MessageRefused, match="was forgotten"):
        case.mirror.messages.confirm_unsent_and_resend(number)
    assert (case.ledger("state, body"), case.env.sandbox.calls[SEND]) == ([("outcome_unknown", ERASED)], 1)
