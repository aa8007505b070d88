from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.cli.accounts.test_remove import rows_of
from tests.cli.process.test_kills import Gate
from tests.support.barrier import PATIENCE, Barrier
from tests.support.messages import SEND, TEXT, THREAD, a_guest
from tests.support.processes import printed, start_program

from hostaway_sync.messages.decision import Step
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from tests.cli.conftest import Program
    from tests.support.messages import Guest
    from tests.support.sync_env import Town

    Build = Callable[..., Town]


def start(guest: Guest) -> BaseProcess:
    """Start a program that sends the usual text under a key."""
    environment = guest.here.environment()
    words = (str(guest.reservation_id), TEXT, "--idempotency-key", "k", "--yes")
    return start_program(environment, "send-message", *words)


def kill(process: BaseProcess) -> None:
    """End a process as nothing can be done about it."""
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -9


def test_killed_before_the_request_nothing_was_sent(town: Build) -> None:
    """The intent is there, nothing left: the same again takes it up and sends it, once."""
    guest = a_guest(town)
    with Barrier(guest.here.sandbox, THREAD) as reading:
        process = start(guest)
        reading.wait()
        assert guest.ledger() == ["pending"]
        assert guest.tell(key="k").step is Step.UNDER_WAY
        kill(process)
    assert guest.tell(key="k").step is Step.TAKE_UP
    assert (guest.ledger("state, attempt"), guest.heard) == ([("sent", 2)], [TEXT])


def test_killed_while_the_answer_is_held_it_is_found(town: Build) -> None:
    """The source had taken it: the same again looks, finds it, and sends nothing."""
    guest = a_guest(town)
    with Barrier(guest.here.sandbox, SEND, answered=True) as answering:
        process = start(guest)
        answering.wait()
        assert guest.ledger() == ["sending"]
        assert guest.tell(key="k").step is Step.UNDER_WAY
        kill(process)
        assert guest.tell(key="k").step is Step.EARLIER
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "thread")], [TEXT])


def test_killed_before_the_source_acts_it_waits(town: Build) -> None:
    """While nobody can know whether it will be taken nothing is sent; once it was, the next run finds it."""
    guest = a_guest(town)
    with Barrier(guest.here.sandbox, SEND) as arriving:
        process = start(guest)
        arriving.wait()
        kill(process)
        assert guest.tell(key="k").step is Step.UNSETTLED
        assert guest.ledger("state, error") == [("outcome_unknown", "its process died while it was sending")]
    while not guest.heard:
        arriving.reached.wait(0.01)
    guest.mirror.sync(guest.here.account_id)
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "thread")], [TEXT])


def test_killed_between_the_answer_and_the_ledger_it_is_found(town: Build) -> None:
    """The answer came and could not be written down any more."""
    guest = a_guest(town)
    gate = Gate(guest.here, SEND, 1, "sent_messages")
    process = start(guest)
    gate.wait(process)
    kill(process)
    gate.open()
    assert guest.tell(key="k").step is Step.EARLIER
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "thread")], [TEXT])


@pytest.mark.parametrize(("route", "state"), [(THREAD, "failed"), (SEND, "outcome_unknown")])
def test_a_signal_leaves_what_is_known(town: Build, route: str, state: str) -> None:
    """SIGTERM before the request: it failed, and may be repeated; after it: nobody knows."""
    guest = a_guest(town)
    with Barrier(guest.here.sandbox, route, answered=True) as held:
        process = start(guest)
        held.wait()
        process.terminate()
        process.join(PATIENCE)
        assert process.exitcode == 143
    assert guest.ledger("state, error") == [(state, "stopped by a signal")]
    assert guest.tell(key="k").step is (Step.TAKE_UP if route == THREAD else Step.EARLIER)
    assert guest.heard == [TEXT]


def test_two_at_once_with_one_key_send_once(town: Build) -> None:
    """Processes and threads: one sends, whoever comes meanwhile sends nothing and says so."""
    guest = a_guest(town)
    both = [start(guest), start(guest)]
    with ThreadPoolExecutor(4) as threads:
        steps = list(threads.map(lambda _: guest.tell(key="k").step, range(8)))
    for process in both:
        process.join(PATIENCE)
    assert guest.heard == [TEXT]
    assert guest.ledger("state, attempt") == [("sent", 1)]
    senders = steps.count(Step.SEND) + printed(guest.here.environment()).count("Sent to reservation")
    assert senders == 1
    assert set(steps) <= {Step.SEND, Step.EARLIER, Step.UNDER_WAY}


