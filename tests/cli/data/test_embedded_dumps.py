from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.changes import insert_changes
from tests.support.embedded_clients import passable_directory
from tests.support.records import add_account

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.history.feed import Feed
from hostaway_sync.settings import load_settings
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.history.feed import find_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.programs.program import Program

    from hostaway_sync.store.postgres.database import Database

_AHEAD = "DO $$ BEGIN FOR number IN 1..4000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return a data directory whose embedded server runs until the end of the test."""
    with passable_directory() as found:
        server = EmbeddedPostgres(found / "postgresql")
        server.start()
        yield found
        server.release()


def test_mirror_goes_on_in_an_embedded_database(
    database: Database, program: Program, data_dir: Path, tmp_path: Path
) -> None:
    """A dump of a server comes into the embedded one, which is asked, dumped and followed; cursors stay valid."""
    add_account(database)
    # Far more transactions than the new server has seen, and most of them changed nothing.
    database.transaction(lambda connection: connection.exec_driver_sql(_AHEAD), is_one_statement=True)
    first, second = insert_changes(database, 2)
    database.transaction(lambda connection: connection.exec_driver_sql(_AHEAD), is_one_statement=True)
    start = Feed(database).read(database.transaction(find_end)).cursor
    file, again = tmp_path / "mirror.dump", tmp_path / "again.dump"
    url = database.engine.url.render_as_string(hide_password=False)
    there = {"HOSTAWAY_SYNC_DATA_DIR": str(data_dir)}
    assert program(None, "database", "dump", str(file), **there, HOSTAWAY_SYNC_DATABASE_URL=url).returncode == 0
    restored = program(None, "database", "restore", str(file), **there)
    assert restored.returncode == 0, restored.stderr
    assert "there is no key here: bring the key file of the old mirror" in restored.stderr

    asked = "SELECT current_user, count(*) FROM accounts"
    assert program(None, "sql", asked, **there).stdout == "current_user,count\nhostaway_sync_query,1\n"
    assert program(None, "export", "accounts", "--format", "jsonl", **there).stdout.count("\n") == 1
    steps = "SET default_transaction_read_only TO off;\nUPDATE accounts SET name = 'x';\nSELECT 'still here';\n"
    shell = program(None, "database", "shell", stdin=steps, **there)
    assert "permission denied for table accounts" in shell.stderr
    assert "still here" in shell.stdout
    assert program(None, "database", "dump", str(again), **there).returncode == 0
    assert again.read_bytes()[:5] == b"PGDMP"

    with Mirror(load_settings(data_dir=data_dir)) as mirror:
        moved = mirror._database  # noqa: SLF001  (its server is another one than the test's)
        assert Feed(moved).read(start).entries == ()
        (third,) = insert_changes(moved)
        assert [change.change_id for _, change in Feed(moved).read(start).entries] == [third]
        assert sql.rows(moved, "SELECT change_id FROM changes ORDER BY 1") == [(first,), (second,), (third,)]
