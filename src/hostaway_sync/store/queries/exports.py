"""What can be exported by name, for people who know no SQL: which view of `core` it is, and by which day it goes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date


class Exported(StrEnum):
    """The name of an export, as a person types it."""

    ACCOUNTS = "accounts"
    LISTINGS = "listings"
    UNITS = "units"
    RESERVATIONS = "reservations"
    NIGHTS = "nights"
    GUESTS = "guests"
    CONVERSATIONS = "conversations"
    MESSAGES = "messages"
    CALENDAR_DAYS = "calendar_days"
    OCCUPANCY = "occupancy"


@dataclass(frozen=True, slots=True)
class Export:
    """One kind of export.

    Attributes:
        view: its name in the schema `core`.
        day: the column by which `--from` and `--to` choose rows and that orders them; None: rows have no day.
    """

    view: str
    day: str | None = None


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a person asks of an export.

    Attributes:
        first: earliest day; None: no bound.
        last: latest day, included; None: no bound.
        accounts: ids of accounts; empty: all that this role sees.
        with_missing: also rows that the source no longer has.
    """

    first: date | None = None
    last: date | None = None
    accounts: tuple[int, ...] = ()
    with_missing: bool = False


EXPORTS: Final = {
    Exported.ACCOUNTS: Export("accounts"),
    Exported.LISTINGS: Export("listings"),
    Exported.UNITS: Export("units"),
    Exported.RESERVATIONS: Export("reservations", "check_in_date"),
    Exported.NIGHTS: Export("nights", "date"),
    Exported.GUESTS: Export("guests"),
    Exported.CONVERSATIONS: Export("conversations", "last_message_at"),
    Exported.MESSAGES: Export("messages", "sent_at"),
    Exported.CALENDAR_DAYS: Export("calendar_days", "date"),
    Exported.OCCUPANCY: Export("occupancy_monthly", "month"),
}
