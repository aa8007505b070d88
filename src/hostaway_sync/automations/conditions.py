"""`KEY=VALUE`: which rows an automation is told of. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_COLUMN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_LONGEST: Final = 200


def read_conditions(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read conditions; the values of a key that is given several times are alternatives.

    Raises:
        UsageError: one has no `=`, or what stands before it is no name of a column.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not _COLUMN.fullmatch(key) or not value or len(value) > _LONGEST:
            raise UsageError(f"--where {text[:60]!r}: it is written KEY=VALUE, for example status=confirmed")
        found[key] = (*found.get(key, ()), value)
    return found


def require_columns(conditions: Mapping[str, Any], columns: Mapping[str, Collection[str]]) -> None:
    """Check that each condition can be met by a row of one kind at least.

    Args:
        conditions: by column.
        columns: the columns of the rows that the automation may be told of, by kind of record.

    Raises:
        UsageError: no such row has a column of this name.
    """
    for key in conditions:
        if not any(key in names for names in columns.values()):
            known = sorted(set().union(*columns.values()))
            there = f"there are {', '.join(known)}" if known else "such events have no row"
            raise UsageError(f"--where {key}=…: no row of these events has such a column; {there}")


def is_met(conditions: Mapping[str, Collection[str]], row: Mapping[str, Any] | None) -> bool:
    """Whether a row has one of the values of each condition; without a row only no conditions are met."""
    return all(
        row is not None and any(_equals(row.get(key), wanted) for wanted in values)
        for key, values in conditions.items()
    )


def _equals(value: object, wanted: str) -> bool:
    """Whether a value is what a person wrote: `true`, `100` or `100.00`, `2026-03-01`; no value equals nothing."""
    if isinstance(value, bool):
        return wanted == ("true" if value else "false")
    if isinstance(value, int | float | Decimal):
        return _NUMBER.fullmatch(wanted) is not None and Decimal(str(value)) == Decimal(wanted)
    return value is not None and wanted == str(value)
