"""Secrets in AWS as an operator uses them: real processes, and moto behind real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.deliveries import eventually
from tests.support.processes import printed_text, start_program
from tests.support.programs.program import COVERAGE
from tests.support.programs.secret_witness import SecretWitness
from tests.support.servers.webhook_program import registered_webhook, serve_webhooks
from tests.support.store.table_locks import hold_lock, wait_for_waiter
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.sandbox import CLIENT_SECRET, AccountSpec
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.secrets import sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.servers.fake_aws import FakeAws
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

AWS = {"HOSTAWAY_SYNC_SECRETS_STORE": "aws", "HOSTAWAY_SYNC_MASTER_KEY": ""}
ADD = ("account", "add", "70001", "--secret-stdin", "--no-sync")
ACCOUNTS = range(70001, 70005)


@pytest.fixture
def build(sync_env: Build, fake_aws: FakeAws) -> Build:
    """Return a function that builds an environment whose programs reach AWS, and keep secrets there with `aws`."""

    def built(*, aws: bool = False, **options: Any) -> SyncEnv:
        env = sync_env(store=not aws, **options)
        env.surroundings |= fake_aws.environment | (AWS if aws else {})
        return env

    return built


def document(program: Program, env: SyncEnv, *arguments: str, code: int = 0, **settings: str) -> Any:
    """Run a command with --json, and return what it printed."""
    done = program(env, *arguments, "--json", **settings)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def stores(env: SyncEnv) -> dict[str, int]:
    """Count secrets by the store that their rows name."""
    return dict(env.database.transaction(sealing.values_by_store))


def sentence(program: Program, env: SyncEnv, *arguments: str, code: int, **settings: str) -> str:
    """Run a command that prints one sentence and nothing else; return it."""
    done = program(env, *arguments, **settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    return done.stderr


def without_boto3(env: SyncEnv, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where boto3 cannot be imported."""
    code = "import sys; sys.modules['boto3'] = None; from hostaway_sync.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=env.environment() | COVERAGE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_commands_work_with_secrets_in_aws(
    build: Build, program: Program, fake_aws: FakeAws, tmp_path: Path
) -> None:
    """No key is created; a dump holds no secret, sealed or not; each run reads two secrets of AWS, once."""
    env = build(aws=True)
    witness = SecretWitness(env)
    witness.run("account", "add", "70001", "--secret-stdin", stdin=CLIENT_SECRET)
    assert dict(fake_aws.calls) == {"CreateSecret": 2, "GetSecretValue": 2}
    fake_aws.calls.clear()
    witness.run("sync", "70001")
    assert dict(fake_aws.calls) == {"GetSecretValue": 2}
    with serve_webhooks(env, worker=True, LOG_LEVEL="DEBUG") as receiver:
        for _ in range(2):
            witness.run("webhooks", "register", "70001", "--url", receiver.base)
            witness.secrets[f"password {len(witness.secrets)}"] = registered_webhook(env)["password"]
            witness.secrets[f"path {len(witness.secrets)}"] = registered_webhook(env)["url"].rpartition("/")[2]
            env.sandbox.world.create_reservation()
            assert set(env.sandbox.deliver()) == {200}
        eventually(
            lambda: sql.rows(env.database, "SELECT count(*) FROM webhook_log WHERE status = 'pending'") == [(0,)],
            "work",
        )
        witness.keep("receiver", receiver.end()[1])
    env.sandbox.revoke_tokens()
    witness.run("sync", "70001", "--full")
    assert env.sandbox.calls["POST /accessTokens"] == 2
    witness.dump()
    assert len(witness.secrets) >= 8
    assert witness.found() == []
    assert stores(env) == {"aws": 5}
    assert fake_aws.count() == 5
    assert not sql.rows(env.database, "SELECT 1 FROM accounts WHERE get_byte(client_secret, 0) = 1")
    assert not list(tmp_path.glob("master.key"))
    assert document(program, env, "keys", "check") == {"values": 5, "orphans": 0, "troubles": []}
    found = document(program, env, "keys", "status")
    assert found.pop("source").startswith("AWS Secrets Manager in eu-central-1, below hostaway-sync/")
    assert found == {"store": "aws", "leaving": None, "kind": None, "keys": [], "plain": 0, "outside": 5}
    assert "AWS" not in program(env, "account", "show", "70001").stdout
    removed = program(env, "account", "remove", "70001", "--yes")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert fake_aws.count() == 0


