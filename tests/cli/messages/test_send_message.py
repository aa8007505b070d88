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


def test_killed_before_the_request_nothing_was_sent(sync_env: Build) -> None:
    """The intent is there, nothing left: the same again takes it up and sends it, once."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, THREAD) as reading:
        process = start(case)
        reading.wait()
        assert case.ledger() == ["pending"]
        assert case.send(key="k").step is Step.UNDER_WAY
        kill_process(process)
    assert case.send(key="k").step is Step.TAKE_UP
    assert (case.ledger("state, attempt"), case.accepted) == ([("sent", 2)], [TEXT])


def test_killed_while_the_answer_is_held_it_is_found(sync_env: Build) -> None:
    """The source had taken it: the same again looks, finds it, and sends nothing."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, SEND, answered=True) as answering:
        process = start(case)
        answering.wait()
        assert case.ledger() == ["sending"]
        assert case.send(key="k").step is Step.UNDER_WAY
        kill_process(process)
        assert case.send(key="k").step is Step.EARLIER
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [TEXT])


def test_killed_before_the_source_acts_it_waits(sync_env: Build) -> None:
    """While nobody can know whether it will be taken nothing is sent; once it was, the next run finds it."""
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


def test_killed_between_the_answer_and_the_ledger_it_is_found(sync_env: Build) -> None:
    """The answer came and could not be written down any more."""
    case = message_case(sync_env)
    gate = TableGate(case.env, SEND, 1, "sent_messages")
    process = start(case)
    gate.wait(process)
    kill_process(process)
    gate.open()
    assert case.send(key="k").step is Step.EARLIER
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [TEXT])


@pytest.mark.parametrize(("route", "state"), [(THREAD, "failed"), (SEND, "outcome_unknown")])
def test_a_signal_leaves_what_is_known(sync_env: Build, route: str, state: str) -> None:
    """SIGTERM before the request: it failed, and may be repeated; after it: nobody knows."""
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


def test_two_at_once_with_one_key_send_once(sync_env: Build) -> None:
    """Processes and threads: one sends, whoever comes meanwhile sends nothing and says so."""
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


def test_an_operator_sends_and_looks(sync_env: Build, program: Program) -> None:
    """What was sent where; JSON with id, state and times; a repetition is refused; a dry run sends nothing."""
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


def test_a_key_makes_a_script_safe(sync_env: Build, program: Program) -> None:
    """The second time is a success that sends nothing; another text under the key is a mistake."""
    case = message_case(sync_env)
    words = ("send-message", str(case.reservation_id), TEXT, "--idempotency-key", "stay-1", "--yes")
    first, second = (program(case.env, *words, "--json") for _ in range(2))
    assert (first.returncode, second.returncode, case.accepted) == (0, 0, [TEXT])
    assert [json.loads(done.stdout)["sent_now"] for done in (first, second)] == [True, False]
    other = program(case.env, *words[:2], "Other words", *words[3:])
    assert (other.returncode, case.accepted) == (2, [TEXT])
    assert "another key" in other.stderr


def test_what_nobody_knows_is_said_and_shown(sync_env: Build, program: Program) -> None:
    """Exit code 1 with what to do; `status` has it; a person who looked ends it, and --purge deletes it."""
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


def test_a_stay_that_is_off_asks(sync_env: Build, program: Program) -> None:
    """No terminal to ask on: exit code 2 and nothing is sent; --yes sends."""
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
