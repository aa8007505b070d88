"""Writes days of the calendars of one account: one request a write, which is never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.calendar.writes import WriteAnswer
from hostaway_sync.platforms.hostaway.calendar import protocol as calendar_protocol
from hostaway_sync.platforms.hostaway.http.request import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.calendar.writes import Values
    from hostaway_sync.platforms.hostaway.http.api import HostawayApi
    from hostaway_sync.platforms.hostaway.http.request import Reply


class HostawayCalendar:
    """The `CalendarApi` of one account.

    Args:
        api: makes the calls of the account.
    """

    def __init__(self, api: HostawayApi) -> None:
        self._api = api

    def write_days(
        self, listing_id: int, days: Days, values: Values, *, before_send: Callable[[], None]
    ) -> WriteAnswer:
        """Ask Hostaway once to give days these values; see `CalendarApi`."""
        path = calendar_protocol.calendar_path(listing_id)
        has_left, status = False, None

        def leave() -> None:
            nonlocal has_left
            before_send()
            has_left = True

        def read(reply: Reply) -> None:
            nonlocal status
            status = reply.status
            calendar_protocol.read_answer(
                reply.status, reply.headers, reply.body, reply.observed_at, asked=f"PUT {path}"
            )

        try:
            self._api.send_once(
                "PUT",
                path,
                calendar_protocol.request_body(days, values),
                read,
                Cause("calendar: write it"),
                before_send=leave,
            )
        except HostawaySyncError as error:
            may_be_done = calendar_protocol.may_be_written(status, has_left=has_left)
            return WriteAnswer(
                was_accepted=False,
                may_be_done=may_be_done,
                was_answered=status is not None,
                error=str(error),
                fault=error,
            )
        return WriteAnswer(was_accepted=True)
