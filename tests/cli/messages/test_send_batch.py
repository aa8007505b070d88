from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.barrier import Barrier
from tests.support.deliveries import QUICK, eventually
from tests.support.messages import SEND, TEXT, message_case, quiet_hours_now
from tests.support.processes import kill_process, start_program

from hostaway_sync.model.messages import LOOKS_BEFORE_PERSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def batch(case: MessageCase, *texts: str) -> str:
    """Write a batch file with one line a text."""
    rows = ({"reservation_id": case.reservation_id, "text": text, "key": f"stay/{text}"} for text in texts)
    return "".join(json.dumps(one) + "\n" for one in rows)


def test_killed_workers_send_each_message_once(sync_env: Build, program: Program) -> None:
    """SIGKILL before and after Hostaway acts: a third worker sends the rest, and nothing twice."""
    case = message_case(sync_env)
    texts = [f"text {number}" for number in range(6)]
    given = ("send-message", "--batch", "-", "--yes")
    assert program(case.env, *given, stdin=batch(case, *texts)).returncode == 0
    for is_answered in (False, True):
        with Barrier(case.env.sandbox, SEND, answered=is_answered) as held:
            process = start_program(case.env.environment(), "worker")
            held.wait()
            kill_process(process)
        assert program(case.env, *given, stdin=batch(case, *texts)).returncode == 0
    with case.mirror.jobs.start_worker(timings=QUICK):

        def is_settled() -> bool:
            case.make_jobs_due()
            case.let_a_minute_pass()
            rows = case.ledger("state, looks")
            return all(
                state == "sent" or (state == "outcome_unknown" and looks >= LOOKS_BEFORE_PERSON)
                for state, looks in rows
            )

        eventually(is_settled, "every row has its message, or waits for a person")
    # A worker sends several at once: another message may have been lost with it.
    rows = case.ledger("intent_id, state, body")
    assert sorted(case.accepted) == sorted(text for _, state, text in rows if state == "sent")
    for intent_id, state, _ in rows:
        if state != "sent":
            case.mirror.messages.confirm_unsent_and_resend(intent_id)
    assert sorted(case.accepted) == texts


def test_batch_is_reported_line_by_line(sync_env: Build, program: Program) -> None:
    """Each line is queued, known or refused with its reason; one invalid line stops the whole batch."""
    case = message_case(sync_env)
    wrong = program(case.env, "send-message", "--batch", "-", stdin=batch(case, "one") + '{"text": "two"}\n')
    assert (wrong.returncode, case.ledger()) == (2, [])
    assert "line 2: " in wrong.stderr
    assert "nothing was queued" in wrong.stderr
    dry = program(case.env, "send-message", "--batch", "-", "--yes", "--dry-run", stdin=batch(case, "one"))
    assert (dry.returncode, case.ledger()) == (0, [])
    assert "1 would be queued" in dry.stdout
    assert program(case.env, "send-message", "--batch", "-", "--yes", stdin=batch(case, "one")).returncode == 0
    stranger = json.dumps({"reservation_id": 7, "text": "Hello", "key": "7"})
    mixed = program(
        case.env, "send-message", "--batch", "-", "--yes", "--json", stdin=batch(case, "one", "two") + stranger
    )
    assert mixed.returncode == 1
    report = json.loads(mixed.stdout)
    assert (report["queued"], report["known"], report["refused"]) == (1, 1, 1)
    assert [one["placed"] for one in report["lines"]] == ["known", "queued", "refused"]
    assert "no account" in report["lines"][2]["why_not"]
    for misused in (("7", "x", "--batch", "-"), ("--batch", "/nowhere/at/all")):
        assert program(case.env, "send-message", *misused).returncode == 2


def test_waiting_messages_are_shown_and_can_be_cancelled(sync_env: Build, program: Program) -> None:
    """Every view says until when they wait; a cancelled one is not sent; cancelling it again is reported."""
    case = message_case(sync_env)
    words = ("send-message", str(case.reservation_id), TEXT, "--yes", "--quiet-hours", quiet_hours_now(case))
    assert "would wait until" in program(case.env, *words, "--dry-run").stdout
    waits = program(case.env, *words)
    assert (waits.returncode, waits.stdout.startswith("Waits until ")) == (0, True)
    assert "--now" in program(case.env, *words).stderr
    (number,) = case.ledger("intent_id")
    (listed,) = json.loads(program(case.env, "messages", "list", "--json").stdout)
    assert (listed["is_queued"], listed["not_before_at"] is not None) == (True, True)
    assert "waits for a worker until" in program(case.env, "messages", "list").stdout
    account = str(case.env.account_id)
    assert "1 waiting for a worker, 1 until" in program(case.env, "status", account).stdout
    assert program(case.env, "messages", "cancel", str(number)).stdout.startswith("Cancelled: ")
    case.make_jobs_due()
    case.run_worker()
    assert (case.ledger("state, error"), case.accepted) == ([("failed", "cancelled by a person")], [])
    assert program(case.env, "messages", "cancel", str(number)).returncode == 1
    assert program(case.env, *words[:4], "--quiet-hours", "8").returncode == 2


def test_missing_worker_is_reported_at_once(sync_env: Build, program: Program) -> None:
    """The command that queues a message, status and doctor say so, until a worker runs."""
    case = message_case(sync_env)
    given = ("send-message", "--batch", "-", "--yes")
    queued = program(case.env, *given, stdin=batch(case, "one"))
    assert (queued.returncode, queued.stderr.count("no worker runs")) == (0, 1)
    (account,) = json.loads(program(case.env, "status", "--json").stdout)["accounts"]
    assert [one for one in account["wrong"] if "none runs" in one]
    findings = json.loads(program(case.env, "doctor", "--json").stdout)["findings"]
    assert [one["grade"] for one in findings if one["check"] == "queue"] == ["trouble"]
    process = start_program(case.env.environment(), "worker")
    try:
        eventually(lambda: case.ledger() == ["sent"], "the worker sends it")
        assert "no worker" not in program(case.env, *given, stdin=batch(case, "two")).stderr
        (account,) = json.loads(program(case.env, "status", "--json").stdout)["accounts"]
        assert account["wrong"] == []
    finally:
        kill_process(process)
