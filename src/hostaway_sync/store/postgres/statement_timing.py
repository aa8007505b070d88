"""Measure how long the statements of an engine take, by operation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

ObserveStatement: TypeAlias = "Callable[[str, float], None]"
"""Called with an operation (`select`, `insert`, `update`, `delete` or `other`) and its seconds."""

_OPERATIONS = ("select", "insert", "update", "delete")
_BEGAN = "hostaway_sync_began"


def time_statements(engine: sa.Engine, observe: ObserveStatement) -> None:
    """Call `observe` for every statement that succeeds from now on."""

    def begin(connection: sa.Connection, *_: Any) -> None:  # noqa: ANN401  (SQLAlchemy's own)
        connection.info[_BEGAN] = time.perf_counter()

    def end(connection: sa.Connection, _: object, statement: str, *rest: Any) -> None:  # noqa: ANN401  (as above)
        context = rest[1]
        observe(_operation(statement, context), time.perf_counter() - connection.info[_BEGAN])

    sa.event.listen(engine, "before_cursor_execute", begin)
    sa.event.listen(engine, "after_cursor_execute", end)


def _operation(statement: str, context: Any) -> str:  # noqa: ANN401  (SQLAlchemy's execution context)
    """Return the operation of a statement; SQLAlchemy knows it also behind a WITH."""
    for operation in _OPERATIONS[1:]:
        if getattr(context, f"is{operation}"):
            return operation
    first = statement.lstrip()[:6].lower()
    return first if first in _OPERATIONS else "other"
