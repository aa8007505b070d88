"""Schemathesis finds no answer that the document does not promise: every route, with every check that it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import schemathesis_hooks
from tests.support.project.pages import ROOT
from tests.support.servers.api import EndedStreams, running_api

from hostaway_sync.api import authorization
from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

PROGRAM = Path(sys.executable).with_name("schemathesis")
PATIENCE_S = 300
# The same calls each time.
SOME = ("--phases", "examples,fuzzing,stateful", "--max-examples", "2", "--generation-deterministic")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(SOME, id="some calls"),
        pytest.param(("--max-time", "60"), id="a minute", marks=pytest.mark.soak),
    ],
)
def test_answers_are_as_the_document_says(
    sync_env: Callable[..., SyncEnv], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Status, headers, types and bodies; what is invalid is refused, what is valid is not; no key, no answer."""
    # It sends so many wrong keys that its address would have to wait, and to every one 401 is the answer.
    monkeypatch.setattr(authorization, "FAILURES", 1_000_000)
    with running_api(sync_env().mirrored(), EndedStreams) as api:
        key = api.issue_key("schemathesis", Access.everything(), (Scope.READ,))
        command = (
            *(str(PROGRAM), "run", f"{api.base}/openapi.json", "--header", f"X-API-Key: {key}", "--checks", "all"),
            *("--request-timeout", "20", "--continue-on-failure", "--no-color", *options),
        )
        hooks = {"SCHEMATHESIS_HOOKS": schemathesis_hooks.__name__, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **hooks},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
