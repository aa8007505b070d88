from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support.processes import printed_text, start_program
from tests.support.project.pages import ROOT, Block, blocks

from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.store.schema.api_role import name_role
from hostaway_sync.store.schema.grants import Groups, create_group_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.postgres.database import Database

NUMBER = 12345
HOW_TO = ROOT / "docs" / "how-to"
# Commands that end by themselves and need only the database, Hostaway and the account.
ALONE = {"account", "keys", "migrate", "plan", "status", "sync", "sync-all", "verify", "worker"}
NOT_ALONE = {"account import", "account remove", "keys rotate"}
# An administrator types the commands that create roles: tests/cli/data/test_roles.py. Questions: test_questions.py.
QUERIES = [block for block in blocks("sql") if block.page.name not in {"roles.md", "questions.md"}]


def typed(page: str) -> list[list[str]]:
    """Return the commands of a page that can be run, in order, as words."""
    lines = [line for block in blocks("sh") if block.page.name == page for line in block.text.splitlines()]
    commands = [shlex.split(command) for line in lines for command in line.split("&&")]
    return [
        words[1:]
        for words in commands
        if words[:1] == ["hostaway-sync"]
        and words[1] in ALONE
        and " ".join(words[1:3]) not in NOT_ALONE
        and "<" not in words
    ]


@pytest.mark.parametrize("page", ["getting-started.md", "runs.md"])
def test_commands_in_the_docs_work(sync_env: Callable[..., SyncEnv], page: str) -> None:
    """Every command of the page that can be run alone succeeds, in the order in which a reader types them."""
    env = sync_env(accounts=[AccountSpec(id=NUMBER, reservations=3)], store=False)
    secret = env.sandbox.accounts[NUMBER].spec.secret
    environment = env.environment(CLIENT_SECRET=secret)
    commands = typed(page)
    if ["account", "add"] not in [words[:2] for words in commands]:
        commands.insert(0, ["account", "add", str(NUMBER)])
    assert len(commands) >= 3
    for words in commands:
        process = start_program(environment, *words)
        process.join(60)
        assert process.exitcode == 0, (words, printed_text(environment))


@pytest.mark.parametrize("query", QUERIES, ids=lambda block: f"{block.page.stem}: {block.text.splitlines()[0]}")
def test_queries_in_the_docs_run(database: Database, query: Block) -> None:
    """Every statement of a page runs on the present tables, with the groups that `roles create` makes."""
    with database.engine.connect() as connection, connection.begin() as transaction:
        for statement in create_group_statements([*Groups.from_prefix("hostaway").names, name_role("hostaway")]):
            connection.exec_driver_sql(statement)
        for statement in query.text.split(";\n"):
            if statement.strip():
                connection.execute(sa.text(statement))
        transaction.rollback()
