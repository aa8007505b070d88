"""A migrated database of a plain owner, for tests that leave nothing in it: its migration costs most of theirs."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.support.store.plain_owner import OwnedDatabase, owned_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def migrated_owned(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnedDatabase]:
    """Return a database whose owner is no superuser, migrated by a command; all tests of this process share it."""
    name = f"test_{uuid.uuid4().hex}"
    plain = server.url().replace("+psycopg", "")
    with closing(psycopg.connect(plain, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        with ExitStack() as stack, owned_database(server, name, stack, tmp_path_factory.mktemp("owner")) as made:
            made.run("migrate")
            yield made
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
