from __future__ import annotations

import base64
import json
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support.db_roles import DbRoles
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.doctor import examine, host
from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.doctor.timeouts import Question, ask_each
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.secrets import KeyRing
from hostaway_sync.settings import Settings, load_settings
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def settings_of(env: SyncEnv, **changed: Any) -> Settings:
    """Return the settings of a program that mirrors the sandbox."""
    prefix = "HOSTAWAY_SYNC_"
    return load_settings(**{k.removeprefix(prefix).lower(): v for k, v in env.environment().items()} | changed)


def by_check(found: tuple[Finding, ...]) -> dict[str, Grade]:
    """Return the worst grade of each check."""
    return {finding.check: finding.grade for finding in reversed(found)}


def test_doctor_finds_no_trouble_after_a_sync(sync_env: Build, program: Program) -> None:
    """Every check has a line, a missing crontab is a hint, and the exit code is 0."""
    env = sync_env()
    env.mirrored()
    done = program(env, "doctor", "--json")
    document = json.loads(done.stdout)
    grades = {finding["check"]: finding["grade"] for finding in document["findings"]}
    schedule = grades.pop("schedule")
    assert (done.returncode, document["state"], done.stderr) == (0, "ok", "")
    assert schedule in {"ok", "hint"}
    checks = {"database", "key ring", "source", "clock", "token", "budget", "queue", "runs", "webhooks", "disk"}
    assert grades == dict.fromkeys(checks, "ok")


def test_doctor_names_each_trouble_and_what_to_type(sync_env: Build, program: Program) -> None:
    """Troubles come first, such as a refused key and an account never mirrored; exit 1."""
    env = sync_env(accounts=[AccountSpec(70001, reservations=1), AccountSpec(70002, reservations=1)])
    env.mirrored()
    env.sandbox.reconfigure(70002, client_secret="sandbox-secret-other")  # noqa: S106  (obviously not one)
    env.sandbox.revoke_tokens(70002)
    done = program(env, "doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("trouble runs      account 70002: never synced whole")
    assert lines[2].startswith("trouble token     account 70002: Hostaway does not know")
    assert lines[3].strip().startswith("→ `hostaway-sync account update 70002`")
    assert sum(line.startswith("ok") for line in lines) >= 8


def test_doctor_without_a_database_runs_its_other_checks(sync_env: Build) -> None:
    """It checks Hostaway, keys and machine, without a slot of the request budget."""
    env = sync_env()
    found = by_check(examine(settings_of(env, database_url="postgresql://nobody@127.0.0.1:9/nothing")))
    assert found.pop("schedule") in {Grade.OK, Grade.HINT}
    assert found == {
        "database": Grade.TROUBLE,
        "tables": Grade.HINT,
        "key ring": Grade.OK,
        "source": Grade.OK,
        "clock": Grade.OK,
        "disk": Grade.OK,
    }


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "postgresql://u:p@db..example.com/mir",
            "HOSTAWAY_SYNC_DATABASE_URL cannot be used: PostgreSQL's client does not accept the value of host",
        ),
        (f"postgresql://u:{'p%FF'}@127.0.0.1/mir", "HOSTAWAY_SYNC_DATABASE_URL is not a database URL"),
        ("{}options=-cfoo%3Dbar", "HOSTAWAY_SYNC_DATABASE_URL cannot be used: "),
    ],
)
def test_doctor_with_a_wrong_url_runs_its_other_checks(sync_env: Build, url: str, says: str) -> None:
    """The URL may fail by its form, or at the server."""
    env = sync_env()
    own = env.environment()["HOSTAWAY_SYNC_DATABASE_URL"]
    found = examine(settings_of(env, database_url=url.format(f"{own}{'&' if '?' in own else '?'}")))
    assert found[0].says.startswith(says)
    assert by_check(found)["source"] is Grade.OK


def test_doctor_reports_schema_rights_and_clock_of_the_database(sync_env: Build, empty_database_url: str) -> None:
    """A schema without migrations, missing rights and a wrong clock have one finding each."""
    env = sync_env(clock_skew=-600.0)
    found = examine(settings_of(env, database_url=empty_database_url))
    assert found[0].says.startswith("its schema is at revision none")
    with env.database.engine.begin() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS reader_of_doctor"))
        connection.execute(sa.text("CREATE ROLE reader_of_doctor LOGIN"))
        connection.execute(sa.text("GRANT USAGE ON SCHEMA hostaway TO reader_of_doctor"))
        connection.execute(sa.text("GRANT SELECT ON ALL TABLES IN SCHEMA hostaway TO reader_of_doctor"))
    try:
        url = env.database.engine.url.set(username="reader_of_doctor").render_as_string(hide_password=False)
        troubles = [one for one in examine(settings_of(env, database_url=url)) if one.grade is Grade.TROUBLE]
    finally:
        with env.database.engine.begin() as connection:
            connection.execute(sa.text("DROP OWNED BY reader_of_doctor"))
            connection.execute(sa.text("DROP ROLE reader_of_doctor"))
    assert "accounts: delete, insert, update" in troubles[0].says
    assert troubles[1].says.startswith("this machine's clock is ")


