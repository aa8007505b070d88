"""Names and texts that PostgreSQL reads back unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from tests.support.examples import examples

from hostaway_sync.store.identifiers import quote_identifier, quote_literal

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# PostgreSQL holds no zero byte and cuts names after 63 bytes; a character has four bytes at most.
SIGNS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
SPECIAL = st.sampled_from(["'", '"', "\\", "%", "$", "{", "}", ";", "--", "select", " ", "é"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(50))
@given(
    name=st.lists(SPECIAL | SIGNS, min_size=1, max_size=9).map("".join),
    text=st.lists(SPECIAL | SIGNS, max_size=50).map("".join),
)
def test_quoted_names_and_texts_are_read_back_unchanged(database: Database, name: str, text: str) -> None:
    """Of any characters: a name names and a text is a text, and neither ends the statement."""

    def ask(connection: psycopg.Connection) -> tuple[str, str]:
        statement = f"SELECT {quote_literal(text)} AS {quote_identifier(name)}"
        cursor = connection.execute(sql.SQL(statement.replace("{", "{{").replace("}", "}}")).format())
        assert cursor.description is not None
        row = cursor.fetchone()
        assert row is not None
        return cursor.description[0].name, row[0]

    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert ask(driver) == (name, text)