def test_unusable_aws_prints_one_sentence(build: Build, program: Program, fake_aws: FakeAws) -> None:
    """A wrong setting ends with 78; an AWS without an answer ends with 1."""
    env = build()
    assert without_boto3(env, "sync", "70001").returncode == 0
    said = sentence(program, env, "sync", "70001", code=78, SECRETS_STORE="aws")
    assert "secrets lie in database, but HOSTAWAY_SYNC_SECRETS_STORE is aws: set it to database, or" in said
    assert document(program, env, "keys", "move", "--to", "aws", SECRETS_STORE="aws")["moved"] == 2
    said = sentence(program, env, "sync", "70001", code=78)
    env.surroundings |= AWS
    assert "bring them to database with `hostaway-sync keys move --to database`" in said
    assert "change those there" in sentence(program, env, "keys", "rotate", code=2)
    with fake_aws.refusing("GetSecretValue", "AccessDeniedException"):
        assert "will not give accounts.client_secret of 70001" in sentence(program, env, "sync", "70001", code=78)
    with fake_aws.refusing("*", "ServiceUnavailable", 503):
        assert "try again later" in sentence(program, env, "sync", "70001", code=1)
        assert "try again later" in sentence(program, env, "keys", "check", code=1)
    del env.surroundings["AWS_DEFAULT_REGION"]
    assert "set AWS_DEFAULT_REGION" in sentence(program, env, "sync", "70001", code=78)
    absent = without_boto3(env, "sync", "70001")
    assert (absent.returncode, absent.stderr.count("\n")) == (78, 1), absent.stderr
    assert "pip install 'hostaway-sync[aws]'" in absent.stderr


def test_receiver_answers_503_while_aws_is_unreachable(build: Build, program: Program, fake_aws: FakeAws) -> None:
    """Never 401, so that no delivery is lost; once it has the secrets it needs AWS no more."""
    env = build(aws=True)
    assert program(env, *ADD, stdin=CLIENT_SECRET).returncode == 0
    with serve_webhooks(env) as receiver:
        assert program(env, "webhooks", "register", "70001", "--url", receiver.base).returncode == 0
        env.sandbox.world.create_reservation()
        assert set(env.sandbox.deliver()) == {200}
        with fake_aws.refusing("*", "ServiceUnavailable", 503):
            env.sandbox.world.create_reservation()
            assert set(env.sandbox.deliver()) == {200}
    hook = registered_webhook(env)
    with fake_aws.refusing("*", "ServiceUnavailable", 503), serve_webhooks(env) as receiver:
        hook["url"] = receiver.base + hook["url"][hook["url"].index("/", 8) :]
        env.sandbox.world.create_reservation()
        assert set(env.sandbox.deliver()) == {503}


def test_concurrent_programs_renew_a_token_once(build: Build, program: Program, fake_aws: FakeAws) -> None:
    """One program asks Hostaway and stores the token in AWS; the others read it there."""
    env = build(aws=True)
    assert program(env, *ADD, stdin=CLIENT_SECRET).returncode == 0
    env.sandbox.revoke_tokens()
    env.sandbox.calls.clear()
    fake_aws.calls.clear()
    processes = [start_program(env.environment(), "verify", "70001") for _ in range(3)]
    for process in processes:
        process.join(PATIENCE)
    assert env.sandbox.calls["POST /accessTokens"] == 1, printed_text(env.environment())
    assert (fake_aws.calls["CreateSecret"], fake_aws.calls["DeleteSecret"], fake_aws.count()) == (1, 1, 2)


# Where a move is killed: its request to AWS or PostgreSQL, the number of that request, and whether it was answered.
POINTS = {
    "before anything is changed": ("lock", 0, False),
    "in its trial": ("CreateSecret", 1, True),
    "before the first secret is put": ("CreateSecret", 2, False),
    "when the first was put": ("CreateSecret", 2, True),
    "when the first was read back": ("GetSecretValue", 2, True),
    "before it touches a row": ("row", 0, False),
    "half way": ("CreateSecret", 6, True),
    "when it looks for what is left over": ("ListSecrets", 2, True),
}
BACK = {
    "before the first secret is read": ("GetSecretValue", 1, False),
    "before the first is deleted": ("DeleteSecret", 1, False),
    "when the first was deleted": ("DeleteSecret", 1, True),
    "half way": ("DeleteSecret", 4, True),
    "when it looks for what is left over": ("ListSecrets", 1, True),
}
ALWAYS = {"when the first was put", "before it touches a row", "half way", "when the first was deleted"}


