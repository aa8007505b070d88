"""Rows of an account whose state is in doubt: their object may be gone, or their version may be outdated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.records import Resource


@dataclass(frozen=True, slots=True)
class Doubt:
    """The number of doubted rows of one resource, and since when the oldest of them is doubted."""

    rows: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Doubts:
    """The doubted rows of one account, by resource; a resource without any is left out.

    Attributes:
        suspected: rows whose object answered 404; the next sweep decides.
        set_back: rows whose object has an older timestamp than before; two complete sweeps that agree decide.
    """

    suspected: Mapping[Resource, Doubt] = field(default_factory=dict)
    set_back: Mapping[Resource, Doubt] = field(default_factory=dict)
