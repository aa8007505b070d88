"""Programs on a terminal of a given width."""

from __future__ import annotations

import os
import pty
import re
from typing import TYPE_CHECKING

from tests.support.processes import read_terminal
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv


def read_on_terminal(env: SyncEnv, *arguments: str, columns: int, **settings: str) -> list[str]:
    """Return the lines that a command prints on a terminal of this width, without colours."""
    main, side = pty.openpty()
    environment = env.environment(**settings) | {"TERM": "xterm", "COLUMNS": str(columns)}
    process = start_beside(environment, *arguments, stdin=side, stdout=side, stderr=side)
    os.close(side)
    seen = read_terminal(main)
    assert process.wait(timeout=30) == 0
    assert "\x1b[" in seen
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).replace("\r", "").splitlines()
