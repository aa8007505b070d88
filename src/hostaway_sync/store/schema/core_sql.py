"""Compose the views of `core` from files of SQL: what a view is, and the SELECT of each source. Pure.

A file of `views/core` says what a view is: its columns in their order, what each means, and what follows from the
others. Where it reads what sources have, it says `{sources}`: that is the SELECT that each platform brings for this
view, one after the other, joined by UNION ALL. Names in braces stand for schemas: `{core}` for that of the views,
`{tables}` for that of the tables of a source.

Comments begin a file: the first lines are about the view, each later one `-- column: meaning` about a column. That of
a platform adds from where the column comes. A view that selects from another takes over what it says nothing about.
"""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hostaway_sync.store.identifiers import quote_identifier, quote_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_COLUMN: Final = re.compile(r"([a-z][a-z_]*): (.+)")
_LISTED: Final = re.compile(r"(?: {4}|SELECT )(?! ).*?([a-z][a-z_]*),?$")
_DIGEST_LENGTH: Final = 12
_FUNCTIONS: Final = "functions"
MARK: Final = "hostaway-sync "
"""Before the digest at the end of a comment: it tells our objects from those of others."""
MARKED: Final = re.compile(rf"\({MARK}([0-9a-f]{{{_DIGEST_LENGTH}}})\)$")


@dataclass(frozen=True, slots=True)
class CoreSchema:
    """The schema of the views, and what each source brings to them.

    Attributes:
        name: of the schema.
        sources: of each source, by its name, the SQL of its part of each view, by the view's name; under `functions`
            that of the functions which these parts use.
    """

    name: str
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class CoreObject:
    """A view or a function of the schema.

    Attributes:
        name: without its schema; a function's also with the types of its arguments.
        definition: the statement that creates it, or replaces it.
        comment: what it is.
        columns: of a view, what each column means; of a function, none.
    """

    name: str
    definition: str
    comment: str
    columns: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Equal in all databases where the object is the same."""
        content = repr((self.definition, self.comment, sorted(self.columns.items())))
        return sha256(content.encode()).hexdigest()[:_DIGEST_LENGTH]

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return bool(self.columns)

    def statements(self, schema: str) -> Iterator[str]:
        """Yield the statements that create it, or replace it."""
        yield self.definition
        kind = "VIEW" if self.is_view else "FUNCTION"
        place = f"{quote_identifier(schema)}.{self.name}"
        yield f"COMMENT ON {kind} {place} IS {quote_literal(f'{self.comment} ({MARK}{self.digest})')}"
        for name, comment in self.columns.items():
            yield f"COMMENT ON COLUMN {place}.{name} IS {quote_literal(comment)}"


@dataclass(frozen=True, slots=True)
class _Source:
    """A file: what it says about the view and its columns, and its SQL."""

    comment: str
    columns: Mapping[str, str]
    sql: str


def compose_core(
    core: CoreSchema, tables: str, functions: str, views: Mapping[str, str], usual: str
) -> list[CoreObject]:
    """Return the functions and views, each after those that it uses.

    Args:
        core: the schema, and the parts of the sources.
        tables: the schema of the tables.
        functions: the SQL of all functions, with an empty line between two.
        views: the SQL of each view.
        usual: the comments of columns that mean the same in all views.
    """
    shared = _parse(usual).columns

    def place(sql: str) -> str:
        return sql.replace("{core}", quote_identifier(core.name)).replace("{tables}", quote_identifier(tables))

    own = (texts.get(_FUNCTIONS, "") for texts in core.sources.values())
    parts = [_parse(text) for text in "\n\n".join((functions, *own)).split("\n\n") if text.strip()]
    made = [CoreObject(_signature(part.sql), place(part.sql), part.comment) for part in parts]
    order: TopologicalSorter[str] = TopologicalSorter()
    for name, text in sorted(views.items()):
        order.add(name, *_list_used(text, views))
    meanings: dict[str, Mapping[str, str]] = {}
    for name in order.static_order():
        known = {**ChainMap(*(dict(meanings[one]) for one in _list_used(views[name], views))), **shared}
        view = _compose_view(name, views[name], core, known, place)
        meanings[name] = view.columns
        made.append(view)
    return made


def _list_used(text: str, views: Mapping[str, str]) -> list[str]:
    """Return the views that one is made of."""
    return [name for name in re.findall(r"\{core\}\.(\w+)", text) if name in views]


def _signature(sql: str) -> str:
    """Return the name of a function with the types of its arguments."""
    found = re.search(r"\{core\}\.(\w+)\(([^)]*)\)", sql)
    assert found is not None, sql  # noqa: S101  (a file of ours)
    return f"{found[1]}({', '.join(argument.split()[1] for argument in found[2].split(', ') if argument)})"


def _compose_view(
    name: str, text: str, core: CoreSchema, shared: Mapping[str, str], place: Callable[[str], str]
) -> CoreObject:
    view = _parse(text)
    parts = {source: _parse(texts[name]) for source, texts in core.sources.items() if name in texts}
    union = "\nUNION ALL\n".join(part.sql for part in parts.values())
    columns = {}
    for column in list_columns(view.sql):
        meaning = view.columns.get(column) or shared[column]
        origins = [f"{source}: {part.columns[column]}" for source, part in parts.items() if column in part.columns]
        columns[column] = "; ".join([meaning, *origins])
    head = f"CREATE OR REPLACE VIEW {quote_identifier(core.name, name)} WITH (security_invoker = true) AS\n"
    return CoreObject(name, head + place(view.sql.replace("{sources}", f"(\n{union}\n)")), view.comment, columns)


def list_columns(sql: str) -> list[str]:
    """Return the names of the columns of a SELECT in whose list each column has a line of its own that ends with it."""
    listed = sql.partition("\nFROM ")[0]
    found = (_LISTED.match(line) for line in listed.splitlines())
    return [match[1] for match in found if match is not None]


def _parse(text: str) -> _Source:
    about: list[str] = []
    columns: dict[str, str] = {}
    lines = text.strip().splitlines()
    while lines and lines[0].startswith("--"):
        line = lines.pop(0).removeprefix("--").strip()
        if match := _COLUMN.fullmatch(line):
            columns[match[1]] = match[2]
        elif line:
            about.append(line)
    return _Source(" ".join(about), columns, "\n".join(lines).strip().removesuffix(";"))
