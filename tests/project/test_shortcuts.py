from __future__ import annotations

import re
import subprocess
import sys

import yaml
from tests.support.project.commands import refused
from tests.support.project.pages import ROOT

MAKEFILE = ROOT / "Makefile"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
HOOKS = ROOT / ".pre-commit-config.yaml"
SESSIONS = set(
    re.findall(r"^@nox\.session\(.*\)\ndef (\w+)", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
)
INSTALL = "python -m pip install --require-hashes --requirement requirements-nox.lock"


def is_nox(command: str) -> bool:
    """Whether a command is nox, with no session or with one that exists."""
    match = re.fullmatch(r"nox(?: --session (\w+))?", command.strip())
    return match is not None and (match[1] is None or match[1] in SESSIONS)


def test_targets_of_make_are_commands_of_the_program_or_sessions() -> None:
    """Each target is one command that the program takes, or a session that exists; the file has no rules of its own."""
    text = MAKEFILE.read_text(encoding="utf-8")
    targets = dict(re.findall(r"^([\w-]+): *; (.+)$", text, re.MULTILINE))
    assert set(targets) == {"start", "sync", "run-daemon", "test", "build"}
    assert len(text.splitlines()) <= 10
    ours = [command.replace("$(ID)", "12345") for command in targets.values() if not is_nox(command)]
    assert refused(ours) == {}


def test_steps_of_workflows_are_sessions_of_nox() -> None:
    """A workflow checks out, installs nox as it is locked, and runs sessions that exist; it may write nothing."""
    for path in WORKFLOWS:
        checked = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
        done = subprocess.run([sys.executable, *checked], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            commands = [step["run"] for step in job["steps"] if "run" in step]
            sessions = job["strategy"]["matrix"]["session"]
            assert commands == [INSTALL, "nox ${{ matrix.session }}"]
            assert all(is_nox(f"nox {words}") for words in sessions)
            assert [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step] == [
                "actions/checkout",
                "actions/setup-python",
            ]


def test_hooks_before_a_commit_are_sessions_of_nox() -> None:
    """No hook brings a tool in a version of its own."""
    (own,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    assert own["repo"] == "local"
    assert all(is_nox(hook["entry"]) and hook["language"] == "system" for hook in own["hooks"])