def test_an_operator_sends_and_looks(town: Build, program: Program) -> None:
    """What was sent where; JSON with id, state and times; a repetition is refused; a dry run sends nothing."""
    guest = a_guest(town)
    here, number, thread = guest.here, str(guest.reservation_id), guest.conversation_id
    dry = program(here, "send-message", number, TEXT, "--dry-run")
    assert (dry.returncode, guest.heard) == (0, [])
    assert f"conversation {thread}" in dry.stdout
    assert "would be sent" in dry.stdout
    sent = program(here, "send-message", number, "-", "--yes", stdin=f"{TEXT}\n", LOG_LEVEL="DEBUG")
    assert (sent.returncode, guest.heard) == (0, [TEXT])
    assert sent.stdout.startswith(f"Sent to reservation {number} by ")
    assert "under the mat" not in sent.stderr
    repeated = program(here, "send-message", number, TEXT, "--yes", "--json")
    assert (repeated.returncode, guest.heard) == (1, [TEXT])
    assert "nothing was sent" in repeated.stderr
    document = json.loads(repeated.stdout)
    assert (document["state"], document["sent_now"], document["looks"]) == ("sent", False, 0)
    assert document["message_id"] in here.truth("messages")
    (listed,) = json.loads(program(here, "messages", "list", "--state", "sent", "--json").stdout)
    assert (listed["text"], listed["intent_id"]) == (TEXT, document["intent_id"])


def test_a_key_makes_a_script_safe(town: Build, program: Program) -> None:
    """The second time is a success that sends nothing; another text under the key is a mistake."""
    guest = a_guest(town)
    words = ("send-message", str(guest.reservation_id), TEXT, "--idempotency-key", "stay-1", "--yes")
    first, second = (program(guest.here, *words, "--json") for _ in range(2))
    assert (first.returncode, second.returncode, guest.heard) == (0, 0, [TEXT])
    assert [json.loads(done.stdout)["sent_now"] for done in (first, second)] == [True, False]
    other = program(guest.here, *words[:2], "Other words", *words[3:])
    assert (other.returncode, guest.heard) == (2, [TEXT])
    assert "another key" in other.stderr


def test_what_nobody_knows_is_said_and_shown(town: Build, program: Program) -> None:
    """Exit code 1 with what to do; `status` has it; a person who looked ends it, and --purge deletes it."""
    guest = a_guest(town)
    here = guest.here
    here.sandbox.faults.add(faults.bad_gateway(), route=SEND)
    lost = program(here, "send-message", str(guest.reservation_id), TEXT, "--yes")
    (number,) = guest.ledger("intent_id")
    assert (lost.returncode, lost.stdout) == (1, "")
    assert f"--resolve {number}" in lost.stderr
    status = json.loads(program(here, "status", "--json").stdout)["accounts"][0]
    assert {name: count for name, count in status["messages"].items() if count} == {"unsettled": 1}
    assert any("unknown outcome" in words for words in status["wrong"])
    again = ("send-message", "--i-checked-resend", str(number))
    for other in (["--dry-run"], ["--again"], ["--now"], ["--quiet-hours", "22-8"], ["--batch", "-"]):
        refused = program(here, *again, *other)
        assert (refused.returncode, "stand alone" in refused.stderr, guest.heard) == (2, True, [])
    seen = program(here, "send-message", "--i-checked-sent", str(number))
    assert (seen.returncode, guest.ledger("state, proof")) == (0, [("sent", "person")])
    assert program(here, "send-message", "7", "x", "--resolve", "1").returncode == 2
    assert program(here, "account", "remove", str(here.account_id), "--purge", "--yes").returncode == 0
    assert "sent_messages" not in rows_of(here)


def test_a_stay_that_is_off_asks(town: Build, program: Program) -> None:
    """Nobody is there to be asked: exit code 2 and nothing is sent; --yes sends."""
    guest = a_guest(town)
    guest.here.sandbox.world.cancel_reservation(guest.reservation_id)
    guest.mirror.sync(guest.here.account_id)
    words = ("send-message", str(guest.reservation_id), TEXT)
    refused = program(guest.here, *words)
    assert (refused.returncode, guest.heard) == (2, [])
    assert "its status is cancelled" in refused.stderr
    guarded = program(guest.here, *words, "--yes", SEND_ALLOWLIST="5, 6")
    assert (guarded.returncode, guest.heard) == (1, [])
    assert program(guest.here, *words, "--yes", SEND_ALLOWLIST=f"5,{guest.reservation_id}").returncode == 0
    assert guest.heard == [TEXT]
