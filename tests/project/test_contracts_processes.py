"""What processes of two releases share: names of locks and jobs, owners, positions, hashes, pointers and marks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from tests.support import sql
from tests.support.automations import write_changes
from tests.support.chaos.changing_list import ChangingList, row
from tests.support.deliveries import deliver
from tests.support.processes import run_program
from tests.support.project.json_outline import a_reservation

from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import Redaction, parse_rules
from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.parsing.resources import hash_payload
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.sandbox import CLIENT_SECRET
from hostaway_sync.secrets import KeyRing, Place
from hostaway_sync.secrets.protocols import format_pointer, read_store_kind, read_version
from hostaway_sync.store import jobs
from hostaway_sync.store.automations.states import AutomationRequest
from hostaway_sync.store.jobs import Job, StartedJob
from hostaway_sync.store.processes import last_release_locks
from hostaway_sync.store.processes.names import has_died
from hostaway_sync.store.schema.move_mark import MoveMark

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sqlalchemy as sa
    from tests.support.db_roles import DbRoles
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

# host / boot / numbering of processes / process / its start # a new word each time
OWNER = r"[^/]+/[0-9a-f-]{36}/pid:\[\d+\]/\d+/\d+#[0-9a-f]{8}"
_NOTE_RIGHTS = """
CREATE TABLE public.noted (name text);
GRANT ALL ON public.noted TO public;
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public.noted VALUES (NEW.name); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT ON hostaway.rights FOR EACH ROW EXECUTE FUNCTION public.note();
"""
_HELD = """
SELECT DISTINCT (CAST(classid AS bigint) << 32) | CAST(objid AS bigint) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
JOBS: list[dict[str, Any]] = [
    {"account_id": 70001, "attempt": 1},
    {"account_id": 70001, "attempt": 1, "full": True},
    {"account_id": 70001, "attempt": 1, "resource": "reservations", "object_id": 5},
    {"account_id": 70001, "attempt": 2, "intent_id": 3, "looks": 1},
    {"account_id": 0, "attempt": 1, "automation_id": 0},
    {"account_id": 0, "attempt": 2, "automation_id": 7},
    {"account_id": 70001, "attempt": 3, "automation_id": 7, "change_id": 12},
    {
        "account_id": 70001,
        "attempt": 3,
        "resource": "messages",
        "object_id": 5,
        "retry_at": "2026-03-01T12:00:00+00:00",
        "began_at": "2026-03-01T11:00:00+00:00",
    },
    {"account_id": 70001, "attempt": 1, "resources": ["listings", "tasks"]},
]
POSITION = (
    '{"version":1,"top":[5,"2026-11-21T00:04:00Z","NQ=="],"lowest":[2,"2026-11-21T00:01:00Z"],'
    '"trail":[5,4,3,2],"recent":[2],"size":2,"counted":4,"count":5,"ids_fall":true}'
)


def test_names_of_the_rights_of_one_process(
    sync_env: Build, db_roles: DbRoles, empty_database_url: str, tmp_path: Path
) -> None:
    """A sync, a message, moved secrets, hidden fields, a migration and a move: each right by its name."""
    env = sync_env(store=False)
    db_roles.execute(_NOTE_RIGHTS)
    mirror = env.mirror()
    mirror.accounts.add(70001, SecretStr(CLIENT_SECRET), name=None, customer_id=None)
    mirror.sync.run(70001)
    with mirror.messages.prepare(MessageRequest(a_reservation(env), "Hello")) as draft:
        draft.send()
    mirror.secrets.move("database")
    mirror.close()
    db_roles.execute("UPDATE hostaway.accounts SET token_expires_at = now()")
    hiding = env.mirror(payload_fields="reservations.phone=drop")
    hiding.sync.run(70001)
    hiding.close()
    target = tmp_path / "url"
    target.write_text(empty_database_url, encoding="utf-8")
    target.chmod(0o600)
    environment = env.environment(PAYLOAD_FIELDS="reservations.phone=drop")
    assert run_program(environment, "migrate").returncode == 0
    env.database.engine.dispose()
    moved = run_program(environment, "database", "move", "--to", str(target))
    assert moved.returncode == 0, moved
    noted = {name for (name,) in sql.rows(env.database, "SELECT name FROM public.noted")}
    (sender,) = (name for name in noted if name.startswith("sender "))
    assert re.fullmatch(f"sender {OWNER}", sender)
    assert noted - {sender} == {
        "messages of account 70001",
        "migrate",
        "moving secrets",
        "moving this mirror",
        "rewriting of payloads",
        "rows of account 70001",
        "rows of account 70001, conversations",
        "rows of account 70001, listings",
        "rows of account 70001, messages",
        "rows of account 70001, reservations",
        "the keys that seal",
        "token of account 70001",
    }


