from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.messages.test_send_message import kill
from tests.integration.messages.test_send_job import night
from tests.support.barrier import Barrier
from tests.support.deliveries import QUICK, until
from tests.support.messages import SEND, TEXT, a_guest
from tests.support.processes import start_program

from hostaway_sync.model.messages import LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Program
    from tests.support.messages import Guest
    from tests.support.sync_env import Town

    Build = Callable[..., Town]


def batch(guest: Guest, *texts: str) -> str:
    """Write a batch with a line a text."""
    rows = ({"reservation_id": guest.reservation_id, "text": text, "key": f"stay/{text}"} for text in texts)
    return "".join(json.dumps(one) + "\n" for one in rows)


def test_killed_workers_send_each_message_once(town: Build, program: Program) -> None:
    """SIGKILL before the source acts, and after it: a third worker sends the rest, and nothing twice."""
    guest = a_guest(town)
    texts = [f"text {number}" for number in range(6)]
    given = ("send-message", "--batch", "-", "--yes")
    assert program(guest.here, *given, stdin=batch(guest, *texts)).returncode == 0
    for is_answered in (False, True):
        with Barrier(guest.here.sandbox, SEND, answered=is_answered) as held:
            process = start_program(guest.here.environment(), "worker")
            held.wait()
            kill(process)
        assert program(guest.here, *given, stdin=batch(guest, *texts)).returncode == 0
    with guest.mirror.push.worker(rhythm=QUICK):

        def is_settled() -> bool:
            guest.waits_no_more()
            guest.a_minute_passes()
            rows = guest.ledger("state, looks")
            return all(state == "sent" or (state == "outcome_unknown" and looks >= LOOKS) for state, looks in rows)

        until(is_settled, "every row has its message, or waits for a person")
    # A worker sends several at once: another message may have died with it, unheard.
    rows = guest.ledger("intent_id, state, body")
    assert sorted(guest.heard) == sorted(text for _, state, text in rows if state == "sent")
    for intent_id, state, _ in rows:
        if state != "sent":
            guest.mirror.messages.checked_resend(intent_id)
    assert sorted(guest.heard) == texts


def test_a_batch_is_reported_line_by_line(town: Build, program: Program) -> None:
    """What was queued, what was there, what was refused and why; a line that is no message stops all of them."""
    guest = a_guest(town)
    wrong = program(guest.here, "send-message", "--batch", "-", stdin=batch(guest, "one") + '{"text": "two"}\n')
    assert (wrong.returncode, guest.ledger()) == (2, [])
    assert "line 2: " in wrong.stderr
    assert "nothing was queued" in wrong.stderr
    dry = program(guest.here, "send-message", "--batch", "-", "--yes", "--dry-run", stdin=batch(guest, "one"))
    assert (dry.returncode, guest.ledger()) == (0, [])
    assert "1 would be queued" in dry.stdout
    assert program(guest.here, "send-message", "--batch", "-", "--yes", stdin=batch(guest, "one")).returncode == 0
    stranger = json.dumps({"reservation_id": 7, "text": "Hello", "key": "7"})
    mixed = program(
        guest.here, "send-message", "--batch", "-", "--yes", "--json", stdin=batch(guest, "one", "two") + stranger
    )
    assert mixed.returncode == 1
    report = json.loads(mixed.stdout)
    assert (report["queued"], report["known"], report["refused"]) == (1, 1, 1)
    assert [one["placed"] for one in report["lines"]] == ["known", "queued", "refused"]
    assert "no account" in report["lines"][2]["why_not"]
    for misused in (("7", "x", "--batch", "-"), ("--batch", "/nowhere/at/all")):
        assert program(guest.here, "send-message", *misused).returncode == 2


def test_what_waits_is_shown_and_taken_back(town: Build, program: Program) -> None:
    """Until when, in every view; taken back it is not sent, and that is said the second time."""
    guest = a_guest(town)
    words = ("send-message", str(guest.reservation_id), TEXT, "--yes", "--quiet-hours", night(guest))
    assert "would wait until" in program(guest.here, *words, "--dry-run").stdout
    waits = program(guest.here, *words)
    assert (waits.returncode, waits.stdout.startswith("Waits until ")) == (0, True)
    assert "--now" in program(guest.here, *words).stderr
    (number,) = guest.ledger("intent_id")
    (listed,) = json.loads(program(guest.here, "messages", "list", "--json").stdout)
    assert (listed["is_queued"], listed["not_before_at"] is not None) == (True, True)
    assert "waits for a worker until" in program(guest.here, "messages", "list").stdout
    account = str(guest.here.account_id)
    assert "1 waiting for a worker, 1 until" in program(guest.here, "status", account).stdout
    assert program(guest.here, "messages", "cancel", str(number)).stdout.startswith("Cancelled: ")
    guest.waits_no_more()
    guest.works()
    assert (guest.ledger("state, error"), guest.heard) == ([("failed", "cancelled by a person")], [])
    assert program(guest.here, "messages", "cancel", str(number)).returncode == 1
    assert program(guest.here, *words[:4], "--quiet-hours", "8").returncode == 2


def test_that_no_worker_lives_is_said_at_once(town: Build, program: Program) -> None:
    """By whoever queues a message, by status and by doctor; a worker that is there quiets all of them."""
    guest = a_guest(town)
    given = ("send-message", "--batch", "-", "--yes")
    queued = program(guest.here, *given, stdin=batch(guest, "one"))
    assert (queued.returncode, queued.stderr.count("no worker runs")) == (0, 1)
    (account,) = json.loads(program(guest.here, "status", "--json").stdout)["accounts"]
    assert [one for one in account["wrong"] if "none runs" in one]
    findings = json.loads(program(guest.here, "doctor", "--json").stdout)["findings"]
    assert [one["grade"] for one in findings if one["check"] == "queue"] == ["trouble"]
    process = start_program(guest.here.environment(), "worker")
    try:
        until(lambda: guest.ledger() == ["sent"], "the worker sends it")
        assert "no worker" not in program(guest.here, *given, stdin=batch(guest, "two")).stderr
        (account,) = json.loads(program(guest.here, "status", "--json").stdout)["accounts"]
        assert account["wrong"] == []
    finally:
        kill(process)
