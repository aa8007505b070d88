"""Every secret of a test and all output of the program, and which secret was printed where."""

from __future__ import annotations

import base64
import os
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa
from tests.support.programs.program import COVERAGE, run_alone

from hostaway_sync.sandbox import CLIENT_SECRET

if TYPE_CHECKING:
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request


PASSWORD = "hunter2-of-the-database"  # noqa: S105  (an example)
LOUD = {"MASTER_KEY": "", "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}


class SecretWitness:
    """Keeps every secret, and all output by its origin.

    Args:
        env: whose requests are looked at; at each, what `ps` would show is kept as well.
    """

    def __init__(self, env: SyncEnv) -> None:
        self._env = env
        self.secrets = {"client secret": CLIENT_SECRET, "database password": PASSWORD}
        self.words: dict[str, str] = {}
        self._older_processes = _processes()
        env.sandbox.on_request(self._see)

    def run(self, *arguments: str, code: int = 0, stdin: str = "", in_view: bool = False, **settings: str) -> None:
        """Run a command of the program; in view of `ps` where asked for, which takes a second more."""
        environment = self._env.environment(**LOUD | settings)
        is_forked = not in_view and not COVERAGE
        done = run_alone(environment, *arguments, stdin=stdin, patience=120, is_forked=is_forked)
        self.keep(" ".join(arguments), done.stdout + done.stderr)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)

    def keep(self, place: str, words: str) -> None:
        """Keep output."""
        self.words[place] = self.words.get(place, "") + words

    def dump(self) -> None:
        """Keep every row of every table, as a backup holds it; bytes are in hexadecimal."""
        with self._env.database.engine.connect() as connection:
            names = connection.execute(
                sa.text(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                )
            ).scalars()
            for name in names.all():
                rows = connection.execute(sa.text(f"SELECT t::text FROM {name} t")).scalars()
                self.keep(f"table {name}", "\n".join(rows))

    def found(self) -> list[tuple[str, str]]:
        """Return which secret was printed where, in any encoding."""
        return [
            (secret, place)
            for secret, value in self.secrets.items()
            for place, words in self.words.items()
            if any(writing in words for writing in _spellings(value))
        ]

    def _see(self, request: Request) -> None:
        bearer = request.headers.get("authorization", request.headers.get("Authorization", ""))
        if bearer:
            self.secrets[f"token {bearer[-20:]}"] = bearer.removeprefix("Bearer ")
        ours = self._env.environment()["HOSTAWAY_SYNC_DATA_DIR"].encode()
        for process in _processes() - self._older_processes:
            with suppress(OSError):  # it has ended, or is another user's
                # Other tests run at the same time, and may show secrets that this one must not.
                if ours in Path("/proc", process, "environ").read_bytes():
                    line = Path("/proc", process, "cmdline").read_text(encoding="utf-8", errors="replace") + "\n"
                    if line not in self.words.get("ps", ""):
                        self.keep("ps", line)


def _processes() -> set[str]:
    """Return the ids of all processes of this machine."""
    return {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208  (ten times as fast)


def _spellings(value: str) -> set[str]:
    """Return a secret as it is, and as bytes, URLs, JSON or Basic auth would have it."""
    plain = value.encode()
    return {
        value,
        quote(value, safe=""),
        plain.hex(),
        *(base64.b64encode(b"xyz"[:n] + plain).decode()[4:-4] for n in (0, 1, 2)),
    }


def error_text(error: BaseException) -> str:
    """Return the whole text of an error and of its causes."""
    lines = traceback.format_exception(error)
    chain: BaseException | None = error
    while chain is not None:
        lines += [str(chain), repr(chain), repr(chain.args)]
        chain = chain.__cause__ or chain.__context__
    return "\n".join(lines)
