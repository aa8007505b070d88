from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.deliveries import eventually
from tests.support.processes import printed_text, start_program
from tests.support.programs.program import COVERAGE
from tests.support.servers.webhook_program import serve_webhooks
from tests.support.store.table_locks import hold_lock, wait_for_waiter
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.sandbox import CLIENT_SECRET
from hostaway_sync.secrets import KEY_FILE, KeyRing, find_key_ring
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NEW = b"n" * 32
MANY = 2 * sealing.BATCH + 10


def text_of(*keys: bytes) -> str:
    """Return keys in the form of the setting."""
    return ",".join(base64.b64encode(key).decode() for key in keys)


def id_of(key: bytes) -> str:
    """Return a key's short id."""
    return KeyRing([key]).ids[0]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return the key file that seals the accounts' secrets, where no setting holds a key."""
    path = tmp_path / KEY_FILE
    path.touch(mode=0o600)
    path.write_text(text_of(MASTER_KEY), encoding="ascii")
    return path


def document(program: Program, env: SyncEnv, *arguments: str, code: int = 0, **settings: str) -> Any:
    """Run a command of `keys` and return its JSON."""
    done = program(env, "keys", *arguments, "--json", **settings)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def put(env: SyncEnv, column: sa.Column[bytes], value: bytes) -> None:
    """Write bytes into a sealed column."""
    with env.database.engine.begin() as connection:
        connection.execute(sa.update(accounts).values({column: value}))


def keys_in_use(env: SyncEnv) -> dict[str | None, int]:
    """Count sealed values by key."""
    return dict(env.database.transaction(sealing.values_by_key))


def test_keys_status_lists_keys_with_source_and_use(sync_env: Build, program: Program) -> None:
    """Short ids and counts of sealed values; nothing on stderr where all is well."""
    env = sync_env()
    found = document(program, env, "status", MASTER_KEY=text_of(NEW, MASTER_KEY))
    assert found == {
        "store": "database",
        "leaving": None,
        "kind": "variable",
        "source": "HOSTAWAY_SYNC_MASTER_KEY",
        "keys": [
            {"key": id_of(NEW), "values": 0, "seals": True, "is_known": True},
            {"key": id_of(MASTER_KEY), "values": 2, "seals": False, "is_known": True},
        ],
        "plain": 0,
        "outside": 0,
    }
    shown = program(env, "keys", "status")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "The keys come from HOSTAWAY_SYNC_MASTER_KEY." in shown.stdout
    assert id_of(MASTER_KEY) in shown.stdout


