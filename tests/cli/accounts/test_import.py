from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql

from hostaway_sync.cli.accounts.account_import import LARGEST_FILE, MOST_ACCOUNTS, read
from hostaway_sync.errors import UsageError
from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ONE = "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11"
SPECS = [AccountSpec(number, reservations=1, listings=1) for number in (70001, 70002, 70003)]
CSV = f"""\
account_id,client_secret,name,customer_id
70001,sandbox-secret-70001,"Harbour, Stays",{ONE}
70002,sandbox-secret-wrong,,
seventy,sandbox-secret-70003,,
70003,sandbox-secret-70003,,
70003,sandbox-secret-70003,,
"""


def outcomes(document: dict[str, Any]) -> list[tuple[int, int | None, str]]:
    """Return line, account and outcome."""
    return [(one["line"], one["account_id"], one["outcome"]) for one in document["accounts"]]


def test_each_line_is_checked_and_reported(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """Valid lines are stored; each invalid one is named with its reason; a second import retries only those."""
    env = sync_env(store=False, accounts=SPECS)
    file = tmp_path / "accounts.csv"
    file.touch(0o600)
    file.write_text(CSV)
    done = program(env, "account", "import", str(file), "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert outcomes(document) == [
        (2, 70001, "added"),
        (3, 70002, "failed"),
        (4, None, "failed"),
        (5, 70003, "added"),
        (6, None, "failed"),
    ]
    assert [one["error"] is None for one in document["accounts"]] == [True, False, False, True, False]
    assert (document["added"], document["updated"], document["unchanged"], document["failed"]) == (2, 0, 0, 3)
    assert sql.rows(env.database, "SELECT account_id, name, customer_id::text FROM accounts ORDER BY 1") == [
        (70001, "Harbour, Stays", ONE),
        (70003, None, None),
    ]
    file.write_text(CSV.replace("wrong", "70002").replace("Harbour, Stays", "Harbour"))
    again = program(env, "account", "import", str(file))
    assert again.stdout.splitlines() == [
        "line 2: account 70001 updated: name",
        "line 3: account 70002 added: client secret",
        "line 4: account ? failed: the account id is not a number such as 70001",
        "line 5: account 70003 unchanged",
        "line 6: account ? failed: account 70003 is already in an earlier line",
    ]
    assert env.sandbox.calls["POST /accessTokens"] == 4


def test_json_lines_come_from_stdin(sync_env: Build, program: Program) -> None:
    """One object is one line; a removed account returns, and a new secret updates an account."""
    env = sync_env(accounts=SPECS[:2])
    program(env, "account", "remove", "70001", "--yes")
    env.sandbox.reconfigure(70002, client_secret="sandbox-secret-new")  # noqa: S106  (obviously not one)
    env.sandbox.revoke_tokens(70002)
    lines = [
        {"account_id": 70001, "client_secret": "sandbox-secret-70001", "name": None},
        {"account_id": "70002", "client_secret": "sandbox-secret-new", "customer_id": ONE},
    ]
    done = program(env, "account", "import", "-", "--json", stdin="\n".join(map(json.dumps, lines)))
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert outcomes(document) == [(1, 70001, "added"), (2, 70002, "updated")]
    assert document["accounts"][1]["changed"] == ["customer_id", "client_secret"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_file_that_others_may_read_is_refused(program: Program, tmp_path: Path, mode: int) -> None:
    """Nothing of it is read; the sentence says what to type."""
    file = tmp_path / "accounts.csv"
    file.write_text(CSV)
    file.chmod(mode)
    done = program(None, "account", "import", str(file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "chmod 600" in done.stderr


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_missing_file_or_directory_prints_one_sentence(program: Program, tmp_path: Path, name: str) -> None:
    """The path may lead nowhere, or to a directory."""
    done = program(None, "account", "import", str(tmp_path / name))
    assert done.returncode in (1, 2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"70001,hidden\n",
        b"account_id,client_secret,password\n70001,hidden,x\n",
        b"account_id,client_secret,client_secret\n70001,hidden,hidden\n",
        b"account_id,client_secret\n",
        b'account_id,client_secret\n70001,"hidden\n',
        b"account_id,client_secret\n70001,hidden\xff\n",
    ],
)
def test_unreadable_import_is_refused_without_quoting_it(content: bytes) -> None:
    """Any part of the file may be a secret, so that no sentence quotes it."""
    with pytest.raises(UsageError) as refusal:
        read(content)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("70001", "other fields than the header"),
        ("70001,,,", "the client secret is empty"),
        ("hidden,70001,,", "the account id is not a number"),
        ("-1,hidden,,", "the account id is not a number"),
        ("9223372036854775808,hidden,,", "the account id is not a number"),
        pytest.param(f"{'9' * 5_000},hidden,,", "the account id is not a number", id="5,000 digits"),
        ("70001,hidden,,hidden", "the customer id is not a UUID"),
        (f"70001,hidden,{'x' * 201},", "the name is longer than 200"),
        ("70001,hidden,a\tb,", "the name is not plain text"),
        ("70001,hid\0den,,", "the client secret is not plain text"),
    ],
)
def test_wrong_import_line_says_why_without_quoting_it(row: str, reason: str) -> None:
    """The other lines are imported."""
    content = f"account_id,client_secret,name,customer_id\r\n{row}\r\n\r\n70002,good,,none\r\n"
    wrong, good = read(content.encode())
    assert wrong.wrong is not None
    assert reason in wrong.wrong
    assert "hidden" not in wrong.wrong
    assert (good.number, good.account_id, good.client_secret, good.fields) == (4, 70002, "good", {"customer_id": None})
    assert "good" not in repr(good)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"account_id": 1}',
        '{"account_id": true, "client_secret": "x"}',
        '{"account_id": 1, "client_secret": 2}',
        '{"account_id": 1, "client_secret": "x", "other": 1}',
        '{"account_id": 1, "client_secret": "\\ud800"}',
        pytest.param(f'{{"account_id": {"9" * 5_000}, "client_secret": "x"}}', id="5,000 digits"),
        pytest.param(f'{{"account_id": "{"9" * 5_000}", "client_secret": "x"}}', id="5,000 digits as text"),
    ],
)
def test_invalid_object_does_not_affect_other_lines(line: str) -> None:
    """Every type of JSON value is tried in place of the right one."""
    good, wrong = read(f'{{"account_id": 7, "client_secret": "x"}}\n{line}\n'.encode())
    assert (good.account_id, good.wrong) == (7, None)
    assert wrong.wrong is not None


def test_import_limits_bytes_and_lines(program: Program) -> None:
    """A larger input is refused before it fills the memory."""
    done = program(None, "account", "import", "-", stdin="x" * (LARGEST_FILE + 1))
    assert (done.returncode, "larger than 4 MB" in done.stderr) == (2, True)
    lines = "".join(f"{number},x\n" for number in range(1, MOST_ACCOUNTS + 2))
    with pytest.raises(UsageError, match="more than 10000 accounts"):
        read(f"account_id,client_secret\n{lines}".encode())
