from __future__ import annotations

import json
import signal
import subprocess
from decimal import Decimal
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from tests.support import sql
from tests.support.changes import insert_changes
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

KEYS = (
    "cursor change_id account_id customer_id resource record_id change changed_at source_updated_at keys before after "
    "cause cause_id"
)
AFTER = '{"total": 120.10, "huge": 1e9999, "guest": "Zo\\u00eb \\u001b[31m", "status": null}'
# Without it Python refuses integers of thousands of digits.
read = partial(json.loads, parse_int=Decimal)
REFUSED = (
    (("--since", "yesterday"), "--since 'yesterday' is neither a cursor nor a time: give the cursor of a change, or"),
    (("--since", "9.1.0"), "is neither a cursor nor a time"),
    (("--since", f"{2**62}.{2**62}.0"), "is ahead of this database: it is of another one"),
    (("--account", "70999"), "account 70999 is unknown here: `hostaway-sync account list` shows the accounts"),
    (("--resource", "conversations"), "no resource 'conversations' has changes: give one of listings, reservations"),
)


def test_changes_come_as_lines_with_cursors(sync_env: Build, program: Program) -> None:
    """All of them, those of an account or resource, those after a cursor or a time; values keep their digits."""
    env = sync_env(listings=1, reservations=0)
    assert program(env, "changes", "--json").stdout == ""
    insert_changes(env.database, account=env.account_id, days=2)
    insert_changes(env.database, account=env.account_id, resource="messages", after=AFTER)
    insert_changes(env.database, account=env.account_id, record="9")
    done = program(env, "changes", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"total":120.10,' in done.stdout
    assert '"guest":"Zo\\u00eb \\u001b[31m"' in done.stdout
    found: list[dict[str, Any]] = [read(line) for line in done.stdout.splitlines()]
    assert [" ".join(document) for document in found] == [KEYS] * 3
    assert [document["change_id"] for document in found] == ["1", "2", "3"]
    assert {document["account_id"] for document in found} == {str(env.account_id)}
    for words, wanted in (
        (("--account", str(env.account_id)), found),
        (("--resource", "messages"), found[1:2]),
        (("--since", found[0]["cursor"]), found[1:]),
        (("--since", found[2]["cursor"]), []),
        (("--since", found[0]["changed_at"]), found[1:]),
        (("--since", "2001-01-01"), found),
    ):
        lines = program(env, "changes", "--json", *words).stdout.splitlines()
        assert [read(line)["change_id"] for line in lines] == [document["change_id"] for document in wanted]
    shown = program(env, "changes").stdout.splitlines()
    assert shown[0].endswith(f"Z  account {env.account_id}  listings 1  updated")
    assert shown[1].endswith(f"Z  account {env.account_id}  messages 1  updated: guest, huge, status, total")


def test_what_cannot_be_right_is_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 2 and no line of the feed."""
    env = sync_env(listings=1, reservations=0)
    for words, sentence in REFUSED:
        done = program(env, "changes", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        assert sentence in done.stderr


def test_pruned_changes_are_said_once(sync_env: Build, program: Program) -> None:
    """The feed goes on with the oldest, and ends well: a consumer has to know, and nobody can bring them back."""
    env = sync_env(listings=1, reservations=0)
    insert_changes(env.database, 900, account=env.account_id)
    old = json.loads(program(env, "changes", "--json").stdout.splitlines()[0])["cursor"]
    sql.execute(env.database, "DELETE FROM changes WHERE change_id < 200")
    done = program(env, "changes", "--json", "--since", old)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 701)
    assert done.stderr.count("HOSTAWAY_SYNC_KEEP_CHANGES_DAYS") == done.stderr.count("\n") == 1


def test_follower_prints_at_once_and_ends_quietly(sync_env: Build) -> None:
    """By a signal with 128 and its number; with a closed pipe although nothing changes any more."""
    env = sync_env(listings=1, reservations=0)
    insert_changes(env.database, account=env.account_id)
    for ending in (signal.SIGTERM, signal.SIGINT, None):
        words = ("changes", "--follow", "--json")
        with start_beside(env.environment(), *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            lines, errors = cast("IO[str]", process.stdout), cast("IO[str]", process.stderr)
            assert json.loads(lines.readline())["change_id"] == "1"
            (number,) = insert_changes(env.database, account=env.account_id)
            sql.execute(env.database, "NOTIFY hostaway_sync_changes")
            while json.loads(lines.readline())["change_id"] != str(number):
                pass
            if ending is None:
                lines.close()
            else:
                process.send_signal(ending)
            assert errors.read() == ""
            assert process.wait(30) == (1 if ending is None else 128 + ending)


def test_status_and_doctor_name_what_the_feed_waits_for(sync_env: Build, program: Program) -> None:
    """A session that holds a writing transaction open, once changes have waited for more than a minute."""
    env = sync_env(listings=1, reservations=0)
    with env.database.engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_current_xact_id()")
        insert_changes(env.database, account=env.account_id)
        assert "feed" not in program(env, "status").stdout
        insert_changes(env.database, account=env.account_id, days=1)
        words = "feed of changes has waited 24 h for the transaction of session"
        assert f"The {words}" in program(env, "status").stdout
        assert f"The {words}" in program(env, "status", str(env.account_id)).stdout
        assert f"the {words}" in program(env, "doctor").stdout
