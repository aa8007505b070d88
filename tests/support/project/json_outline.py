"""The shape of a JSON document as a line of text: its keys in their order, without the values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.processes import run_program

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv

COUNTS = "seen inserted updated unchanged stale quarantined missing"
EACH = "listings{{{0}}} reservations{{{0}}} conversations{{{0}}} messages{{{0}}}"
OF_CALENDAR = " calendar{{{0}}}"
REPORT = f"account_id mode state api_calls duration_s resources{{{(EACH + OF_CALENDAR).format(COUNTS)}}}"


def keys_of(env: SyncEnv, *words: str, code: int = 0, **settings: str) -> str:
    """Run a command with `--json` and return the outline of what it prints."""
    done = run_program(env.environment(**settings), *words, "--json")
    assert done.returncode == code, done
    return outline(json.loads(done.stdout))


def a_reservation(env: SyncEnv) -> int:
    """Return a reservation whose guest has a conversation."""
    threads = (payload for _, payload in env.sandbox.world.truth("conversations"))
    found: int = next(payload["reservationId"] for payload in threads if payload["reservationId"])
    return found


def outline(document: Any) -> str:
    """Return the keys of a document in their order: `id rows{live total} alarms[kind since] wrong[]`.

    The elements of a list have one outline; where they differ, each is there, separated by `|`.
    """
    if isinstance(document, dict):
        return " ".join(f"{key}{_inside(value)}" for key, value in document.items())
    if isinstance(document, list):
        return f"[{'|'.join(dict.fromkeys(outline(one) for one in document))}]"
    return ""


def _inside(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{outline(value)}}}"
    return outline(value) if isinstance(value, list) else ""
