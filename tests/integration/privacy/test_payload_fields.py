from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.servers.receiver import event, renew, running_receiver, store_account
from tests.support.store.guest_data import dump_rows, refresh_and_sync, store_guest
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.errors import ConfigurationError, StoreBusy
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.model.redaction import Redaction, parse_rules
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store import dead_letters, jobs
from hostaway_sync.store.job_attempts import RecordedAttempt
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.privacy import payload_rewrite, payload_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

NAME = "Ida Bergström-漢"
MAIL = "ida.berg@example.org"
SETTING = (
    "*.guestEmail=drop,reservations.guestName=hash,reservations.hostNote=drop,reservations.comment=drop,"
    "messages.body=drop,reservations.customFieldValues=drop,conversations.recipientName=drop"
)


def a_guest(env: SyncEnv, *, told: bool = True) -> int:
    """Store a guest in all tables, also in the inbox if it is `told`, and return the reservation."""
    number = min(env.truth("reservations"))
    store_guest(env, number, NAME, told=told)
    return number


def stored_words(env: SyncEnv) -> list[str]:
    """Return the words of the guest that a row holds."""
    said = dump_rows(env)
    return [word for word in ("Bergstr", "@guests.example", "\\u6f22") if word in said]


def test_hidden_fields_are_in_no_row(sync_env: Build) -> None:
    """Sync, deliveries, quarantine and repair hide them; unchanged records are unchanged by their hash."""
    env = sync_env(reservations=6)
    mirror = env.mirror(payload_fields=SETTING)
    a_guest(env, told=False)
    mirror.sync.run(env.account_id, full=True)
    assert stored_words(env) == []
    versions = sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id")
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id") == versions
    certificate = mirror.sync.verify(env.account_id, deep=True, repair=True)
    assert (certificate.state, sum((certificate.repaired or {}).values())) == ("equal", 0)
    mirror.sync.refresh(env.account_id, Resource.RESERVATIONS, min(env.truth("reservations")))
    assert stored_words(env) == []