def test_keys_status_reports_missing_keys_and_plain_text(sync_env: Build, program: Program) -> None:
    """One sentence each."""
    env = sync_env()
    put(env, accounts.c.access_token, b"hunter2")
    done = program(env, "keys", "status", "--json", MASTER_KEY=text_of(NEW))
    assert done.returncode == 0
    assert json.loads(done.stdout)["keys"][1] == {
        "key": id_of(MASTER_KEY),
        "values": 1,
        "seals": False,
        "is_known": False,
    }
    assert (
        f"1 values are sealed with key {id_of(MASTER_KEY)}, which is missing: restore it from your backup"
        in done.stderr
    )
    assert "1 values are not sealed: `hostaway-sync keys rotate` seals them" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_keys_check_opens_every_sealed_value(sync_env: Build, program: Program) -> None:
    """Silent and 0 where all open; else 1, and the place of each value, never the value."""
    env = sync_env()
    quiet = program(env, "keys", "check")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert document(program, env, "check") == {"values": 2, "orphans": 0, "troubles": []}
    put(env, accounts.c.access_token, b"hunter2")
    put(env, accounts.c.webhook_password, b"\x01" + bytes(40))
    done = program(env, "keys", "check", "--json")
    assert done.returncode == 1
    first, second = json.loads(done.stdout)["troubles"]
    assert (first["table"], first["column"], first["primary_key"], first["is_plain"]) == (
        "accounts",
        "access_token",
        70001,
        True,
    )
    assert (second["column"], second["is_plain"]) == ("webhook_password", False)
    assert "accounts.webhook_password of 70001 is sealed with key 00000000" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_missing_key_is_an_error_and_creates_none(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """Exit 78 from every command that needs the key."""
    env = sync_env()
    for arguments in (("keys", "status"), ("keys", "check"), ("keys", "rotate"), ("sync", "70001")):
        done = program(env, *arguments, MASTER_KEY="")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
        assert "restore the key from your backup" in done.stderr
    assert not (tmp_path / KEY_FILE).exists()


def test_unknown_key_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 78; the sentence has the key's short id."""
    done = program(sync_env(), "sync", "70001", MASTER_KEY=text_of(NEW))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert f"is sealed with key {id_of(MASTER_KEY)}, which this key ring does not hold" in done.stderr


def test_keys_status_creates_no_key(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """Nothing is sealed yet, and reading must not change that."""
    assert program(sync_env(store=False), "keys", "status", MASTER_KEY="").returncode == 78
    assert not (tmp_path / KEY_FILE).exists()


def test_rotation_adds_a_key_to_the_key_file(sync_env: Build, program: Program, key_file: Path) -> None:
    """It seals all values; the old key stays for backups; stderr says to back the file up."""
    env = sync_env()
    done = program(env, "keys", "rotate", "--json", MASTER_KEY="")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert f"put a new key in front of {key_file}. Back it up" in done.stderr
    ring = find_key_ring(None, key_file.parent, may_create=False)
    assert ring.ids[1:] == (id_of(MASTER_KEY),)
    assert json.loads(done.stdout) == {
        "made": ring.ids[0],
        "seals": ring.ids[0],
        "resealed": 2,
        "retired": [],
        "unused": [id_of(MASTER_KEY)],
        "troubles": [],
    }
    assert keys_in_use(env) == {ring.ids[0]: 2}
    assert program(env, "sync", "70001", MASTER_KEY="").returncode == 0


def test_unused_old_keys_are_removed_on_demand(sync_env: Build, program: Program, key_file: Path) -> None:
    """A key that seals a value stays."""
    env = sync_env()
    ring = KeyRing([b"x" * 32])
    damaged = bytearray(ring.seal(SecretStr("hunter2"), sealing.place_of(accounts.c.webhook_password, 70001)))
    damaged[-1] ^= 1
    put(env, accounts.c.webhook_password, bytes(damaged))
    key_file.write_text(text_of(MASTER_KEY, b"x" * 32, b"y" * 32), encoding="ascii")
    done = document(program, env, "rotate", "--retire", code=1, MASTER_KEY="")
    left = find_key_ring(None, key_file.parent, may_create=False)
    assert left.ids == (done["made"], ring.ids[0])
    assert set(done["retired"]) == {id_of(MASTER_KEY), id_of(b"y" * 32)}
    assert [trouble["column"] for trouble in done["troubles"]] == ["webhook_password"]
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_rotation_leaves_keys_in_the_environment_to_the_operator(sync_env: Build, program: Program) -> None:
    """With one key the output says what to do; a new one in front of it then seals everything."""
    env = sync_env()
    done = program(env, "keys", "rotate")
    assert (done.returncode, done.stdout) == (78, "")
    assert "comes from HOSTAWAY_SYNC_MASTER_KEY: put a new key before it" in done.stderr
    both = text_of(NEW, MASTER_KEY)
    rotated = document(program, env, "rotate", MASTER_KEY=both)
    assert (rotated["made"], rotated["seals"], rotated["resealed"]) == (None, id_of(NEW), 2)
    assert rotated["unused"] == [id_of(MASTER_KEY)]
    again = program(env, "keys", "rotate", MASTER_KEY=both)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert program(env, "sync", "70001", MASTER_KEY=text_of(NEW)).returncode == 0


def test_retire_does_not_change_keys_of_the_environment(sync_env: Build, program: Program) -> None:
    """Exit 2, and nothing changes."""
    env = sync_env()
    done = program(env, "keys", "rotate", "--retire", MASTER_KEY=text_of(NEW, MASTER_KEY))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the keys come from HOSTAWAY_SYNC_MASTER_KEY: remove the old key there" in done.stderr
    assert keys_in_use(env) == {id_of(MASTER_KEY): 2}


def test_account_gets_a_new_secret_after_a_lost_key(sync_env: Build, program: Program) -> None:
    """A new key and `account update` are enough for its syncs."""
    env = sync_env()
    lost = program(env, "sync", "70001", MASTER_KEY=text_of(NEW))
    assert lost.returncode == 78
    done = program(env, "account", "update", "70001", "--secret-stdin", stdin=CLIENT_SECRET, MASTER_KEY=text_of(NEW))
    assert (done.returncode, done.stderr) == (0, "")
    assert program(env, "sync", "70001", MASTER_KEY=text_of(NEW)).returncode == 0
    assert keys_in_use(env) == {id_of(NEW): 2}


def test_rotation_seals_plain_text(sync_env: Build, program: Program) -> None:
    """It uses the present key where there is no new one."""
    env = sync_env()
    put(env, accounts.c.client_secret, b"sandbox-secret-70001")
    assert document(program, env, "rotate")["resealed"] == 1
    assert document(program, env, "check") == {"values": 2, "orphans": 0, "troubles": []}
    assert keys_in_use(env) == {id_of(MASTER_KEY): 2}


PROMPTING = """
import threading
from keyring.backend import KeyringBackend

class Prompting(KeyringBackend):
    priority = 9
    def get_password(self, service, username):
        threading.Event().wait()
    set_password = delete_password = get_password
"""


@pytest.mark.parametrize(("setting", "code"), [("", 0), ("true", 78)])
def test_keyring_that_prompts_does_not_block_cron(
    sync_env: Build, key_file: Path, tmp_path: Path, setting: str, code: int
) -> None:
    """Without a terminal the keyring is not asked; where the setting demands it, the program ends with a sentence."""
    (tmp_path / "prompting.py").write_text(PROMPTING, encoding="utf-8")
    env = sync_env()
    found = {"PYTHON_KEYRING_BACKEND": "prompting.Prompting", "PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    done = subprocess.run(
        [sys.executable, "-m", "hostaway_sync", "keys", "check"],
        env=env.environment(MASTER_KEY="", KEYRING=setting) | found | COVERAGE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", int(code > 0)), done.stderr
    assert ("it did not answer within seconds" in done.stderr) is (code > 0)
    assert key_file.exists()


def many_accounts(env: SyncEnv) -> None:
    """Store more accounts than three batches hold."""
    ring = KeyRing([MASTER_KEY])

    def write(connection: sa.Connection) -> None:
        rows = [
            {
                "account_id": number,
                "client_secret": sealing.seal_value(connection, ring, SecretStr("x"), accounts.c.client_secret, number),
            }
            for number in range(1, MANY + 1)
        ]
        connection.execute(sa.insert(accounts), rows)

    env.database.transaction(write)


# Where a rotation is killed, and how many values the new key seals then.
POINTS = {
    "before the new key is made": (
        f"INSERT INTO hostaway.rights VALUES ('{sealing.RIGHT}') ON CONFLICT (name) DO UPDATE SET name = excluded.name",
        1,
        0,
    ),
    "before its first batch": ("SELECT 1 FROM hostaway.accounts WHERE account_id = 1 FOR UPDATE", 2, 0),
    "between two batches": (
        f"SELECT 1 FROM hostaway.accounts WHERE account_id = {sealing.BATCH + 1} FOR UPDATE",
        2,
        sealing.BATCH,
    ),
    "before its last value": (
        f"SELECT 1 FROM hostaway.accounts WHERE account_id = {MANY} FOR UPDATE",
        2,
        2 * sealing.BATCH,
    ),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_rotation_is_completed_by_the_next(
    sync_env: Build, program: Program, key_file: Path, point: str
) -> None:
    """After SIGKILL every value opens; the next run uses the same new key for the rest."""
    env = sync_env(store=False)
    many_accounts(env)
    statement, keys, done = POINTS[point]
    with hold_lock(env, statement):
        process = start_program(env.environment(MASTER_KEY=""), "keys", "rotate")
        wait_for_waiter(env)
        process.kill()
        process.join(PATIENCE)
    assert process.exitcode == -9
    ring = find_key_ring(None, key_file.parent, may_create=False)
    assert len(ring.ids) == keys
    assert keys_in_use(env).get(id_of(MASTER_KEY)) == MANY - done
    assert document(program, env, "check", MASTER_KEY="")["troubles"] == []
    again = document(program, env, "rotate", "--retire", MASTER_KEY="")
    assert (again["made"] is None) is (keys == 2)
    assert keys_in_use(env) == {again["seals"]: MANY}
    left = find_key_ring(None, key_file.parent, may_create=False)
    assert left.ids == (again["seals"],)
    if keys == 2:
        assert again["seals"] == ring.ids[0]


def test_concurrent_rotations_create_one_key(sync_env: Build, key_file: Path) -> None:
    """The second one continues the work of the first."""
    env = sync_env(store=False)
    many_accounts(env)
    with hold_lock(env, POINTS["before the new key is made"][0]):
        processes = [start_program(env.environment(MASTER_KEY=""), "keys", "rotate") for _ in range(2)]
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        eventually(lambda: sql.rows(env.database, query) == [(2,)], "both wait")
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    ring = find_key_ring(None, key_file.parent, may_create=False)
    assert keys_in_use(env) == {ring.ids[0]: MANY}
    assert len(ring.ids) == 2


def test_token_renewed_during_a_rotation_uses_the_new_key(sync_env: Build, program: Program, key_file: Path) -> None:
    """A run that read the old key file continues, and seals its new token with the new key."""
    env = sync_env()
    environment = env.environment(MASTER_KEY="")
    with Barrier(env.sandbox, "GET /reservations") as barrier:
        process = start_program(environment, "sync", "70001")
        barrier.wait()
        rotated = document(program, env, "rotate", "--retire", MASTER_KEY="")
        env.sandbox.revoke_tokens()
    process.join(PATIENCE)
    assert process.exitcode == 0, printed_text(environment)
    assert env.sandbox.calls["POST /accessTokens"] == 1
    assert keys_in_use(env) == {rotated["seals"]: 2}
    assert rotated["retired"] == [id_of(MASTER_KEY)]
    assert key_file.read_text(encoding="ascii").count("\n") == 1


def test_receiver_works_through_a_rotation_without_a_restart(sync_env: Build, program: Program, key_file: Path) -> None:
    """It accepts deliveries before and after, with old and new credentials."""
    del key_file
    env = sync_env()
    with serve_webhooks(env, MASTER_KEY="") as receiver:
        for _ in range(2):
            done = program(env, "webhooks", "register", "70001", "--url", receiver.base, MASTER_KEY="")
            assert (done.returncode, done.stderr) == (0, "")
            for _ in range(2):
                env.sandbox.world.create_reservation()
                assert set(env.sandbox.deliver()) == {200}
                assert document(program, env, "rotate", "--retire", MASTER_KEY="")["resealed"] >= 4
                env.sandbox.world.create_reservation()
                assert set(env.sandbox.deliver()) == {200}
        code, logged = receiver.end()
    assert code == 143
    assert "(503" not in logged