def some_of(points: Iterable[str]) -> list[Any]:
    """Return the points of a kill: the most telling in every run, the others in the soak only."""
    return [pytest.param(point, marks=() if point in ALWAYS else pytest.mark.soak) for point in points]


LOCKS = {
    "lock": "INSERT INTO hostaway.rights (name) VALUES ('the keys that seal')"
    " ON CONFLICT (name) DO UPDATE SET name = excluded.name",
    "row": "SELECT 1 FROM hostaway.accounts WHERE account_id = 70002 FOR UPDATE",
}


def killed(env: SyncEnv, fake_aws: FakeAws, point: tuple[str, int, bool], target: str) -> None:
    """Start a move, and end it with SIGKILL at a point."""
    environment = env.environment(SECRETS_STORE=target)
    if point[0] in LOCKS:
        with hold_lock(env, LOCKS[point[0]]):
            process = start_program(environment, "keys", "move", "--to", target)
            wait_for_waiter(env)
            process.kill()
            process.join(PATIENCE)
    else:
        with Barrier(fake_aws, point[0], point[1], answered=point[2]) as barrier:
            process = start_program(environment, "keys", "move", "--to", target)
            barrier.wait()
            process.kill()
            process.join(PATIENCE)
    assert process.exitcode == -9


def usable(env: SyncEnv) -> None:
    """Check that every account works with each store that the unfinished move allows in the setting."""
    leaving = sql.rows(env.database, "SELECT store, leaving FROM secrets_store") or [("database", None)]
    settings = {name for name in leaving[0] if name is not None}
    for setting in settings:
        with env.mirror(secrets_store=setting) as mirror:
            assert mirror.secrets.check().passed.troubles == ()
            mirror.sync.verify(70001)


@pytest.mark.parametrize("point", some_of(POINTS))
def test_killed_move_to_aws_is_completed_by_the_next(build: Build, fake_aws: FakeAws, point: str) -> None:
    """After SIGKILL every secret opens from either store; the next move completes, and leaves nothing behind."""
    env = build(accounts=[AccountSpec(id=number, reservations=1) for number in ACCOUNTS])
    killed(env, fake_aws, POINTS[point], "aws")
    usable(env)
    with env.mirror(secrets_store="aws" if stores(env).get("aws") else "database") as mirror:
        done = mirror.secrets.move("aws")
    assert (done.is_whole, stores(env), fake_aws.count()) == (True, {"aws": 8}, 8)
    with env.mirror(secrets_store="aws", master_key=None, keyring=False) as mirror:
        assert (mirror.secrets.check().passed.troubles, mirror.secrets.check().orphans) == ((), 0)


@pytest.mark.parametrize("point", some_of(BACK))
def test_killed_move_back_is_completed_by_the_next(build: Build, fake_aws: FakeAws, point: str) -> None:
    """The same; in the end AWS holds no secret, and the keys open all of them."""
    env = build(accounts=[AccountSpec(id=number, reservations=1) for number in ACCOUNTS])
    with env.mirror() as mirror:
        assert mirror.secrets.move("aws").moved == 8
    fake_aws.calls.clear()
    killed(env, fake_aws, BACK[point], "database")
    usable(env)
    with env.mirror() as mirror:
        done = mirror.secrets.move("database")
    assert (done.is_whole, stores(env), fake_aws.count()) == (True, {"database": 8}, 0)
    assert sealing.check_secrets(env.database, KeyRing([MASTER_KEY])).troubles == ()


def test_secrets_stored_during_a_move_are_in_the_new_store(build: Build, program: Program, fake_aws: FakeAws) -> None:
    """A run that began earlier renews a token; a second move ends with 75, in silence."""
    env = build()
    with Barrier(env.sandbox, "GET /reservations") as run:
        syncing = start_program(env.environment(), "sync", "70001")
        run.wait()
        with Barrier(fake_aws, "CreateSecret", 2) as barrier:
            moving = start_program(env.environment(), "keys", "move", "--to", "aws")
            barrier.wait()
            second = program(env, "keys", "move", "--to", "aws")
            assert (second.returncode, second.stdout + second.stderr) == (75, "")
        moving.join(PATIENCE)
        env.sandbox.revoke_tokens()
    syncing.join(PATIENCE)
    assert (moving.exitcode, syncing.exitcode) == (0, 0), printed_text(env.environment())
    assert env.sandbox.calls["POST /accessTokens"] == 1
    assert (stores(env), fake_aws.count()) == ({"aws": 2}, 2)
