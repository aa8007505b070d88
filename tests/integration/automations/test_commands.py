from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.support import sql
from tests.support.automations import add_automation, drain, open_mirror, write_changes
from tests.support.deliveries import eventually

from hostaway_sync.automations.commands import MAX_OUTPUT, read_command, run_command
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.automations.answer import Answer

    Build = Callable[..., SyncEnv]

GIVEN = {"EVENT_ID": "evt_1", "EVENT_TYPE": "task.created"}


def run_python(code: str, body: bytes = b"{}", timeout_s: float = 30) -> Answer:
    """Run a program in Python as the command."""
    return run_command([sys.executable, "-c", code], body, GIVEN, timeout_s=timeout_s)


def has_ended(number: int) -> bool:
    """Whether a process is gone, or dead and not yet noticed by who adopted it."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_command_gets_the_event_and_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its standard input and in two variables; its output is kept without what a terminal obeys."""
    for name in (
        "HOSTAWAY_SYNC_MASTER_KEY",
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "VAULT_TOKEN",
        "CREDENTIALS_DIRECTORY",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    answer = run_python(
        "import os, sys, json; print(json.dumps([sys.stdin.read(), sorted(os.environ), os.environ['EVENT_TYPE']]));"
        "print('\\x1b[31mred', file=sys.stderr)",
        b'{"a": 1}',
    )
    assert (answer.error, answer.status) == (None, 0)
    first, second = (answer.output or "").splitlines()
    body, names, event = json.loads(first)
    assert (body, event, second) == ('{"a": 1}', "task.created", "[31mred")
    assert {"EVENT_ID", "EVENT_TYPE", "LANG"} <= set(names)
    assert not [name for name in names if name.startswith(("HOSTAWAY", "PG", "AWS", "VAULT", "CREDENTIALS"))]


def test_a_command_that_fails_says_how() -> None:
    """By its exit code, by a signal, or because it is not there; of much output the end is kept."""
    answer = run_python("import sys; print('x' * 10_000_000 + 'end'); sys.exit(3)")
    assert (answer.status, answer.error) == (3, f"{sys.executable} ended with exit code 3")
    assert answer.output is not None
    assert (len(answer.output), answer.output[-3:]) == (MAX_OUTPUT, "end")
    assert run_python("import os; os.kill(os.getpid(), 9)").error == f"{sys.executable} ended with signal 9"
    assert (
        run_command(["/nowhere/at/all"], b"", GIVEN).error == "/nowhere/at/all cannot be run: No such file or directory"
    )


def test_a_command_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """When its time is over; what one that ended in time left running holds nobody up."""
    note = tmp_path / "pid"
    child = f"import os; open({str(note)!r}, 'w').write(str(os.getpid())); import time; time.sleep(300)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); import time; time.sleep(300)"
    answer = run_python(code, timeout_s=2)
    assert (answer.status, answer.is_away) == (None, True)
    assert answer.error == f"{sys.executable} was killed after 2 s"
    number = int(note.read_text(encoding="ascii"))
    eventually(lambda: has_ended(number), "the death of the command's child")
    began = time.monotonic()
    left = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])"
    assert run_python(left).error is None
    assert time.monotonic() - began < 15


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_what_a_command_left_behind_or_cannot_be_killed_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that writes on and on, and a command that became another user's, as under sudo."""
    left = "import subprocess; subprocess.Popen(['timeout', '8', 'yes']); print('told')"
    began = time.monotonic()
    assert run_python(left, timeout_s=6).error is None
    assert time.monotonic() - began < 5

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    code = "import os; os.close(1); os.close(2); import time; time.sleep(9)"
    assert run_python(code, timeout_s=1).error == f"{sys.executable} was killed after 1 s"
    assert time.monotonic() - began < 8


def test_a_command_is_split_like_a_shell_does_and_read_by_none() -> None:
    """Its program is found on the path; signs of a shell are arguments."""
    program, *arguments = read_command("sh -c 'echo $HOME; true' > x")
    assert (program.startswith("/"), arguments) == (True, ["-c", "echo $HOME; true", ">", "x"])
    for text, words in (("", "is empty"), ("'a", "not closed"), ("no-such-program-here x", "no such program")):
        with pytest.raises(UsageError, match=words):
            read_command(text)


def test_a_command_that_was_changed_in_the_database_does_not_run(sync_env: Build, tmp_path: Path) -> None:
    """It is sealed beside its row; who may write rows and has no key runs nothing."""
    env = sync_env()
    with open_mirror(env) as mirror:
        add_automation(mirror, "echo", command=("/bin/cat",))
        write_changes(env.database, {})
        note = tmp_path / "note"
        sql.execute(env.database, f"UPDATE automations SET command = ARRAY['/bin/touch', '{note}']")
        assert drain(mirror)
        (failed,) = mirror.automations.deliveries("echo", limit=9)
        assert failed.error == "its command was changed in the database: remove the automation and add it"
        assert mirror.automations.test("echo").error == failed.error
        assert not note.exists()