def test_numbers_of_advisory_locks(database: Database) -> None:
    """A right is also the lock of the last release, by a number that PostgreSQL makes of schema and name."""
    (right,) = _asked(database, "SELECT hashtextextended('hostaway: moving secrets', 0)")
    (migrate,) = _asked(database, "SELECT CAST(hashtext('hostaway-sync migrate') AS bigint)")
    with database.claim("moving secrets") as is_ours:
        assert is_ours
        assert _asked(database, _HELD) == [right]
    with database.engine.begin() as connection:
        last_release_locks.acquire_for_transaction(connection, last_release_locks.migration_lock("hostaway"))
        assert _asked(database, _HELD) == [migrate & (2**64 - 1) if migrate > 0 else migrate]


def test_owners_of_leases_are_named_by_host_and_process(sync_env: Build) -> None:
    """Another process of the host can tell from the name alone whether its owner died."""
    env = sync_env()
    owners: set[str] = set()
    env.sandbox.on_request(
        lambda _: owners.update(owner for (owner,) in sql.rows(env.database, "SELECT owner FROM leases"))
    )
    env.mirror().sync.run(env.account_id)
    (owner,) = owners
    assert re.fullmatch(OWNER, owner)
    place, number, word = re.split(r"/(?=\d+#)|#", owner)
    assert not has_died(owner)
    assert has_died(f"{place}/{int(number) - 1}#{word}")


def test_names_and_arguments_of_jobs(sync_env: Build, tmp_path: Path) -> None:
    """Queue, task, urgency, key and arguments, as rows that workers of another release read."""
    env = sync_env()
    mirror = env.mirrored()
    line = tmp_path / "batch"
    line.write_text(json.dumps({"reservation_id": a_reservation(env), "text": "Hi", "key": "k"}), encoding="utf-8")
    assert run_program(env.environment(), "send-message", "--batch", str(line), "--yes").returncode == 0
    mirror.jobs.enqueue_syncs(full=True)
    deliver(env.database, env.account_id, Resource.LISTINGS, 7)
    rows = sql.rows(
        env.database, "SELECT queue_name, task_name, priority, queueing_lock, args FROM procrastinate_jobs ORDER BY 1"
    )
    assert rows == [
        ("refresh", "refresh", 10, "refresh:70001:listings:7", JOBS[2] | {"resource": "listings", "object_id": 7}),
        ("send", "send", 10, "send:70001:1", {"account_id": 70001, "attempt": 1, "intent_id": 1, "looks": 0}),
        ("sync", "sync", 0, "sync:70001", {"account_id": 70001, "attempt": 1, "full": True}),
    ]


def test_keys_of_the_jobs_of_automations() -> None:
    """One for all, one for each automation; attempts and dead letters name one event, too."""
    found = [Job.from_arguments(written) for written in JOBS if "automation_id" in written]
    assert [(job.kind, job.key) for job in found] == [
        ("dispatch", "dispatch"),
        ("deliver", "deliver:7"),
        ("deliver", "deliver:7:12"),
    ]


def test_names_of_the_rights_of_automations(sync_env: Build, db_roles: DbRoles) -> None:
    """Whoever begins to tell, and whoever tells one consumer."""
    db_roles.execute(_NOTE_RIGHTS)
    env = sync_env()
    with env.mirror() as mirror:
        mirror.automations.add(AutomationRequest("cat", ("*",), command=("/bin/cat",)))
        write_changes(env.database, {})
        assert mirror.automations.drain()
    noted = {name for (name,) in sql.rows(env.database, "SELECT name FROM public.noted")}
    assert {"automation 1", "beginning to tell"} <= noted