def test_doctor_accepts_the_rights_of_a_writer(sync_env: Build) -> None:
    """The documented writer role is enough for every check."""
    env = sync_env()
    db_roles = DbRoles(env.database)
    db_roles.create_groups()
    try:
        url = db_roles.url(db_roles.create_login("clerk", db_roles.groups.writer))
        found = examine(settings_of(env, database_url=url))
    finally:
        db_roles.drop_all()
    assert [one.says for one in found if one.check in {"database", "core"} and one.grade is not Grade.OK] == []
    with env.database.engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA core CASCADE"))
    assert by_check(examine(settings_of(env)))["core"] is Grade.HINT


def test_unreachable_source_is_one_trouble(sync_env: Build) -> None:
    """Doctor does not check the tokens then."""
    env = sync_env()
    env.sandbox.stop()
    found = by_check(examine(settings_of(env)))
    assert (found["source"], found["token"], found["database"]) == (Grade.TROUBLE, Grade.HINT, Grade.OK)


def test_doctor_finds_an_unreachable_receiver(sync_env: Build) -> None:
    """It asks the receiver of a registered webhook in the way in which Hostaway does."""
    env = sync_env()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        register = partial(
            webhook_credentials.renew_credentials,
            vault=KeyRing([MASTER_KEY]),
            account_id=env.account_id,
            url=f"http://127.0.0.1:{port}",
        )
        env.database.transaction(register)
        found = by_check(examine(settings_of(env)))
    assert found["webhooks"] is Grade.TROUBLE


def test_doctor_finds_crontabs_and_timers(tmp_path: Path) -> None:
    """A line in /etc/cron.d counts, a unit counts only with its timer, and an unreadable file is named."""
    for name, text in {
        "etc/cron.d/mirror": "*/5 * * * * sync hostaway-sync sync-all\n",
        "etc/cron.d/other": "* * * * * root true\n",
        "etc/systemd/system/mirror.service": "ExecStart=/usr/bin/hostaway-sync sync-all\n",
        "etc/systemd/system/mirror.timer": "",
        "etc/systemd/system/untimed.service": "ExecStart=/usr/bin/hostaway-sync sync-all\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    places = [place for place in host.find_schedule(tmp_path, tmp_path / "home").places if place != "your crontab"]
    assert places == [str(tmp_path / "etc/cron.d/mirror"), str(tmp_path / "etc/systemd/system/mirror.timer")]


def test_doctor_leaves_out_a_check_without_an_answer() -> None:
    """The other checks do not wait for it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        def ask(number: int) -> int:
            if number == 2:
                with suppress(OSError), socket.create_connection(silent.getsockname()) as connection:
                    connection.recv(1)
            return number

        # A slow machine gets more time: what is held is that only the silent one is left out.
        within = (ask_each([1, 2, 3], ask, until=time.monotonic() + seconds) for seconds in (0.5, 5, 60))
        assert any(sorted(answers) == [1, 3] for answers in within)
        try:
            Question(lambda: ask(2)).wait_for_answer(time.monotonic())
        except TimeoutError:
            return
    raise AssertionError


def troubles_of(found: tuple[Finding, ...]) -> list[str]:
    """Return the check of each trouble."""
    return [finding.check for finding in found if finding.grade is Grade.TROUBLE]


@pytest.mark.parametrize("broken", ["key", "source", "read-only", "address"])
def test_one_cause_is_one_trouble(sync_env: Build, broken: str) -> None:
    """Checks that the same cause makes useless for five accounts are left out, and say so."""
    numbers = range(70001, 70006)
    env = sync_env(accounts=[AccountSpec(number, reservations=1) for number in numbers])
    changed: dict[str, Any] = {}
    if broken == "key":
        changed["master_key"] = base64.b64encode(b"o" * 32).decode()
    elif broken == "source":
        env.sandbox.stop()
    elif broken == "address":
        changed["api_url"] = "http://127.0.0.1:9/v1"
    else:
        name = env.database.engine.url.database
        env.database.transaction(
            lambda connection: connection.execute(
                sa.text(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            )
        )
    try:
        found = examine(settings_of(env, **changed))
    finally:
        if broken == "read-only":
            with env.database.engine.begin() as connection:
                connection.execute(sa.text("SET TRANSACTION READ WRITE"))
                connection.execute(sa.text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
    causes = {"key": "key ring", "source": "source", "address": "source", "read-only": "database"}
    assert troubles_of(found) == [causes[broken]], [finding.says for finding in found]
    left = {finding.check for finding in found if finding.says.startswith("not looked at: ")}
    assert left == {"tables"} if broken == "read-only" else {"token", "runs"}
