"""What the triggers that write the history of records are told, as settings of one transaction.

They go along with a query that the transaction runs anyway: a page costs no round trip more.

    cause, cause_id                what caused its changes
    volatile_keys, signed_keys     payload keys that describe nothing, and those with signed URLs
    price_changes                  `on`: prices of days are kept, too
    changes                        `off`: rows change only in form; `erase`: a guest is forgotten
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.kinds.kind import Kind

_PREFIX: Final = "hostaway_sync."


def _set(name: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.set_config(f"{_PREFIX}{name}", value, sa.true())


def _keep_unless_given(name: str) -> sa.ColumnElement[str]:
    stands = sa.func.current_setting(f"{_PREFIX}{name}", sa.true())
    return _set(name, sa.func.coalesce(sa.bindparam(name, type_=sa.Text), stands, ""))


def cause_columns() -> Sequence[sa.ColumnElement[str]]:
    """Return columns of a query that store the cause of a transaction; see `cause_parameters`."""
    return [_keep_unless_given("cause"), _keep_unless_given("cause_id")]


def cause_parameters(cause: Cause | None) -> Mapping[str, Any]:
    """Return the parameters of `cause_columns`; None: what an earlier query of the transaction named stands."""
    return {"cause": cause and cause.kind.value, "cause_id": cause and (cause.id or "")}


def key_columns() -> Sequence[sa.ColumnElement[str]]:
    """Return columns of a query that store which keys make no change; see `key_parameters`."""
    keys = sa.ARRAY(sa.Text)
    columns = [
        _set(name, sa.cast(sa.bindparam(name, type_=keys), sa.Text)) for name in ("volatile_keys", "signed_keys")
    ]
    return [*columns, _set("price_changes", sa.bindparam("price_changes", type_=sa.Text))]


def key_parameters(shape: Shape | Kind | None, *, keeps_prices: bool = False) -> Mapping[str, Any]:
    """Return the parameters of `key_columns`."""
    return {
        "volatile_keys": [] if shape is None else list(shape.volatile),
        "signed_keys": list(shape.signed) if isinstance(shape, Shape) else [],
        "price_changes": "on" if keeps_prices else "",
    }


def silence_changes(connection: sa.Connection) -> None:
    """Let the rest of a transaction write no history: its rows change in form alone."""
    connection.execute(sa.select(_set("changes", sa.literal("off"))))


def note_erasure(connection: sa.Connection) -> None:
    """Let the rest of a transaction note of each record that it was erased, and nothing of what it was."""
    connection.execute(sa.select(_set("changes", sa.literal("erase"))))
