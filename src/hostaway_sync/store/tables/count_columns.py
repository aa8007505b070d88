"""The columns of a run's counts for a resource; spans and metrics use the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.model.records import ChangeCounts

if TYPE_CHECKING:
    import sqlalchemy as sa

CHANGES: Final = ("inserted", "updated", "unchanged", "stale", "quarantined", "missing")
"""What may become of a record."""


def to_columns(counts: ChangeCounts) -> dict[str, int]:
    """Return counts by the names of their columns."""
    return {
        "seen": counts.seen,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "stale": counts.stale,
        "quarantined": counts.quarantined,
        "missing": counts.missing,
    }


def from_columns(row: sa.RowMapping) -> ChangeCounts:
    """Return the counts that a row holds."""
    return ChangeCounts(
        seen=row["seen"],
        inserted=row["inserted"],
        updated=row["updated"],
        unchanged=row["unchanged"],
        stale=row["stale"],
        quarantined=row["quarantined"],
        missing=row["missing"],
    )
