from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.automations import (
    BRIEF,
    add_automation,
    drain,
    event_number,
    ids,
    let_time_pass,
    open_mirror,
    write_changes,
)
from tests.support.servers.consumer import Answer, Heard, consuming

from hostaway_sync.automations.dispatch_job import PAGE
from hostaway_sync.errors import AutomationError
from hostaway_sync.outbound.client import OutboundLimits
from hostaway_sync.store.automations.states import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

CANCELLED = {"keys": ["status"], "before": {"status": "new"}, "after": {"status": "cancelled"}}


def answering(status: int, _: Heard) -> Answer:
    """Answer with a status, whatever was heard."""
    return Answer(status)


def test_a_consumer_is_told_of_each_change_once(sync_env: Build) -> None:
    """It is told of those after it was added, with the changed keys old and new."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        write_changes(env.database, {"record_id": "7"})
        add_automation(mirror, "crm", consumer.url + "/hook")
        written = write_changes(env.database, CANCELLED, {"change": "inserted", "record_id": "2", "after": {"a": 1}})
        assert drain(mirror)
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{number}" for number in written]
        told = consumer.heard[0].document
        assert (told["id"], told["type"]) == (consumer.heard[0].headers["webhook-id"], "reservation.cancelled")
        assert told["data"]["changed"] == {"status": {"old": "new", "new": "cancelled"}}
        assert (told["data"]["account_id"], told["data"]["record_id"]) == ("70001", "1")
        assert [one.state for one in mirror.automations.deliveries("crm", limit=9)] == [DeliveryState.DELIVERED] * 2
        write_changes(env.database, {})
        add_automation(mirror, "later", consumer.url + "/later")
        assert drain(mirror)
        assert (len(consumer.heard), mirror.automations.deliveries("later", limit=9)) == (3, [])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(500), "it answered 500"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), "it answered 302; redirects are not followed"),
        (Answer(drip=True), "did not answer in time"),
    ],
    ids=["500", "redirect", "silence"],
)
def test_a_failure_is_tried_again_and_holds_back_its_record_alone(
    sync_env: Build, answer: Answer, sentence: str
) -> None:
    """Later events of the record wait behind it; those of other records do not."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        mirror.automations.limits = OutboundLimits(total_s=0.3)
        add_automation(mirror, "crm", consumer.url)
        first, second, other = write_changes(env.database, {}, {}, {"record_id": "2"})
        consumer.answer = lambda heard: answer if event_number(heard) == f"evt_{first}" else Answer()
        assert drain(mirror)
        assert ids(consumer) == [f"evt_{first}", f"evt_{other}"]
        _, _, waiting = mirror.automations.deliveries("crm", limit=9)
        assert (waiting.state, waiting.attempts) == (DeliveryState.WAITING, 1)
        assert sentence in (waiting.error or "")
        consumer.answer = lambda _: Answer()
        let_time_pass(env.database)
        assert drain(mirror)
        assert ids(consumer)[2:] == [f"evt_{first}", f"evt_{second}"]
        assert mirror.automations.get("crm").failing_since is None


def test_an_event_that_always_fails_becomes_a_dead_letter(sync_env: Build) -> None:
    """After the last try its record goes on, and a person can have it told again."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        first, second = write_changes(env.database, {}, {})
        consumer.answer = lambda heard: Answer(500 if event_number(heard) == f"evt_{first}" else 200)
        for _ in range(8):
            assert drain(mirror)
            let_time_pass(env.database)
        assert ids(consumer) == [f"evt_{first}"] * 7 + [f"evt_{second}"]
        (letter,) = mirror.jobs.list_dead_letters()
        assert (letter.kind, letter.job, len(letter.history)) == ("automation", f"deliver:1:{first}", 7)
        assert letter.error == "automation crm: it answered 500"
        assert mirror.automations.get("crm").dead == 1
        consumer.answer = lambda _: Answer()
        mirror.jobs.retry_dead_letter(letter.dead_letter_id)
        assert drain(mirror)
        assert ids(consumer)[-1] == f"evt_{first}"
        assert mirror.automations.get("crm").dead == 0


def test_a_consumer_that_is_gone_or_failing_for_days_is_disabled(sync_env: Build) -> None:
    """What waits for it stays, and is told when it is enabled."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        for status, words in ((410, "410 Gone"), (500, "no telling succeeded since")):
            consumer.answer = partial(answering, status)
            (number,) = write_changes(env.database, {})
            if status == 500:
                sql.execute(env.database, "UPDATE automations SET failing_since = now() - interval '121 hours'")
            assert drain(mirror)
            automation = mirror.automations.get("crm")
            assert (automation.is_active, automation.waiting) == (False, 1)
            assert words in (automation.disabled_reason or "")
            write_changes(env.database, {"record_id": "9"})
            consumer.answer = lambda _: Answer()
            mirror.automations.enable("crm")
            assert drain(mirror)
            assert ids(consumer)[-1] == f"evt_{number}"
            assert mirror.automations.get("crm").disabled_reason is None


