from __future__ import annotations

import json
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
from tests.support.db_roles import DbRoles
from tests.support.project.pages import blocks

from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from tests.support.programs.program import Program

PAGE = "roles.md"
NAMES = ("sync", "anna", "casa_azul", "hostaway_owner", "hostaway_writer", "hostaway_analyst", "hostaway_reader")


def test_commands_of_the_roles_page_create_its_roles(program: Program, empty_database_url: str) -> None:
    """Typed in order, they leave a writer, an analyst, and a reader of one account."""
    steps = [block for block in blocks("sql", "sh") if block.page.name == PAGE]
    assert [step.language for step in steps] == ["sql", "sh", "sql", "sh"]
    above = Database(empty_database_url, schema="hostaway")
    db_roles = DbRoles(above)
    owner = {"HOSTAWAY_SYNC_DATABASE_URL": db_roles.url("hostaway_owner")}
    try:
        for step in steps:
            if step.language == "sql":
                url = above.engine.url.set(drivername="postgresql").render_as_string()
                with closing(psycopg.connect(url, autocommit=True)) as connection:
                    connection.execute(step.text.encode())
            for line in step.text.splitlines() if step.language == "sh" else ():
                done = program(None, *shlex.split(line)[1:], **owner)
                assert (done.returncode, done.stderr) == (0, ""), line
                if line.endswith("migrate"):
                    db_roles.execute("INSERT INTO hostaway.accounts (account_id) VALUES (12345), (67890)")
        assert [line.split()[:3] for line in done.stdout.splitlines()] == [
            ["role", "kind", "accounts"],
            ["anna", "analyst", "all"],
            ["casa_azul", "reader", "12345,"],
            ["sync", "writer", "all"],
        ]
        assert db_roles.rows("casa_azul", "SELECT account_id FROM accounts") == [(12345,)]
        assert len(db_roles.rows("anna", "SELECT account_id FROM accounts")) == 2
        db_roles.rows("sync", "UPDATE accounts SET name = 'Casa Azul' WHERE account_id = 12345")
        done = program(None, "roles", "unbind", "casa_azul", **owner)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        listed = json.loads(program(None, "roles", "list", "--json", **owner).stdout)
        assert listed[1] == {"role": "casa_azul", "kind": "reader", "account_ids": [], "customer_ids": []}
    finally:
        db_roles.made += NAMES
        db_roles.drop_all()
        above.close()


def test_wrong_role_arguments_print_one_sentence(program: Program, database: Database) -> None:
    """No account to bind to is a usage error; missing groups and an unknown role say what to do."""
    settings = {"HOSTAWAY_SYNC_DATABASE_URL": database.engine.url.render_as_string(hide_password=False)}
    done = program(None, "roles", "bind", "nobody", **settings)
    assert (done.returncode, "--account ID or --customer UUID" in done.stderr) == (2, True)
    done = program(None, "roles", "bind", "nobody", "--account", "1", **settings)
    assert (done.returncode, "run `hostaway-sync roles create`" in done.stderr) == (1, True)
    done = program(None, "roles", "create", "--sql", "--prefix", "mine")
    assert done.returncode == 0
    assert "CREATE ROLE mine_reader NOLOGIN" in done.stdout
