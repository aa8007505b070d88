"""What a person may ask the platform of one reservation, beyond what is mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Requested(StrEnum):
    """What is asked for."""

    FINANCE = "finance"
    LOGS = "logs"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class RequestedObject:
    """One object of an answer.

    Attributes:
        payload: as received, without keys that open something.
        cells: what a person is shown of it, by heading; raw text of the platform's users and guests.
    """

    payload: Mapping[str, Any]
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RequestedAnswer:
    """The objects that the platform has of a reservation, in its order."""

    account_id: int
    reservation_id: int
    requested: Requested
    objects: tuple[RequestedObject, ...]
