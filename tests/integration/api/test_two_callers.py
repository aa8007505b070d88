"""What a caller is answered holds nothing of another: random calls of every route of the committed document."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.api_calls import calls_of, harvest, leaks, operations, without_request
from tests.support.api_rows import fill_accounts
from tests.support.examples import examples
from tests.support.project.pages import ROOT
from tests.support.servers.api import running_api

from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.store.callers.scoped_reads import ScopedReads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx
    import sqlalchemy as sa
    from tests.support.db_roles import DbRoles
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

OURS, THEIRS, NOBODYS = 1, 2, 9
# `nox -s soak` draws all examples of tests with this mark.
pytestmark = pytest.mark.hypothesis
DOCUMENT: Final[dict[str, Any]] = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
EVERY: Final = list(operations(DOCUMENT))
# Of the tables with guests' rows and whatever a caller can change; a caller that could write to them would show.
ROWS: Final = (
    *("accounts", "listings", "reservations", "conversations", "conversation_messages", "calendar_days"),
    *("sync_runs", "sent_messages", "changes"),
)


class ForgetfulReads(ScopedReads):
    """Reads whose questions name the accounts of everybody, as if they had no WHERE."""

    def transaction(self, access: Access, work: Callable[[sa.Connection, Sequence[int]], Any]) -> Any:
        """Run `work` for a caller, with the ids of all accounts."""
        return super().transaction(access, lambda connection, _: work(connection, (OURS, THEIRS)))


class World:
    """The rows of two accounts, and the callers that ask for them through several kinds of server."""

    def __init__(self, env: SyncEnv, stack: ExitStack) -> None:
        self.env = env
        self._stack = stack
        self.key = self.other = ""

    def serve(self, mirror: Mirror) -> httpx.Client:
        """Serve a mirror; return a client that has the accounts of the first caller."""
        api = self._stack.enter_context(running_api(mirror))
        if not self.key:
            self.key = api.issue_key("one", Access.of_accounts({OURS}), Scope)
            self.other = api.issue_key("two", Access.of_accounts({THEIRS}), Scope)
        return self._stack.enter_context(api.client(self.key))

    def forget(self, mirror: Mirror, *, role: str | None) -> Mirror:
        """Return a mirror whose questions name every account, in a role or as the server's own user."""
        mirror.__dict__["scoped_reads"] = ForgetfulReads(mirror._database, role)  # noqa: SLF001  (takes the place of its reads)
        return mirror

    def rows_of_the_other(self) -> list[Any]:
        """Return what the other account has, in every table."""
        ask = "SELECT to_jsonb(one)::text FROM {} AS one WHERE account_id = {} ORDER BY 1"
        return [sql.rows(self.env.database, ask.format(table, THEIRS).replace(":", r"\:")) for table in ROWS]


@pytest.fixture
def world(sync_env: Callable[..., SyncEnv]) -> Iterator[World]:
    """Return the rows of two accounts, which no server serves yet."""
    env = sync_env(store=False)
    fill_accounts(env.database, OURS, THEIRS)
    with ExitStack() as stack:
        yield World(env, stack)


def hold_apart(world: World, servers: dict[str, httpx.Client], full: int) -> None:
    """Call every route at random in every server, and fail where an answer has or tells anything of the other."""
    client = next(iter(servers.values()))
    client.headers["X-API-Key"] = world.other
    foreign = harvest(DOCUMENT, client, THEIRS)
    client.headers["X-API-Key"] = world.key
    drawn = st.tuples(*(calls_of(DOCUMENT, operation, foreign) for operation in EVERY))
    statuses: list[int] = []

    @settings(
        max_examples=examples(full),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
        # A failure names one call, and nothing needs to be made smaller.
        phases=[Phase.generate],
        report_multiple_bugs=False,
        database=None,
    )
    @given(drawn)
    def ask(calls: tuple[Any, ...]) -> None:
        for name, asked in servers.items():
            for call in calls:
                answer = call.send(asked, THEIRS)
                statuses.append(answer.status_code)
                assert leaks(answer, THEIRS, call) == [], (name, call, answer.text)
                assert answer.status_code < 500, (name, call, answer.text)
                if call.names_another:
                    nobodys = call.send(asked, NOBODYS)
                    assert without_request(answer, call, THEIRS) == without_request(nobodys, call, NOBODYS), (
                        name,
                        call,
                    )

    ask()
    assert statuses.count(200) > len(statuses) / 10, "calls are refused too often to show anything"


def test_answers_hold_nothing_of_another_caller(world: World, db_roles: DbRoles) -> None:
    """With both lines, as superuser and as writer, and with each question's WHERE removed: security by row holds."""
    writer = db_roles.url(db_roles.create_login("web", db_roles.groups.writer, db_roles.api))
    before = world.rows_of_the_other()
    mirrors = {
        "superuser": world.env.mirror(),
        "writer": world.env.mirror(database_url=writer),
        "no WHERE": world.forget(world.env.mirror(database_url=writer), role=db_roles.api),
    }
    assert [one.scoped_reads.role for one in mirrors.values()] == [db_roles.api] * len(mirrors)
    hold_apart(world, {name: world.serve(mirror) for name, mirror in mirrors.items()}, 6)
    assert world.rows_of_the_other() == before


def test_questions_keep_callers_apart_without_the_role(world: World) -> None:
    """Where the role was not made, the accounts that each question names are the only line."""
    mirror = world.env.mirror()
    assert mirror.scoped_reads.role is None
    hold_apart(world, {"no role": world.serve(mirror)}, 6)


def test_a_mirror_without_either_line_is_found_out(world: World) -> None:
    """Otherwise the tests above would prove nothing."""
    servers = {"neither": world.serve(world.forget(world.env.mirror(), role=None))}
    with pytest.raises(AssertionError, match="neither"):
        hold_apart(world, servers, 30)
