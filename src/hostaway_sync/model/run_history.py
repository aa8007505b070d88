"""The run history of an account: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.records import ChangeCounts, Resource, RunState
    from hostaway_sync.model.status import RunSummary


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """The result of a run for one resource."""

    state: RunState
    counts: ChangeCounts
    error: str | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run with its results per resource."""

    run: RunSummary
    parts: Mapping[Resource, ResourceSummary]
