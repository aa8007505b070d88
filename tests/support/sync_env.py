"""The environment of tests of the sync: a sandbox over real HTTP, and a mirror on a real database."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import SecretStr
from tests.support.database_reset import empty_tables
from tests.support.mirrored_copies import fill_database

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.model.records import OBJECTS, AccessToken, Resource
from hostaway_sync.sandbox.world.changes import START
from hostaway_sync.secrets import KeyRing
from hostaway_sync.settings import RateLimit, load_settings
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.tables import MIRRORED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from hostaway_sync.sandbox import Sandbox
    from hostaway_sync.store.postgres.database import Database

MASTER_KEY = b"m" * 32
# Rows; fewer than any page that Hostaway cuts, so that a small world has several of them.
SMALL_PAGE: Any = 6
UNLIMITED = RateLimit(1_000_000, timedelta(seconds=1))


class SyncEnv:
    """One sandbox and the database that mirrors it; opens mirrors on request."""

    def __init__(
        self, sandbox: Sandbox, database: Database, data_dir: Path, stack: ExitStack, origin: str | None = None
    ) -> None:
        self.sandbox = sandbox
        # Equal for sandboxes with equal rows and manners; None: not known.
        self._origin = origin
        self.database = database
        self._data_dir = data_dir
        self._stack = stack
        self.account_id = sandbox.account_id
        # Variables of the programs' environment besides our settings.
        self.surroundings: dict[str, str] = {}

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a program that mirrors this sandbox, as bare as cron's."""
        wanted = {
            "DATABASE_URL": self.database.engine.url.render_as_string(hide_password=False),
            "API_URL": self.sandbox.url,
            "DATA_DIR": str(self._data_dir),
            "MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
            "RETRY_BACKOFF": "0",
            "RETRY_ATTEMPTS": "2",
            # A call a listing and a year of days: tests of calendars switch them on.
            "CALENDAR_DAYS": "0",
            # Some calls a run, whatever it is about: tests of the other kinds switch them on.
            "RESOURCES": "calendar",
            "RATE_LIMIT_IP": "1000000/1",
            "RATE_LIMIT_ACCOUNT": "1000000/1",
            "RATE_LIMIT_SEND": "1000000/1",
        }
        return {f"HOSTAWAY_SYNC_{name}": value for name, value in (wanted | settings).items()} | self.surroundings

    def mirror(self, **settings: Any) -> Mirror:
        """Open a mirror that waits for nothing between two attempts."""
        return self._stack.enter_context(self._open_mirror(settings))

    def mirrored(self, *account_ids: int, full: bool = False, arranged: str = "", **settings: Any) -> Mirror:
        """Mirror accounts, and return a mirror with these settings; the sandbox has logged no request.

        The rows may be a copy of what another test mirrored up to a minute ago. A test that watches the first sync
        runs it itself.

        Args:
            account_ids: one after another; none: the first one.
            full: whether to ask for a full run.
            arranged: names what the test has changed in the sandbox, always in the same way; "": a changed world is
                mirrored without a copy.
            settings: as for `mirror`.
        """

        def mirror() -> None:
            with self._open_mirror(settings) as first:
                for account_id in accounts:
                    first.sync.run(account_id, full=full)

        accounts = account_ids or (self.account_id,)
        is_known = bool(arranged) or not any(
            account.world.revision or account.world.others.revision or account.world.now != START
            for account in self.sandbox.accounts.values()
        )
        if self._origin is not None and is_known:
            variables = sorted(item for item in os.environ.items() if item[0].startswith("HOSTAWAY_SYNC_"))
            key = (self._origin, accounts, full, arranged, repr(sorted(settings.items())), repr(variables))
            fill_database(self.database, key, mirror)
        else:
            mirror()
        self.sandbox.forget()
        return self.mirror(**settings)

    def _open_mirror(self, settings: dict[str, Any]) -> Mirror:
        wanted: dict[str, Any] = {
            "database_url": self.database.engine.url.render_as_string(hide_password=False),
            "api_url": self.sandbox.url,
            "data_dir": self._data_dir,
            "master_key": base64.b64encode(MASTER_KEY).decode(),
            "retry_backoff": 0,
            "calendar_days": 0,
            "resources": ("calendar",),
            "rate_limit_ip": UNLIMITED,
            "rate_limit_account": UNLIMITED,
            "rate_limit_send": UNLIMITED,
        }
        return Mirror(load_settings(**wanted | settings))

    def store_account(self, account_id: int | None = None) -> None:
        """Store an account with a token that is valid already, so that no test waits for one."""
        number = account_id or self.account_id
        now = datetime.now(UTC)
        issued = self.sandbox.tokens.issue(number, self.sandbox.clock() - 60, 1e9)
        token = AccessToken(SecretStr(issued), now, now + timedelta(days=700))
        secret = SecretStr(self.sandbox.accounts[number].spec.secret)
        account_changes.insert_account(
            self.database, KeyRing([MASTER_KEY]), number, secret, token, name=None, customer_id=None
        )

    def rows(self, resource: str, account_id: int | None = None) -> dict[int, Any]:
        """Return the stored payloads by id, but for rows that are marked missing."""
        table = MIRRORED[Resource(resource)]
        query = (
            sa.select(table.c.id, table.c.raw_payload)
            .where(table.c.account_id == (account_id or self.account_id), table.c.missing_since.is_(None))
            .order_by(table.c.id)
        )
        return {row.id: row.raw_payload for row in self.database.transaction(lambda c: c.execute(query).all())}

    def truth(self, resource: str, account_id: int | None = None) -> dict[int, Any]:
        """Return the payloads of the source by id."""
        return dict(self.sandbox.account(account_id or self.account_id).truth(resource))

    def differences(self, account_id: int | None = None, *, gone_too: bool = True) -> dict[str, set[int]]:
        """Return the ids per resource whose stored and true payloads differ, apart from volatile keys.

        With `gone_too` False, rows that the source no longer has are no difference.
        """
        wrong: dict[str, set[int]] = {}
        for resource in OBJECTS:
            stored, true = self.rows(resource, account_id), self.truth(resource, account_id)
            compared = stored.keys() | true.keys() if gone_too else true.keys()
            ids = {key for key in compared if _settled(stored.get(key)) != _settled(true.get(key))}
            if ids:
                wrong[resource] = ids
        return wrong

    def empty_database(self) -> None:
        """Empty the database."""
        with self.database.engine.begin() as connection:
            empty_tables(connection)


# Volatile keys: copies of other objects, and keys that only a single GET has.
_VOLATILE = {"Reservation", "conversationMessages", "cancellationPolicyDetails", "channelCancellationPolicyCode"}


def _settled(payload: Any) -> Any:
    if isinstance(payload, dict):
        return {key: value for key, value in payload.items() if key not in _VOLATILE}
    return payload


def mirrored_env(build: Callable[..., SyncEnv], **options: Any) -> SyncEnv:
    """Return an environment that was mirrored in full."""
    env = build(**options)
    env.mirrored()
    return env


def single_thread(env: SyncEnv) -> tuple[int, int]:
    """Return a conversation and its reservation, of which it is the only one."""
    world = env.sandbox.world
    for conversation_id, payload in world.truth("conversations"):
        if len(world.conversations_of(payload["reservationId"])) == 1:
            return conversation_id, payload["reservationId"]
    raise AssertionError
