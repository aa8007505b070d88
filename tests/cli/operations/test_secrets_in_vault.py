"""Secrets in HashiCorp Vault as an operator uses them: the commands, and a stand-in behind real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostaway_sync.sandbox import CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.servers.fake_vault import FakeVault
    from tests.support.sync_env import SyncEnv


def test_all_commands_work_with_secrets_in_vault(
    sync_env: Callable[..., SyncEnv], program: Program, fake_vault: FakeVault, tmp_path: Path
) -> None:
    """No key is created, each run reads two secrets once, and what fails is one sentence with its exit code."""
    env = sync_env(store=False)
    env.surroundings |= fake_vault.environment
    env.surroundings |= {"HOSTAWAY_SYNC_SECRETS_STORE": "vault", "HOSTAWAY_SYNC_MASTER_KEY": ""}
    added = program(env, "account", "add", "70001", "--secret-stdin", "--no-sync", stdin=CLIENT_SECRET)
    assert (added.returncode, added.stderr) == (0, "")
    fake_vault.calls.clear()
    assert program(env, "sync", "70001").returncode == 0
    assert dict(fake_vault.calls) == {"GET data": 2}
    checked = program(env, "keys", "check", "--json")
    assert json.loads(checked.stdout) == {"values": 2, "orphans": 0, "troubles": []}
    status = json.loads(program(env, "keys", "status", "--json").stdout)
    assert (status["store"], status["outside"], "HashiCorp Vault at" in status["source"]) == ("vault", 2, True)
    assert not list(tmp_path.glob("master.key"))
    with fake_vault.refusing("*", 503):
        sealed = program(env, "sync", "70001")
    assert (sealed.returncode, "503 (sealed, or down for maintenance); try again later" in sealed.stderr) == (1, True)
    right = dict(env.surroundings)
    env.surroundings["VAULT_TOKEN"] = ""
    refused = program(env, "sync", "70001")
    assert (refused.returncode, "set VAULT_TOKEN_FILE or VAULT_TOKEN" in refused.stderr) == (78, True)
    env.surroundings |= right
    assert program(env, "account", "remove", "70001", "--yes").returncode == 0
    assert fake_vault.kept == {}