def test_changed_setting_rewrites_stored_rows(sync_env: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sync hides the fields in every row, continues after a kill, and finds nothing a second time."""
    env = sync_env(reservations=6)
    number = a_guest(env)
    refresh_and_sync(env)
    assert stored_words(env)
    monkeypatch.setattr(payload_rewrite, "BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(payload_rewrite, "_rewrite_quarantine", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            env.mirror(payload_fields=SETTING).sync.run(env.account_id)
    env.mirror(payload_fields=SETTING).sync.run(env.account_id, full=True)
    assert stored_words(env) == []
    kept = env.rows("reservations")[number]
    assert kept["guestName"].startswith("hmac-sha256:")
    certificate = env.mirror(payload_fields=SETTING).sync.verify(env.account_id, deep=True)
    assert certificate.state == "equal", certificate.document()
    versions = sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id")
    env.mirror(payload_fields=SETTING).sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id") == versions


def test_loosened_rule_restores_fields_with_a_full_sync(sync_env: Build) -> None:
    """Set again, it hides them again."""
    env = sync_env(reservations=6)
    env.mirrored(payload_fields="reservations.guestName=drop")
    assert not any("guestName" in row for row in env.rows("reservations").values())
    assert env.mirror().payload_fields.set_rule("") == ""
    env.mirror().sync.run(env.account_id, full=True)
    assert env.differences() == {}
    env.mirror(payload_fields="reservations.guestName=drop").sync.run(env.account_id)
    assert not any("guestName" in row for row in env.rows("reservations").values())


def test_stricter_setting_becomes_the_rule(sync_env: Build) -> None:
    """In any notation; a setting that hides less, or other fields, is refused with the rule."""
    env = sync_env(reservations=3)
    begun = env.mirror(payload_fields="reservations.guestName=hash")
    rules = [begun.payload_fields.rule]
    begun.sync.run(env.account_id)
    rules.append(begun.payload_fields.rule)
    env.mirror(payload_fields="reservations.guestName=hash reservations.guestName=hash").sync.run(env.account_id)
    assert [*rules, begun.payload_fields.rule] == [None, *["reservations.guestName=hash"] * 2]
    stricter = env.mirror(payload_fields="*.guestEmail=drop, reservations.guestName=drop")
    stricter.sync.run(env.account_id)
    assert stricter.payload_fields.rule == "*.guestEmail=drop,reservations.guestName=drop"
    assert not any("guestName" in row or "guestEmail" in row for row in env.rows("reservations").values())
    before = dump_rows(env)
    for setting in ("", "reservations.guestName=drop", "*.guestEmail=drop", "*.guestEmail=drop,*.guestName=hash"):
        with pytest.raises(ConfigurationError, match="hides less than this database does: set it to what"):
            env.mirror(payload_fields=setting).sync.run(env.account_id, full=True)
    assert dump_rows(env) == before


def test_database_of_an_earlier_release_takes_the_first_setting(sync_env: Build) -> None:
    """Its rows follow an unknown setting: a process without one is refused, the first with one is accepted."""
    env = sync_env(reservations=3)
    env.mirror(payload_fields="reservations.guestName=drop").sync.run(env.account_id)
    with env.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.redactions SET rule = NULL, rule_mark = NULL"))
    with pytest.raises(ConfigurationError, match="this database hides fields of payloads"):
        env.mirror().sync.run(env.account_id)
    versions = sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id")
    mirror = env.mirror(payload_fields="reservations.guestName=drop")
    mirror.sync.run(env.account_id, full=True)
    assert mirror.payload_fields.rule == "reservations.guestName=drop"
    assert sql.rows(env.database, "SELECT id, payload_hash, updated_at FROM reservations ORDER BY id") == versions


def test_running_run_stores_no_newly_hidden_field(sync_env: Build) -> None:
    """It began before the rule: its next page is refused, whatever its setting was."""
    env = sync_env(reservations=6)
    a_guest(env)
    lax = env.mirror()
    with Barrier(env.sandbox, "GET /reservations", answered=True) as barrier, ThreadPoolExecutor(1) as pool:
        run = pool.submit(lax.sync.run, env.account_id, full=True)
        barrier.wait()
        env.mirror().payload_fields.set_rule(SETTING)
        barrier.open.set()
        with pytest.raises(ConfigurationError, match="which fields of payloads this database hides was changed"):
            run.result()
    assert sql.rows(env.database, "SELECT state FROM sync_runs") == [(RunState.FAILED,)]
    assert env.rows("reservations") == {}
    with pytest.raises(ConfigurationError):
        lax.sync.refresh(env.account_id, Resource.RESERVATIONS, min(env.truth("reservations")))
    env.mirror(payload_fields=SETTING).sync.run(env.account_id)
    assert stored_words(env) == []


def test_dead_letter_written_during_a_rewrite_is_hidden(sync_env: Build) -> None:
    """Its transaction copies an old delivery: the rewriting waits for it, and sees its row."""
    env = sync_env(reservations=3)
    number = a_guest(env)
    redaction = env.mirror(payload_fields=SETTING)._container.redaction()  # noqa: SLF001  (the rule begins here)
    assert redaction is not None
    with env.database.engine.begin() as writing:
        now = jobs.read_clock(writing)
        job = Job(env.account_id, RefreshTarget(Resource.RESERVATIONS, number))
        assert (
            dead_letters.add_dead_letter(writing, job, RecordedAttempt(uuid4(), now, now, "no answer", None), until=now)
            is not None
        )
        held = sa.text(
            "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'hostaway.redactions'::regclass"
        )
        assert "RowShareLock" in writing.scalars(held).all()
    impatient = env.database.separate_pool(pool_size=2, patience=0)
    with env.database.engine.begin() as copying, closing(impatient):
        payload_rule.delay_rewrites(copying)
        with pytest.raises(StoreBusy, match="wait until that ends"):
            payload_rewrite.rewrite_stored_payloads(impatient, redaction)
    payload_rewrite.rewrite_stored_payloads(env.database, redaction)
    env.mirror(payload_fields=SETTING).sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT count(*) FROM dead_letters WHERE payload IS NOT NULL") == [(1,)]
    assert stored_words(env) == []


def test_concurrent_processes_agree_on_one_rule(sync_env: Build) -> None:
    """One of two different settings becomes the rule, and the process with the other is refused."""
    env = sync_env(reservations=3)
    settings = ("reservations.guestName=drop", "reservations.phone=drop")
    mirrors = [env.mirror(payload_fields=setting) for setting in settings]
    begin = Event()

    def open_redaction(mirror: Mirror) -> str | None:
        begin.wait(PATIENCE)
        try:
            mirror._container.redaction()  # noqa: SLF001  (what every process opens before it stores anything)
        except ConfigurationError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(open_redaction, mirror) for mirror in mirrors]
        begin.set()
        said = [end.result() for end in ends]
    assert sorted(words is None for words in said) == [False, True]
    assert mirrors[0].payload_fields.rule == settings[said.index(None)]


def test_running_receiver_stores_no_newly_hidden_field(sync_env: Build) -> None:
    """Hostaway sends the delivery again to a receiver with the new rule; none is lost."""
    env = sync_env(reservations=3)
    credentials = renew(env.database, env.account_id)
    with running_receiver(env.database, ring=KeyRing([MASTER_KEY])) as receiver:
        assert receiver.deliver(credentials, event(id=7, guestName="Ann")).status == 200
        env.mirror().payload_fields.set_rule("*.guestName=drop")
        answer = receiver.deliver(credentials, event("reservation.created", id=8, guestName=NAME))
    assert answer.status == 503
    assert "Berg" not in dump_rows(env)


def test_hashed_address_still_finds_its_guest(sync_env: Build) -> None:
    """An address in plain text finds the guests that are stored with its hash."""
    env = sync_env(reservations=6)
    number = min(env.truth("reservations"))
    env.sandbox.account(env.account_id).update_reservation(number, guestEmail=MAIL)
    mirror = env.mirror(payload_fields="*.guestEmail=hash")
    mirror.sync.run(env.account_id)
    assert MAIL not in dump_rows(env)
    assert mirror.privacy.forget_guests(env.account_id, [], [MAIL.upper()]).reservations == (number,)


def test_receiver_stores_deliveries_without_hidden_fields(database: Database) -> None:
    """Neither payload nor bytes of a hidden field; of an unreadable body only the size."""
    store_account(database)
    credentials = renew(database)
    redaction = Redaction(parse_rules("*.guestName=drop,messages.body=hash"), b"s" * 32, VOCABULARY)
    with running_receiver(database, redaction=redaction) as receiver:
        bodies = [event(id=7, guestName=NAME), event("message.received", conversationId=8, body=NAME), NAME.encode()]
        assert {receiver.deliver(credentials, body).status for body in bodies} == {200}
    query = sa.text(
        "SELECT object_id, payload::text || convert_from(body, 'UTF8') AS kept, body FROM hostaway.webhook_log"
    )
    with database.engine.connect() as connection:
        rows = connection.execute(query).all()
    assert {row.object_id for row in rows} == {7, 8, None}
    assert not any("Berg" in (row.kept or bytes(row.body).decode()) for row in rows)
    assert any(b"bytes, blake2b" in bytes(row.body) for row in rows)
