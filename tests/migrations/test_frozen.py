"""Migrations that landed stay as they are: a database that has run one never runs it again."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support import sql

from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LANDED = Path(__file__).with_name("landed.sha256")
# The environment runs the migrations, and is no migration.
KINDS = ("versions/*.py", "**/*.sql")


def pinned() -> dict[str, str]:
    """Return the hash of each file that landed, by its path."""
    lines = (line.split() for line in LANDED.read_text(encoding="ascii").splitlines())
    return {path: digest for digest, path in lines}


def found(directory: Path) -> dict[str, str]:
    """Return the hash of each file that a database may have run."""
    files = {path for kind in KINDS for path in directory.glob(kind)}
    return {path.relative_to(directory).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def faults(landed: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what is wrong with each file, and what to do."""
    edited = [
        f"migrations/{path} was edited or removed after it landed: restore it"
        f" (`git checkout main -- migrations/{path}`) and write what you want to change into a new migration"
        for path in sorted(landed)
        if now.get(path) != landed[path]
    ]
    unknown = [
        f"migrations/{path} is new: when it is finished, pin it with"
        f" `(cd migrations && sha256sum {path}) >> tests/migrations/landed.sha256`"
        for path in sorted(now.keys() - landed.keys())
    ]
    return edited + unknown


def test_landed_migrations_are_unchanged() -> None:
    """Neither a version nor a file of SQL that it loads; the printed command pins a new one."""
    assert faults(pinned(), found(revisions.migrations_directory())) == []


@pytest.mark.parametrize("path", sorted(pinned()))
def test_every_edit_of_a_migration_is_noticed(path: str) -> None:
    """One changed byte, or a deleted file, is named together with the command that restores it."""
    landed = pinned()
    for now in ({**landed, path: "0" * 64}, {name: digest for name, digest in landed.items() if name != path}):
        (fault,) = faults(landed, now)
        assert f"git checkout main -- migrations/{path}" in fault


def test_new_migration_is_reported_with_the_pinning_command() -> None:
    """The sentence holds the whole command."""
    (fault,) = faults({}, {"versions/9999_new.py": "0" * 64})
    assert "sha256sum versions/9999_new.py) >> tests/migrations/landed.sha256" in fault


@pytest.fixture
def before(empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """Return a database at revision 0015."""
    older = Path(shutil.copytree(revisions.migrations_directory(), tmp_path / "migrations"))
    for path in (older / "versions").glob("*.py"):
        if path.name > "0016":
            path.unlink()
    database = Database(empty_database_url, schema=SCHEMA)
    with monkeypatch.context() as patch:
        patch.setattr(revisions, "migrations_directory", lambda: older)
        revisions.upgrade_database(database)
    yield database
    database.close()


def test_reader_bindings_get_a_key_and_lose_duplicates(before: Database) -> None:
    """Without the unique key, rows could be stored twice; all others stay, each with its number."""
    sql.execute(before, "ALTER TABLE reader_bindings DROP CONSTRAINT reader_bindings_key")
    customer = "'00000000-0000-0000-0000-000000000001'"
    rows = ["'a', 1, NULL", "'a', 1, NULL", "'a', 2, NULL", "'b', 1, NULL", *[f"'b', NULL, {customer}"] * 3]
    values = ", ".join(f"({row})" for row in rows)
    sql.execute(before, f"INSERT INTO reader_bindings (role_name, bound_account_id, bound_customer_id) VALUES {values}")
    revisions.upgrade_database(before)
    found = sql.row(before, "SELECT count(*), count(DISTINCT binding_id) AS numbers FROM reader_bindings")
    assert tuple(found) == (4, 4)
    with pytest.raises(IntegrityError, match="reader_bindings_pkey"):
        sql.execute(before, "INSERT INTO reader_bindings OVERRIDING SYSTEM VALUE SELECT * FROM reader_bindings LIMIT 1")


def test_ledger_of_the_first_0014_gets_its_columns(before: Database) -> None:
    """A database that was migrated before that file was edited becomes equal to all others."""
    for column in ("is_queued", "quiet_hours", "not_before_at"):
        sql.execute(before, f"ALTER TABLE sent_messages DROP COLUMN {column}")
    rule = "dead_letters_kind_known_check"
    sql.execute(before, f"ALTER TABLE dead_letters DROP CONSTRAINT {rule}")
    sql.execute(before, f"ALTER TABLE dead_letters ADD CONSTRAINT {rule} CHECK (kind IN ('delivery','sync'))")
    revisions.upgrade_database(before)
    sql.execute(before, "SELECT is_queued, quiet_hours, not_before_at FROM sent_messages")
    kept = sql.row(before, f"SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint WHERE conname = '{rule}'")
    assert "send" in kept.rule