def test_a_consumer_that_does_not_answer_is_left_alone(sync_env: Build) -> None:
    """It costs three requests in a round, whatever waits for it, and holds up no other one."""
    env = sync_env()
    with consuming() as dead, consuming() as living, open_mirror(env, dead, living) as mirror:
        dead.answer = lambda _: Answer(503)
        add_automation(mirror, "dead", dead.url)
        add_automation(mirror, "living", living.url)
        written = write_changes(env.database, *({"record_id": str(number)} for number in range(30)))
        assert drain(mirror)
        assert (len(dead.heard), len(living.heard)) == (3, 30)
        assert mirror.automations.get("dead").not_before_at is not None
        dead.answer = lambda _: Answer()
        let_time_pass(env.database)
        assert drain(mirror)
        assert set(ids(dead)) == {f"evt_{number}" for number in written}


def test_conditions_accounts_and_events_choose(sync_env: Build) -> None:
    """An automation is told of what all of them fit."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "cancelled", consumer.url + "/c", events=("reservation.cancelled",))
        add_automation(mirror, "mine", consumer.url + "/m", account_ids=(70001,), events=("reservation.updated",))
        sql.execute(env.database, "INSERT INTO accounts (account_id, client_secret) VALUES (5, '')")
        mine, _, gone = write_changes(env.database, {}, {"account_id": 5}, {**CANCELLED, "account_id": 5})
        assert drain(mirror)
        told = defaultdict(list)
        for one in consumer.heard:
            told[one.path].append(event_number(one))
        assert told == {"/m": [f"evt_{mine}"], "/c": [f"evt_{gone}"]}


def test_numbers_are_told_with_all_digits_however_many(sync_env: Build) -> None:
    """Also those that Python does not read as integers; an amount is compared as a number."""
    env = sync_env(listings=1, reservations=1, conversations=False)
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        mirror.sync.run(env.account_id)
        sql.execute(env.database, """UPDATE reservations SET raw_payload = raw_payload || '{"totalPrice": 4321.00}'""")
        (number, total) = sql.row(env.database, "SELECT reservation_id, guest_total FROM core.reservations")
        assert str(total) == "4321.00"
        add_automation(mirror, "crm", consumer.url, conditions={"guest_total": ("4321",)})
        sql.execute(env.database, "DELETE FROM changes")
        write_changes(env.database, {"record_id": number, "keys": ["a", "b"]})
        numbers = """'{"a": 1e9999, "b": 0.10}'"""
        sql.execute(env.database, f"UPDATE changes SET before = {numbers}, after = {numbers}")
        assert drain(mirror)
        (heard,) = consumer.heard
        assert b'"new":1' + b"0" * 9999 + b"}" in heard.body
        assert b'"new":0.10}' in heard.body
        assert b'"guest_total":4321.00,' in heard.body


def test_many_automations_are_told_of_a_full_page_of_changes(sync_env: Build) -> None:
    """PostgreSQL takes 65,535 parameters a statement; each is told of each change."""
    env = sync_env()
    with open_mirror(env) as mirror:
        for number in range(24):
            add_automation(mirror, f"crm{number}", command=("/bin/true",))
        write_changes(env.database, *({"record_id": str(number)} for number in range(PAGE)))
        mirror.automations.drain(within=timedelta(seconds=1), timings=BRIEF)
        assert sql.row(env.database, "SELECT count(*) FROM automation_deliveries") == (24 * PAGE,)


def test_the_row_of_core_is_told_and_compared(sync_env: Build) -> None:
    """As it is when it is told, without what Hostaway sent; a record without a row meets no condition."""
    env = sync_env(listings=1, reservations=3, conversations=False)
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        mirror.sync.run(env.account_id)
        (number, key) = sql.row(
            env.database, "SELECT reservation_id, reservation_key FROM core.reservations ORDER BY 1"
        )
        add_automation(mirror, "one", consumer.url + "/one", conditions={"reservation_key": (key,)})
        add_automation(mirror, "all", consumer.url + "/all")
        write_changes(env.database, {"record_id": number}, {"record_id": "99"}, {"resource": "tasks"})
        assert drain(mirror)
        told = {path: [one.document for one in consumer.heard if one.path == path] for path in ("/one", "/all")}
        assert [one["data"]["record_id"] for one in told["/one"]] == [number]
        assert [one["data"]["row"] is None for one in told["/all"]] == [False, True, True]
        row = told["/one"][0]["data"]["row"]
        assert (row["reservation_id"], row["reservation_key"]) == (number, key)
        assert "status" in row
        assert "raw_payload" not in row


def test_nobody_is_told_of_what_is_gone(sync_env: Build) -> None:
    """Neither of an account that was erased while its events waited, nor by an automation that was removed."""
    env = sync_env()
    with consuming() as consumer, open_mirror(env, consumer) as mirror:
        add_automation(mirror, "crm", consumer.url)
        write_changes(env.database, {}, {"record_id": "2"}, {"record_id": "3"})

        def erase(_: Heard) -> Answer:
            for table in ("automation_deliveries", "changes"):
                sql.execute(env.database, f"DELETE FROM {table} WHERE account_id = 70001")
            return Answer(500)

        consumer.answer = erase
        assert drain(mirror)
        assert len(consumer.heard) == 1
        assert sql.rows(env.database, "SELECT * FROM job_attempts") == []
        write_changes(env.database, {})
        mirror.automations.remove("crm")
        assert drain(mirror)
        assert len(consumer.heard) == 1
        with pytest.raises(AutomationError, match="there is no automation 'crm'"):
            mirror.automations.get("crm")
