"""Programs on a terminal of a given width."""

from __future__ import annotations

import os
import pty
import re
from typing import TYPE_CHECKING

from tests.support.processes import read_terminal
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.support.sync_env import SyncEnv

# Where it asks for a secret it would find the terminal of whoever runs the tests.
_IN_ITS_OWN_SESSION = "import os; os.setsid(); from hostaway_sync.__main__ import main; main()"


def start_on_terminal(environment: Mapping[str, str], *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start the program on a terminal of its own; return it, and the test's end of the terminal."""
    main, side = pty.openpty()
    process = start_beside(environment, *arguments, code=_IN_ITS_OWN_SESSION, stdin=side, stdout=side, stderr=side)
    os.close(side)
    return process, main


def read_on_terminal(env: SyncEnv, *arguments: str, columns: int, **settings: str) -> list[str]:
    """Return the lines that a command prints on a terminal of this width, without colours."""
    environment = env.environment(**settings) | {"TERM": "xterm", "COLUMNS": str(columns)}
    process, main = start_on_terminal(environment, *arguments)
    seen = read_terminal(main)
    assert process.wait(timeout=30) == 0
    assert "\x1b[" in seen
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).replace("\r", "").splitlines()
