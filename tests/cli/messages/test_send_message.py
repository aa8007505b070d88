from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.barrier import PATIENCE, Barrier
from tests.support.messages import SEND, TEXT, THREAD, message_case
from tests.support.processes import kill_process, printed_text, start_program
from tests.support.store.account_rows import count_rows
from tests.support.store.table_locks import TableGate

from hostaway_sync.messages.decision import Step
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.support.messages import MessageCase
    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def start(case: MessageCase) -> BaseProcess:
    """Start a program that sends the usual text under a key."""
    environment = case.env.environment()
    words = (str(case.reservation_id), TEXT, "--idempotency-key", "k", "--yes")
    return start_program(environment, "send-message", *words)


def test_message_is_sent_once_after_a_kill_before_the_request(sync_env: Build) -> None:
    """The first process stored the intent and sent nothing; the same command sends it, once."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, THREAD) as reading:
        process = start(case)
        reading.wait()
        assert case.ledger() == ["pending"]
        assert case.send(key="k").step is Step.UNDER_WAY
        kill_process(process)
    assert case.send(key="k").step is Step.TAKE_UP
    assert (case.ledger("state, attempt"), case.accepted) == ([("sent", 2)], [TEXT])


def test_kill_before_the_answer_sends_no_second_message(sync_env: Build) -> None:
    """Hostaway has accepted the message: the same command finds it there and sends nothing."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, SEND, answered=True) as answering:
        process = start(case)
        answering.wait()
        assert case.ledger() == ["sending"]
        assert case.send(key="k").step is Step.UNDER_WAY
        kill_process(process)
        assert case.send(key="k").step is Step.EARLIER
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [TEXT])


def test_message_of_a_killed_process_waits_while_undecided(sync_env: Build) -> None:
    """Until Hostaway has decided, the command sends nothing; afterwards the next one finds the message."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, SEND) as arriving:
        process = start(case)
        arriving.wait()
        kill_process(process)
        assert case.send(key="k").step is Step.UNSETTLED
        assert case.ledger("state, error") == [("outcome_unknown", "its process died while it was sending")]
    while not case.accepted:
        arriving.reached.wait(0.01)
    case.mirror.sync.run(case.env.account_id)
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [TEXT])


def test_kill_after_the_answer_sends_no_second_message(sync_env: Build) -> None:
    """The process was killed before it wrote the answer to the ledger."""
    case = message_case(sync_env)
    gate = TableGate(case.env, SEND, 1, "sent_messages")
    process = start(case)
    gate.wait(process)
    kill_process(process)
    gate.open()
    assert case.send(key="k").step is Step.EARLIER
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [TEXT])


@pytest.mark.parametrize(("route", "state"), [(THREAD, "failed"), (SEND, "outcome_unknown")])
def test_signal_before_a_request_fails_after_it_is_unknown(sync_env: Build, route: str, state: str) -> None:
    """SIGTERM before the request: failed, may be repeated; after it: the outcome is unknown."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, route, answered=True) as held:
        process = start(case)
        held.wait()
        process.terminate()
        process.join(PATIENCE)
        assert process.exitcode == 143
    assert case.ledger("state, error") == [(state, "stopped by a signal")]
    assert case.send(key="k").step is (Step.TAKE_UP if route == THREAD else Step.EARLIER)
    assert case.accepted == [TEXT]


def test_concurrent_sends_with_one_key_send_once(sync_env: Build) -> None:
    """Of processes and threads one sends; the others send nothing and say so."""
    case = message_case(sync_env)
    both = [start(case), start(case)]
    with ThreadPoolExecutor(4) as threads:
        steps = list(threads.map(lambda _: case.send(key="k").step, range(8)))
    for process in both:
        process.join(PATIENCE)
    assert case.accepted == [TEXT]
    assert case.ledger("state, attempt") == [("sent", 1)]
    senders = steps.count(Step.SEND) + printed_text(case.env.environment()).count("Sent to reservation")
    assert senders == 1
    assert set(steps) <= {Step.SEND, Step.EARLIER, Step.UNDER_WAY}


