"""The reference page of `core` and its picture: `python -m tests.support.project.core_page` renews both."""

from __future__ import annotations

import shutil
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.project.core_picture import draw
from tests.support.project.pages import REFERENCE

from hostaway_sync.app.resources import list_view_names, name_core
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.core_sql import MARKED

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = REFERENCE / "core.md"
PICTURE = REFERENCE / "core.svg"
BEGIN = "<!-- what follows is written from the database -->\n"
COLUMNS = """
    SELECT c.relname, obj_description(c.oid, 'pg_class') AS about, a.attname, format_type(a.atttypid, a.atttypmod),
        col_description(c.oid, a.attnum)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'core'\\:\\:regnamespace AND c.relkind = 'v' ORDER BY c.relname, a.attnum
"""


def render(database: Database) -> str:
    """Return the part of the page that follows from the views of a database."""
    return "\n".join(_lines(database))


def draw_views(database: Database) -> str:
    """Return the picture of the views of a database."""
    columns: dict[str, list[str]] = {}
    for view, _, column, _, _ in sql.rows(database, COLUMNS):
        columns.setdefault(view, []).append(column)
    return draw(columns)


def _lines(database: Database) -> Iterator[str]:
    for (name, about), columns in groupby(sql.rows(database, COLUMNS), key=lambda row: row[:2]):
        yield f"\n## {name}\n\n{MARKED.sub('', about).strip()}\n\n| column | type | meaning |\n|---|---|---|"
        for _, _, column, kind, comment in columns:
            meaning, *origins = str(comment).split("; hostaway: ")
            source = f" Hostaway: {origins[0]}." if origins else ""
            short = kind.replace("timestamp with time zone", "timestamptz").replace("time without time zone", "time")
            yield f"| `{column}` | {short} | {meaning}.{source} |"
    yield ""


def main() -> None:
    """Write the page anew."""
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-page-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory / "pg")
    server.start()
    try:
        database = Database(server.url("postgres"), schema="hostaway")
        revisions.upgrade_database(database, list_view_names(), name_core("core"))
        head = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
        PAGE.write_text(head + BEGIN + render(database), encoding="utf-8")
        PICTURE.write_text(draw_views(database), encoding="utf-8")
        database.close()
    finally:
        server.release()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
