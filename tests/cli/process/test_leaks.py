"""All that an account can do, at the loudest log level and with all faults; the output is searched for secrets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import eventually
from tests.support.programs.secret_witness import LOUD, PASSWORD, SecretWitness, error_text
from tests.support.servers.receiver import event
from tests.support.servers.webhook_program import registered_webhook, serve_webhooks

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.sandbox import CLIENT_SECRET
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sandbox.server.webhooks import send_request
from hostaway_sync.secrets import KEY_FILE, KeyFile
from hostaway_sync.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def live(witness: SecretWitness, env: SyncEnv, key_file: Path) -> None:
    """Add, sync, verify, register, deliver and rotate; then again with every fault."""
    run = witness.run
    run("account", "add", "70001", "--secret-stdin", stdin="wrong\n", code=1)
    run("account", "add", "70001", "--secret-stdin", stdin=CLIENT_SECRET, in_view=True)
    run("account", "list", "--json")
    with serve_webhooks(env, worker=True, open_files=None, **LOUD) as receiver:
        for _ in range(2):
            run("webhooks", "register", "70001", "--url", receiver.base)
            hook = registered_webhook(env)
            witness.secrets[f"webhook password {len(witness.secrets)}"] = hook["password"]
            witness.secrets[f"path secret {len(witness.secrets)}"] = urlsplit(hook["url"]).path.rpartition("/")[2]
            env.sandbox.world.create_reservation()
            assert set(env.sandbox.deliver()) == {200}
        login = base64.b64encode(f"{hook['login']}:wrong".encode()).decode()
        for path, expected in ((hook["url"], 401), (hook["url"] + "x", 401)):
            headers = {"Authorization": f"Basic {login}"}
            assert send_request(path, method="POST", body=event(), headers=headers) == expected
        run("webhooks", "check", "70001", "--json")
        run("webhooks", "list", "--json")
        eventually(
            lambda: sql.rows(env.database, "SELECT count(*) FROM webhook_log WHERE status = 'pending'") == [(0,)],
            "work",
        )
        witness.keep("receiver", receiver.end()[1])
    run("sync", "70001", "--explain", "--json", in_view=True)
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


def test_no_secret_appears_anywhere(sync_env: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither output nor the loudest logs, nor `ps`, any table or any error has one."""
    env = sync_env(store=False)
    witness = SecretWitness(env)
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
                witness.keep("errors", error_text(error))
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
def test_secret_scan_finds_each_encoding_of_a_secret(sync_env: Build, value: str) -> None:
    """As text, in a URL, in hexadecimal, and in Basic auth."""
    witness = SecretWitness(sync_env(store=False))
    witness.secrets = {"it": value}
    basic = base64.b64encode(f"login:{value}".encode()).decode()
    for words in (f"x{value}x", f"https://x/{quote(value, safe='')}", value.encode().hex(), basic):
        witness.words = {"there": words}
        assert witness.found() == [("it", "there")]
    witness.words = {"there": "nothing of the kind"}
    assert witness.found() == []