def test_send_message_reports_id_state_and_times(sync_env: Build, program: Program) -> None:
    """A repetition is refused; a dry run sends nothing."""
    case = message_case(sync_env)
    env, number, thread = case.env, str(case.reservation_id), case.conversation_id
    dry = program(env, "send-message", number, TEXT, "--dry-run")
    assert (dry.returncode, case.accepted) == (0, [])
    assert f"conversation {thread}" in dry.stdout
    assert "would be sent" in dry.stdout
    sent = program(env, "send-message", number, "-", "--yes", stdin=f"{TEXT}\n", LOG_LEVEL="DEBUG")
    assert (sent.returncode, case.accepted) == (0, [TEXT])
    assert sent.stdout.startswith(f"Sent to reservation {number} by ")
    assert "under the mat" not in sent.stderr
    repeated = program(env, "send-message", number, TEXT, "--yes", "--json")
    assert (repeated.returncode, case.accepted) == (1, [TEXT])
    assert "nothing was sent" in repeated.stderr
    document = json.loads(repeated.stdout)
    assert (document["state"], document["sent_now"], document["looks"]) == ("sent", False, 0)
    assert document["message_id"] in env.truth("messages")
    (listed,) = json.loads(program(env, "messages", "list", "--state", "sent", "--json").stdout)
    assert (listed["text"], listed["intent_id"]) == (TEXT, document["intent_id"])


def test_repeated_key_succeeds_without_sending_again(sync_env: Build, program: Program) -> None:
    """Another text with the same key is an error."""
    case = message_case(sync_env)
    words = ("send-message", str(case.reservation_id), TEXT, "--idempotency-key", "stay-1", "--yes")
    first, second = (program(case.env, *words, "--json") for _ in range(2))
    assert (first.returncode, second.returncode, case.accepted) == (0, 0, [TEXT])
    assert [json.loads(done.stdout)["sent_now"] for done in (first, second)] == [True, False]
    other = program(case.env, *words[:2], "Other words", *words[3:])
    assert (other.returncode, case.accepted) == (2, [TEXT])
    assert "another key" in other.stderr


def test_unknown_outcome_is_reported_until_a_person_resolves_it(sync_env: Build, program: Program) -> None:
    """Exit 1 with what to do; `status` shows it; --purge deletes the resolved message."""
    case = message_case(sync_env)
    env = case.env
    env.sandbox.faults.add(faults.bad_gateway(), route=SEND)
    lost = program(env, "send-message", str(case.reservation_id), TEXT, "--yes")
    (number,) = case.ledger("intent_id")
    assert (lost.returncode, lost.stdout) == (1, "")
    assert f"--resolve {number}" in lost.stderr
    status = json.loads(program(env, "status", "--json").stdout)["accounts"][0]
    assert {name: count for name, count in status["messages"].items() if count} == {"unsettled": 1}
    assert any("unknown outcome" in words for words in status["wrong"])
    again = ("send-message", "--i-checked-resend", str(number))
    for other in (["--dry-run"], ["--again"], ["--now"], ["--quiet-hours", "22-8"], ["--batch", "-"]):
        refused = program(env, *again, *other)
        assert (refused.returncode, "stand alone" in refused.stderr, case.accepted) == (2, True, [])
    seen = program(env, "send-message", "--i-checked-sent", str(number))
    assert (seen.returncode, case.ledger("state, proof")) == (0, [("sent", "person")])
    assert program(env, "send-message", "7", "x", "--resolve", "1").returncode == 2
    assert program(env, "account", "remove", str(env.account_id), "--purge", "--yes").returncode == 0
    assert "sent_messages" not in count_rows(env)


def test_message_about_a_cancelled_stay_needs_yes(sync_env: Build, program: Program) -> None:
    """Without a terminal and without --yes the command ends with 2 and sends nothing."""
    case = message_case(sync_env)
    case.env.sandbox.world.cancel_reservation(case.reservation_id)
    case.mirror.sync.run(case.env.account_id)
    words = ("send-message", str(case.reservation_id), TEXT)
    refused = program(case.env, *words)
    assert (refused.returncode, case.accepted) == (2, [])
    assert "its status is cancelled" in refused.stderr
    guarded = program(case.env, *words, "--yes", SEND_ALLOWLIST="5, 6")
    assert (guarded.returncode, case.accepted) == (1, [])
    assert program(case.env, *words, "--yes", SEND_ALLOWLIST=f"5,{case.reservation_id}").returncode == 0
    assert case.accepted == [TEXT]
