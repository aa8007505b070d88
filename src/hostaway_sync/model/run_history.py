"""The run history of an account: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.records import ChangeCounts, Mark, Mode, Resource, RunState
    from hostaway_sync.model.status import RunSummary


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """The result of a run for one resource."""

    state: RunState
    counts: ChangeCounts
    error: str | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run with its results by the name of each resource, and of each other kind of which a list was read."""

    run: RunSummary
    parts: Mapping[str, ResourceSummary]


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What the plan of an account's next run depends on.

    Attributes:
        marks: how far each resource is mirrored.
        calls: number of requests of its last successful run, by mode; a mode without one is left out.
    """

    account_id: int
    marks: dict[Resource, Mark]
    calls: Mapping[Mode, int]
