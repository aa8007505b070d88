from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.processes import run_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

CUSTOMER = "6f1c2a34-9d0b-4c58-8f53-0f5b7c1f2e11"
KEY = r"hsk_[A-Za-z0-9]{12}_[A-Za-z0-9]{44}\n"


def test_api_key_from_its_making_to_its_end(sync_env: Build) -> None:
    """Standard output has the key alone, and once; sentences go to stderr; `list` shows what each may do."""
    env = sync_env()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return run_program(env.environment(), "api-key", *words)

    assert (run("list").stdout, run("list").stderr) == ("", "")
    made = run("create", "crm", "--account", "70001", "--scope", "messages, read", "--expires-days", "30")
    assert re.fullmatch(KEY, made.stdout)
    assert made.stderr == "hostaway-sync: this key of crm is not shown again\n"
    assert run("create", "all", "--all", "--json").stderr == ""
    unused = run("create", "owner", "--customer", CUSTOMER)
    assert f"hostaway-sync: customer {CUSTOMER} has no account yet: until there is one, this key sees nothing" in (
        unused.stderr
    )
    rotated = run("rotate", "crm")
    assert re.fullmatch(KEY, rotated.stdout)
    assert rotated.stdout[:16] == made.stdout[:16]
    assert re.search(r"not shown again; the one before is valid until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", rotated.stderr)
    assert (run("revoke", "owner").stdout, run("revoke", "owner").returncode) == ("", 1)
    listed = run("list").stdout
    assert re.search(r"\ncrm +valid +70001 +read,messages +\d{4}-\S+ \S+ +never", listed)
    assert re.search(rf"\nowner +revoked +customer {CUSTOMER[:20]}", listed)
    assert re.search(r"\nall +valid +all +read +never +never", f"\n{listed}")
    assert "the key before its rotation is valid until" in listed
    found = {one["name"]: one for one in json.loads(run("list", "--json").stdout)}
    assert (found["crm"]["account_ids"], found["crm"]["scopes"]) == ([70001], ["read", "messages"])
    left = datetime.fromisoformat(found["crm"]["expires_at"]) - datetime.now(UTC)
    assert 29 <= left.days <= 30
    for text in (made.stdout, rotated.stdout):
        assert text.strip()[-44:] not in run("list", "--json").stdout + listed


def test_what_cannot_be_an_api_key_is_refused(sync_env: Build) -> None:
    """Each with one sentence; nothing is printed on standard output, and nothing is stored."""
    env = sync_env()
    unclear = "which accounts the key sees is not clear: give --account ID, --customer UUID or --all"
    cases: list[tuple[int, str, tuple[str, ...]]] = [
        (2, unclear, ("crm",)),
        (2, unclear, ("crm", "--customer", CUSTOMER, "--all")),
        (2, "account 9 is unknown: `hostaway-sync account list` shows all", ("crm", "--account", "9")),
        (2, "--scope 'fly': there is no such scope: use read, messages,", ("crm", "--all", "--scope", "read,fly")),
        (2, "--expires-days': Input should be greater than or equal to 1", ("crm", "--all", "--expires-days", "0")),
        (2, "'a b' is no name of an API key", ("a b", "--all")),
    ]
    for code, words, options in cases:
        done = run_program(env.environment(), "api-key", "create", *options)
        assert (done.returncode, words in " ".join(done.stderr.split()), done.stdout) == (code, True, ""), done
    assert sql.rows(env.database, "SELECT 1 FROM api_keys UNION SELECT 1 FROM api_key_pepper") == []
    assert run_program(env.environment(), "api-key", "create", "crm", "--all").returncode == 0
    taken = run_program(env.environment(), "api-key", "create", "crm", "--all")
    assert (taken.returncode, taken.stdout) == (1, "")
    assert "there is an API key 'crm' already: revoke it first, or choose another name" in taken.stderr
