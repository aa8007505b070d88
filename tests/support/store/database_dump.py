"""All values of a database, as a backup holds them, and every spelling in which they could hold a text."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.postgres.database import Database

_TABLES = """
SELECT format('%I.%I', table_schema, table_name), column_name, data_type = 'bytea'
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def dump_columns(database: Database) -> dict[str, str]:
    """Return the values of each column as one text, by `table.column`; bytes as Latin-1."""
    found: dict[str, str] = {}
    with database.engine.connect() as connection:
        for table, column, is_bytes in connection.execute(sa.text(_TABLES)).all():
            value = f'"{column}"' if is_bytes else f'"{column}"::text'
            rows = connection.execute(sa.text(f"SELECT {value} FROM {table} WHERE {value} IS NOT NULL")).scalars()
            found[f"{table}.{column}"] = "\n".join(bytes(one).decode("latin-1") if is_bytes else one for one in rows)
    return found


def spellings(text: str) -> set[str]:
    """Return the spellings of a text: itself, in JSON, JSON in JSON, Python, a URL, hex, Base64."""
    raw = text.encode()
    json_once = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    forms = {text, *json_once, *(json.dumps(one)[1:-1] for one in json_once), repr(text)[1:-1], repr(raw)[2:-1]}
    forms |= {quote(text, safe=""), quote(text).replace("%20", "+"), raw.hex(), raw.hex().upper()}
    if len(raw) > 8:
        forms |= {base64.b64encode(b"xyz"[:n] + raw).decode()[4:-4] for n in range(3)}
    return forms | {one.encode().decode("latin-1") for one in forms}


def find_texts(places: dict[str, str], texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return (place, text) where one of these texts stands in any spelling and any case."""
    searched = {place: said.casefold() for place, said in places.items()}
    return [
        (place, text)
        for text in texts
        for place, said in searched.items()
        if any(form.casefold() in said for form in spellings(text))
    ]
