"""What all tables share: their metadata, and how constraints are named."""

from __future__ import annotations

from sqlalchemy import DateTime, ForeignKeyConstraint, MetaData

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


def account_key() -> ForeignKeyConstraint:
    """Give the only foreign key that a table may have."""
    return ForeignKeyConstraint(["account_id"], ["accounts.account_id"])
