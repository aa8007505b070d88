"""SQL texts of statements: compiled once a process, and not once for each connection pool."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, Final, TypeAlias

from sqlalchemy.sql.compiler import Compiled
from sqlalchemy.util import LRUCache

# What SQLAlchemy makes of a dialect and a statement.
_Key: TypeAlias = tuple[Any, ...]

# The mirror has some hundred statements; SQLAlchemy keeps 500 of each engine.
_CAPACITY: Final = 1000


class CompiledStatements(MutableMapping[_Key, Compiled]):
    """A cache for SQLAlchemy's execution option `compiled_cache` that engines of one kind share.

    SQLAlchemy's keys begin with the dialect, an object that each engine has for itself. What a text depends on is the
    kind of dialect and the server's version, which stand in its place here.
    """

    def __init__(self) -> None:
        self._texts: LRUCache[_Key, Compiled] = LRUCache(_CAPACITY)

    def __getitem__(self, key: _Key) -> Compiled:
        return self._texts[_shared(key)]

    def __setitem__(self, key: _Key, compiled: Compiled) -> None:
        self._texts[_shared(key)] = compiled

    def __delitem__(self, key: _Key) -> None:
        del self._texts[_shared(key)]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _shared(key: _Key) -> _Key:
    dialect, *statement = key
    return (type(dialect), dialect.server_version_info, *statement)