@pytest.mark.parametrize("written", JOBS, ids=json.dumps)
def test_arguments_of_jobs_are_read_as_they_were_written(written: dict[str, Any]) -> None:
    """Also those that an older release wrote."""
    assert Job.from_arguments(written).to_arguments() == written


def test_a_job_that_was_taken_along_names_its_leader(database: Database) -> None:
    """By the number of the leader's row, so that the job is given back when the leader is gone."""

    def take(connection: sa.Connection) -> list[Any]:
        for number in (5, 6):
            jobs.defer_job(connection, Job.from_arguments(JOBS[2] | {"object_id": number}))
        leader, follower = connection.exec_driver_sql(
            "SELECT id FROM hostaway.procrastinate_jobs ORDER BY id"
        ).scalars()
        connection.exec_driver_sql(f"UPDATE hostaway.procrastinate_jobs SET status = 'doing' WHERE id = {leader}")
        jobs.start_batch(connection, StartedJob(leader, Job.from_arguments(JOBS[2])), limit=5, concurrency=1)
        query = f"SELECT args FROM hostaway.procrastinate_jobs WHERE id = {follower}"
        return [connection.exec_driver_sql(query).scalar_one(), leader]

    args, leader = database.transaction(take)
    assert args == JOBS[2] | {"object_id": 6, "led_by": leader}


def test_position_of_a_walk() -> None:
    """The JSON of `walks.position`, as it is written after a page, and as another process reads it."""
    state = CursorState()
    walk = walk_by_cursor(None, state)
    source = ChangingList([row(number, number - 1) for number in range(5, 0, -1)], limit=2)
    wanted = next(walk)
    for _ in range(2):
        wanted = walk.send(source.by_cursor(wanted[0]))
    assert state.position == POSITION
    decoded = CursorState(POSITION).decode()
    assert decoded is not None
    assert decoded.encode() == POSITION


def test_hashes_of_payloads() -> None:
    """Rule bytes before the digest: all of a payload, or with hidden fields and the mark of which ones."""
    redaction = Redaction(parse_rules("reservations.phone=hash,*.guestName=drop"), b"s" * 32, VOCABULARY)
    assert hash_payload(b'{"id":1}').hex() == "016dbc2ea685505a5de3248e0c8a59ab5c"
    hidden = hash_payload(b'{"id":1}', redaction.redactor_for("reservations")).hex()
    assert hidden == "021480094a4e9ad340c70e6e745ebd5702ba1c523b"
    assert redaction.mark.hex() == "021480094a"
    assert redaction.hash_text(" Ida") == "hmac-sha256:7ab77e0d602ebbafc13e752be3c97626"


def test_what_rows_keep_of_secrets() -> None:
    """A sealed value names its key and opens in its place alone; a pointer names store and version."""
    sealed = bytes.fromhex("01a2f3db37214ce3bcd03349827deeaa1874c3c3ca2951d5a3f1306df2b88d02a2fb1a892a")
    ring = KeyRing([b"k" * 32])
    assert ring.ids == ("a2f3db37",)
    assert ring.open(sealed, Place("accounts", "client_secret", 70001)) == SecretStr("word")
    assert format_pointer("aws", "00ff") == b"\x02aws:00ff"
    assert (read_store_kind(b"\x02aws:00ff"), read_version(b"\x02aws:00ff")) == ("aws", "00ff")
    assert read_store_kind(sealed) == "database"


@pytest.mark.parametrize("kind", ["moved", "moving"])
def test_marks_of_a_move(kind: str) -> None:
    """The mark of a move stands where the revision of the schema was."""
    mark = MoveMark.parse(f"{kind} 0015 0a1b2c3d")
    assert mark is not None
    assert (mark.kind, mark.revision, mark.token, str(mark)) == (kind, "0015", "0a1b2c3d", f"{kind} 0015 0a1b2c3d")


def _asked(database: Database, question: str) -> list[Any]:
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql(question).scalars())
