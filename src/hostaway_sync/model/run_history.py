"""The history of an account's runs: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.records import ChangeCounts, Resource, RunState
    from hostaway_sync.model.status import RunSummary


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """What a run did with one resource."""

    state: RunState
    counts: ChangeCounts
    error: str | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run with its parts, for whoever reads the history of an account."""

    run: RunSummary
    parts: Mapping[Resource, ResourceSummary]
