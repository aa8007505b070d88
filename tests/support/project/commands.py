"""Commands that other files tell machines to run: the program parses them strictly, and does not run them."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from tests.support.project.pages import ROOT, python

from hostaway_sync.settings import PREFIX, list_known_variables

if TYPE_CHECKING:
    from collections.abc import Iterable


NAME = "hostaway-sync"
# Not click's own parser, which parses a command of a group and runs it in one step.
_PARSE = """
import json, sys
from typer.main import get_command
from hostaway_sync.cli.main import app

def refusal(words):
    command, name = get_command(app), "hostaway-sync"
    context = command.make_context(name, list(words))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return None

answers = []
for words in json.loads(sys.argv[1]):
    try:
        answers.append(refusal(words))
    except BaseException as error:
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps(answers))
"""


def refused(commands: Iterable[str | list[str]]) -> dict[str, str]:
    """Return the program's refusals of these commands, by command, parsed with an empty environment."""
    split = [shlex.split(command) if isinstance(command, str) else command for command in commands]
    assert split, "there is nothing to parse"
    answer = python(_PARSE, json.dumps([words[1:] for words in split]))
    assert answer.returncode == 0, answer.stderr
    said = zip(split, json.loads(answer.stdout), strict=True)
    strangers = {shlex.join(words): "another program" for words in split if words[0].rpartition("/")[2] != NAME}
    return {shlex.join(words): why for words, why in said if why is not None} | strangers


def unknown_settings(*texts: str) -> set[str]:
    """Return the settings that these texts name and the program does not know, credentials of systemd among them."""
    named = {name for text in texts for name in re.findall(rf"\b{PREFIX}[A-Z_]+", text)}
    files = {name for text in texts for name in re.findall(r"\b(hostaway_sync_[a-z_]+)[:\"']", text)}
    return named - list_known_variables() | {name for name in files if f"{name.upper()}_FILE" not in SECRET_FILES}


def deployed(*patterns: str) -> list[str]:
    """Return the files of `deploy/` with these names, as texts."""
    found = [path.read_text(encoding="utf-8") for pattern in patterns for path in (ROOT / "deploy").rglob(pattern)]
    assert found, patterns
    return found


SECRET_FILES = {f"{PREFIX}{name}_FILE" for name in ("DATABASE_URL", "MASTER_KEY", "CLIENT_SECRET", "PING_URL")}
