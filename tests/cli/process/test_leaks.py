"""A whole life of an account, loud and with all that can fail; every word that came out is searched for secrets."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from tests.cli.conftest import COVERAGE
from tests.cli.webhooks.test_webhooks import hook_of, served
from tests.support import sql
from tests.support.deliveries import eventually
from tests.support.servers.receiver import event

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.sandbox import CLIENT_SECRET
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sandbox.server.webhooks import send
from hostaway_sync.secrets import KEY_FILE, KeyFile
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

    Build = Callable[..., SyncEnv]

PASSWORD = "hunter2-of-the-database"  # noqa: S105  (an example)
LOUD = {"MASTER_KEY": "", "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}


class Witness:
    """Keeps every secret there was, and every word that came out, by where it came from.

    Args:
        env: whose requests are looked at; at each, what `ps` would show is kept as well.
    """

    def __init__(self, env: SyncEnv) -> None:
        self._env = env
        self.secrets = {"client secret": CLIENT_SECRET, "database password": PASSWORD}
        self.words: dict[str, str] = {}
        env.sandbox.on_request(self._see)

    def run(self, *arguments: str, code: int = 0, stdin: str = "", **settings: str) -> None:
        """Run a command of the program."""
        done = subprocess.run(
            [sys.executable, "-m", "hostaway_sync", *arguments],
            env=self._env.environment(**LOUD | settings) | COVERAGE,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.keep(" ".join(arguments), done.stdout + done.stderr)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)

    def keep(self, place: str, words: str) -> None:
        """Keep words."""
        self.words[place] = self.words.get(place, "") + words

    def dump(self) -> None:
        """Keep every row of every table there is, as a backup holds it; bytes are in hexadecimal."""
        with self._env.database.engine.connect() as connection:
            names = connection.execute(
                sa.text(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                )
            ).scalars()
            for name in names.all():
                rows = connection.execute(sa.text(f"SELECT t::text FROM {name} t")).scalars()
                self.keep(f"table {name}", "\n".join(rows))

    def found(self) -> list[tuple[str, str]]:
        """Give which secret came out where, in whichever writing."""
        return [
            (secret, place)
            for secret, value in self.secrets.items()
            for place, words in self.words.items()
            if any(writing in words for writing in _writings(value))
        ]

    def _see(self, request: Request) -> None:
        bearer = request.headers.get("authorization", request.headers.get("Authorization", ""))
        if bearer:
            self.secrets[f"token {bearer[-20:]}"] = bearer.removeprefix("Bearer ")
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.stat().st_uid == os.geteuid():
                    self.keep("ps", path.read_text(encoding="utf-8", errors="replace") + "\n")
            except OSError:
                continue  # it has ended


def _writings(value: str) -> set[str]:
    """Give a secret as it is, and as bytes, URLs, JSON or Basic auth would have it."""
    plain = value.encode()
    return {
        value,
        quote(value, safe=""),
        plain.hex(),
        *(base64.b64encode(b"xyz"[:n] + plain).decode()[4:-4] for n in (0, 1, 2)),
    }


def told(error: BaseException) -> str:
    """Give all that an error says of itself and of where it came from."""
    lines = traceback.format_exception(error)
    chain: BaseException | None = error
    while chain is not None:
        lines += [str(chain), repr(chain), repr(chain.args)]
        chain = chain.__cause__ or chain.__context__
    return "\n".join(lines)


def live(witness: Witness, env: SyncEnv, key_file: Path) -> None:
    """Add, sync, verify, register, deliver, rotate; and all over again with everything that can fail."""
    run = witness.run
    run("account", "add", "70001", "--secret-stdin", stdin="wrong\n", code=1)
    run("account", "add", "70001", "--secret-stdin", stdin=CLIENT_SECRET)
    run("account", "list", "--json")
    with served(env, worker=True, open_files=None, **LOUD) as receiver:
        for _ in range(2):
            run("webhooks", "register", "70001", "--url", receiver.base)
            hook = hook_of(env)
            witness.secrets[f"webhook password {len(witness.secrets)}"] = hook["password"]
            witness.secrets[f"path secret {len(witness.secrets)}"] = urlsplit(hook["url"]).path.rpartition("/")[2]
            env.sandbox.world.create_reservation()
            assert set(env.sandbox.deliver()) == {200}
        login = base64.b64encode(f"{hook['login']}:wrong".encode()).decode()
        for path, expected in ((hook["url"], 401), (hook["url"] + "x", 401)):
            headers = {"Authorization": f"Basic {login}"}
            assert send(path, method="POST", body=event(), headers=headers) == expected
        run("webhooks", "check", "70001", "--json")
        run("webhooks", "list", "--json")
        eventually(
            lambda: sql.rows(env.database, "SELECT count(*) FROM webhook_log WHERE status = 'pending'") == [(0,)],
            "work",
        )
        witness.keep("receiver", receiver.end()[1])
    run("sync", "70001", "--explain", "--json")
    run("verify", "70001", "--json")
    run("status", "70001", "--json")
    run("keys", "rotate", "--json")
    run("keys", "status")
    env.sandbox.revoke_tokens()
    run("sync", "70001", "--full")
    env.sandbox.faults.add(faults.denied(), method="GET", times=None)
    run("sync", "70001", code=1)
    env.sandbox.reconfigure(70001, secret_deleted=True)
    env.sandbox.revoke_tokens()
    run("sync-all", code=1)
    run("webhooks", "check", code=1)
    run("status", "--json")
    run("sync", "70001", code=1, DATABASE_URL=f"postgresql://someone:{PASSWORD}@127.0.0.1:1/nowhere")
    run("sync", "70001", code=78, DATABASE_URL=f"postgresql://someone:{PASSWORD}@x@127.0.0.1:1/nowhere")
    run("sync", "70001", code=78, MASTER_KEY=base64.b64encode(b"x" * 32).decode())
    witness.secrets["another master key"] = base64.b64encode(b"x" * 32).decode()
    for number, key in enumerate(KeyFile(key_file).read()):
        witness.secrets[f"master key {number}"] = base64.b64encode(key).decode()


def test_no_secret_comes_out_anywhere(sync_env: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither output nor logs at their loudest, nor `ps`, nor any table, nor what any error says has one of them."""
    env = sync_env(store=False)
    witness = Witness(env)
    live(witness, env, tmp_path / KEY_FILE)
    witness.dump()
    for name, value in env.environment(**LOUD).items():
        monkeypatch.setenv(name, value)
    failing: list[Callable[[Mirror], object]] = [
        lambda mirror: mirror.sync.run(70001),
        lambda mirror: mirror.sync.verify(70001),
        lambda mirror: mirror.sync.run_all(),
        lambda mirror: mirror.database.query("SELECT * FROM nowhere"),
    ]
    with Mirror(load_settings()) as mirror:
        for act in failing:
            try:
                witness.keep("library", repr(act(mirror)))
            except (HostawaySyncError, sa.exc.SQLAlchemyError) as error:
                witness.keep("errors", told(error))
        witness.keep("library", repr(vars(mirror)) + repr(load_settings()))
    assert {name.split()[0] for name in witness.secrets} == {
        "client",
        "database",
        "token",
        "webhook",
        "path",
        "another",
        "master",
    }
    assert {"ps", "receiver", "errors", "library", "table hostaway.accounts"} <= set(witness.words)
    assert "hostaway_sync" in witness.words["ps"]
    assert witness.found() == []


@pytest.mark.parametrize("value", ["s3cret-of-any-kind", "with space/and+signs=", 'quote"d'])
def test_a_secret_is_found_in_whichever_writing(sync_env: Build, value: str) -> None:
    """What searches for leaks finds one: as text, in a URL, in hexadecimal, in Basic auth."""
    witness = Witness(sync_env(store=False))
    witness.secrets = {"it": value}
    basic = base64.b64encode(f"login:{value}".encode()).decode()
    for words in (f"x{value}x", f"https://x/{quote(value, safe='')}", value.encode().hex(), basic):
        witness.words = {"there": words}
        assert witness.found() == [("it", "there")]
    witness.words = {"there": "nothing of the kind"}
    assert witness.found() == []
