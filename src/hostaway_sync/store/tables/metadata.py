"""Metadata of all tables, names of constraints, and column types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import DateTime, ForeignKeyConstraint, MetaData, Text
from sqlalchemy.types import TypeDecorator

from hostaway_sync.safe_text import hide_private

if TYPE_CHECKING:
    from sqlalchemy import Dialect

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_account_id_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Timestamp = DateTime(timezone=True)


class Sentence(TypeDecorator[str]):
    """Text of an error; every value passes `hide_private` before it is stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as it is stored."""
        del dialect
        return None if value is None else hide_private(value)


def account_key() -> ForeignKeyConstraint:
    """Return the only foreign key that a table may have: to `accounts`."""
    return ForeignKeyConstraint(["account_id"], ["accounts.account_id"])
