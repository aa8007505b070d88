"""What is doubted of the rows of an account: that they are still there, or that they are the newest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.records import Resource


@dataclass(frozen=True, slots=True)
class Doubt:
    """Rows of one resource that are doubted, and since when the first of them is."""

    rows: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Doubts:
    """The rows of one account that are doubted, by resource; one without any is left out.

    Attributes:
        suspected: a request for the object said 404; the next sweep judges.
        set_back: the source stamps it older than it did; two whole sweeps that agree outweigh that.
    """

    suspected: Mapping[Resource, Doubt] = field(default_factory=dict)
    set_back: Mapping[Resource, Doubt] = field(default_factory=dict)
