from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.automations import add_automation, open_mirror, write_changes
from tests.support.barrier import PATIENCE
from tests.support.deliveries import eventually
from tests.support.processes import printed_text, run_program, start_program
from tests.support.servers.consumer import Answer, Heard, consuming

from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ERASED, OTHER = 70001, 70002


def test_an_account_erased_under_way_is_told_and_printed_no_more(sync_env: Build) -> None:
    """A worker tells its changes and a reader follows them meanwhile; both go on with those of the other account."""
    env = sync_env(accounts=[AccountSpec(number, listings=1, reservations=1) for number in (ERASED, OTHER)])
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        for number in (ERASED, OTHER):
            mirror.sync.run(number)
        add_automation(mirror, "crm", consumer.url)
        is_erased = threading.Event()
        held: list[Heard] = []

        def answer(heard: Heard) -> Answer:
            held.append(heard)
            return Answer(200 if len(held) < 3 or is_erased.wait(PATIENCE) else 500)

        consumer.answer = answer
        write_changes(env.database, *({"account_id": ERASED, "record_id": str(n)} for n in range(40)))
        settings = env.environment(AUTOMATION_HOSTS=consumer.url)
        reader = start_program(env.environment(), "changes", "--follow", "--json")
        eventually(lambda: len(lines_of(env, ERASED)) == 40, "the changes of the account in the feed")
        worker = start_program(settings, "worker")
        eventually(lambda: len(held) == 3, "a request that is under way")
        removed = run_program(settings, "account", "remove", str(ERASED), "--purge", "--yes")
        assert (removed.returncode, removed.stderr) == (0, "")
        is_erased.set()
        env.sandbox.account(OTHER).update_reservation(min(env.truth("reservations", OTHER)), hostNote="late")
        mirror.sync.run(OTHER)
        eventually(lambda: len(consumer.heard) > 3, "the event of the other account")
        eventually(lambda: lines_of(env, OTHER), "the change of the other account in the feed")
        told = [one.document["data"]["account_id"] for one in consumer.heard]
        assert told == [str(ERASED)] * 3 + [str(OTHER)]
        assert len(lines_of(env, ERASED)) == 40
        assert (worker.is_alive(), reader.is_alive()) == (True, True)
        for process in (worker, reader):
            process.terminate()
            process.join(PATIENCE)
        assert "Traceback" not in printed_text(env.environment())
        assert sql.rows(env.database, "SELECT DISTINCT account_id FROM automation_deliveries") == [(OTHER,)]
        assert sql.rows(env.database, "SELECT * FROM dead_letters") == []


def lines_of(env: SyncEnv, account_id: int) -> list[Any]:
    """Return the changes of an account that the reader has printed, but for the outcomes of its runs."""
    whole = [line for line in printed_text(env.environment()).splitlines(keepends=True) if line.endswith("}\n")]
    changes = [json.loads(line) for line in whole if line.startswith("{")]
    return [one for one in changes if one["account_id"] == str(account_id) and one["resource"] == "reservations"]
