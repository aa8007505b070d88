from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.automations import write_changes
from tests.support.processes import run_program
from tests.support.servers.consumer import Answer, consuming

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

BAD_URLS = {
    "hooks.example.com/T0K3N": "the URL is not an http or https address, such as https://hooks.example.com",
    "ftp://hooks.example.com/T0K3N": "the URL is not an http or https address",
    "http://hooks.example.com/T0K3N": "is not https: use https, or name http://hooks.example.com in",
    "https://me:T0K3N@hooks.example.com/": "the URL has a user, a password or a number sign: leave them out",
    "https://hooks.example.com/#T0K3N": "a number sign: leave them out",
    "https://192.168.1.5/T0K3N": "not public: use a host of the internet, or name https://192.168.1.5 in",
    "https://localhost:5678/T0K3N": "localhost is not public",
    "https://hooks.example.com/" + "T0K3N" * 400: "the URL is longer than 2,000 characters",
    "https://hooks.example.com/\x1b[31mT0K3N": "the URL has a space, a backslash or a control character",
}


def test_an_automation_from_its_adding_to_its_end(sync_env: Build) -> None:
    """The secret is shown once; `test` prints the answer; silence is success; the last words say what is wrong."""
    env = sync_env()
    with consuming() as consumer:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return run_program(env.environment(AUTOMATION_HOSTS=consumer.url), "automation", *words)

        whole = f"{consumer.url}/hook?key=T0K3N"
        added = run("add", "crm", "--on", "reservation.updated,drift.opened", "--url", whole)
        assert re.fullmatch(r"whsec_[\w+/]{43}=\n", added.stdout)
        assert added.stderr == "hostaway-sync: drift.opened: no version writes such events yet; a later one will\n"
        consumer.answer = lambda _: Answer(body=b"thank you\x1b[31m\n")
        assert run("test", "crm").stdout == "status 200\nthank you[31m\n"
        assert consumer.heard[0].document["data"]["is_example"]
        assert consumer.heard[0].path == "/hook?key=T0K3N"
        consumer.answer = lambda _: Answer(404)
        failed = run("test", "crm")
        assert (failed.returncode, failed.stdout) == (1, "status 404\n")
        assert "automation 'crm' was not told: it answered 404" in failed.stderr
        shown = run("list")
        assert re.search(r"crm +active +0 +0 +reservation.updated,drift.opened +http://127\S+/…", shown.stdout)
        masked = shown.stdout + "".join(run(*words).stdout for words in (("show", "crm"), ("list", "--json")))
        assert ("whsec" in masked, "T0K3N" in masked) == (False, False)
        assert json.loads(run("show", "crm", "--json").stdout)["url"] == f"{consumer.url}/…"
        assert f"\nurl: {whole}\n" in run("show", "crm", "--show-url").stdout
        assert json.loads(run("show", "crm", "--show-url", "--json").stdout)["url"] == whole
        for command in ("disable", "enable"):
            assert (run(command, "crm").stdout, run(command, "crm").stderr) == ("", "")
        assert re.fullmatch(r"whsec_\S+\n", run("rotate", "crm").stdout)
        assert run("deliveries", "crm").stdout == ""
        run("add", "b", "--on", "*", "--where", "status=new", "--where", "status=x", "--command", "/bin/echo 'a b'")
        assert "\nconditions: status=new, status=x\ncommand: /bin/echo 'a b'\n" in run("show", "b").stdout
        assert run("remove", "crm").returncode == 0
        assert "there is no automation 'crm': `hostaway-sync automation list` shows all" in run("show", "crm").stderr


def test_what_cannot_be_an_automation_is_refused(sync_env: Build) -> None:
    """Each with a sentence, and nothing is stored."""
    env = sync_env()
    url = ("--url", "https://hooks.example.com/")
    cases: list[tuple[int, str, tuple[str, ...]]] = [
        (2, "who is to be told is not clear", ("--on", "*")),
        (2, "give --url or --command, and not both", ("--on", "*", *url, "--command", "cat")),
        (2, "--on 'reservation.made': there is no such event", ("--on", "reservation.made", *url)),
        (2, "it is written KEY=VALUE", ("--on", "*", "--where", "status", *url)),
        (2, "no row of these events has such a column", ("--on", "sync.failed", "--where", "status=a", *url)),
        (1, "account 5 is not known here", ("--on", "*", "--account", "5", *url)),
        (2, "there is no such program", ("--on", "*", "--command", "no-such-program-here")),
    ]
    for code, words, options in cases:
        done = run_program(env.environment(), "automation", "add", "crm", *options)
        assert (done.returncode, words in done.stderr) == (code, True), done
    for bad, words in BAD_URLS.items():
        done = run_program(env.environment(), "automation", "add", "crm", "--on", "*", "--url", bad)
        assert (done.returncode, done.stdout) == (2, ""), bad
        assert words in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert "T0K3N" not in done.stderr
    assert run_program(env.environment(), "automation", "add", "a b", "--on", "*", *url).returncode == 2
    assert run_program(env.environment(), "automation", "add", "crm", "--on", "*", *url).returncode == 0
    taken = run_program(env.environment(), "automation", "add", "crm", "--on", "*", *url)
    assert "there is an automation 'crm' already" in taken.stderr
    assert sql.rows(env.database, "SELECT name FROM automations") == [("crm",)]


def test_sync_all_tells_what_changed_when_it_ends(sync_env: Build) -> None:
    """Silently, unless it is told to leave it; what a consumer refuses fails no run."""
    env = sync_env()
    with consuming() as consumer:
        settings = env.environment(AUTOMATION_HOSTS=consumer.url)
        run_program(settings, "automation", "add", "crm", "--on", "*", "--url", consumer.url)
        write_changes(env.database, {})
        left = run_program(settings, "sync-all", "--no-drain", "--json")
        assert (left.returncode, len(consumer.heard)) == (0, 0)
        consumer.answer = lambda _: Answer(410)
        done = run_program(settings, "sync-all", "--json")
        assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "success")
        assert len(consumer.heard) == 1
        assert "automation crm: disabled: its consumer answered 410 Gone" in done.stderr
        status = run_program(settings, "status")
        assert "1 automation: 0 active, 1 event waiting" in status.stdout
        assert "automation crm was disabled: its consumer answered 410 Gone" in status.stdout
        said = json.loads(run_program(settings, "doctor", "--json").stdout)["findings"]
        (finding,) = (one for one in said if one["check"] == "automations")
        assert finding["grade"] == "trouble"
        assert re.match(r"automation crm was disabled .+ ago: its consumer answered 410 Gone", finding["says"])
