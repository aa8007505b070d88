"""Changes of bookings, listings and threads, with the stamps that Hostaway would move (API notes, 5, 12)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hostaway_sync.sandbox.rows.conversations import Conversation
from hostaway_sync.sandbox.rows.phrases import GUESTS, quote
from hostaway_sync.sandbox.seed.layout import FIRST, IDS_PER_THREAD, FirstIds
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import stamp_text
from hostaway_sync.sandbox.switches import Switches
from hostaway_sync.sandbox.world.objects import Objects, kind_named
from hostaway_sync.sandbox.world.state import Payload, WorldState

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""The default time of a world's clock; fixed, so that equal seeds give equal bytes."""
_LATER = 1_000
_OUTBOX = 10_000


class WorldChanges(WorldState):
    """An account that changes. Its clock (`now`) advances by `step` with each change (0: equal stamps)."""

    def __init__(
        self,
        account_id: int = 70001,
        *,
        seed: int = 1,
        reservations: int = 787,
        listings: int = 12,
        conversations: bool = True,
        start: datetime = START,
        switches: Switches | None = None,
        first: FirstIds | None = None,
    ) -> None:
        self._clock = int(start.timestamp())
        self.accepted: list[tuple[int, str]] = []
        """Messages that the API accepted, as (conversation, text), whatever its answer was."""
        self.accepted_days: list[tuple[int, str, str, dict[str, Any]]] = []
        """Calendar writes that the API accepted, as (listing, first day, last day, keys), whatever its answer was."""
        first = first or FirstIds()
        super().__init__(
            account_id,
            seed=seed,
            reservations=reservations,
            listings=listings,
            conversations=conversations,
            start=self._clock,
            switches=switches or Switches(),
            first=first,
        )
        self.others = Objects(self.layout, account_id, self._owner)
        """All other kinds of objects; `World.objects` reads them."""
        self.step = timedelta(seconds=1)
        self.outbox: deque[tuple[str, int, int]] = deque(maxlen=_OUTBOX)
        """Events that Hostaway would announce by webhook: (event, id, id of the thread or 0)."""
        self._next_reservation = first.reservations + reservations + _LATER
        self._next_conversation = first.conversations + 3 * (reservations + _LATER)
        self._next_message = first.messages + 3 * (reservations + _LATER) * IDS_PER_THREAD
        self._next_listing = first.listings + 3 * listings + _LATER

    # Time

    @property
    def now(self) -> datetime:
        """The account's clock, UTC, whole seconds."""
        return datetime.fromtimestamp(self._clock, UTC)

    @now.setter
    def now(self, moment: datetime) -> None:
        self._clock = int(moment.timestamp())

    def _tick(self) -> int:
        self._clock += int(self.step.total_seconds())
        return self._clock

    # Reservations

    def create_reservation(self, *, conversation: bool = True, **fields: Any) -> int:  # noqa: ANN401  (whatever the API takes)
        """Add a reservation at the top, by default with a thread, and return its id.

        `fields` are payload keys, such as `listingMapId` of a listing that is not there yet.
        """
        with self.lock:
            moment = self._tick()
            number = self._next_reservation
            self._next_reservation += 1
            text = stamp_text(moment)
            stamps = {"insertedOn": text, "reservationDate": text, "updatedOn": text, "latestActivityOn": text}
            payload = self._imagined_reservation(number) | {"status": "new"} | stamps | fields
            self._put_reservation(payload, moment)
            self.outbox.append(("reservation.created", number, 0))
            if conversation:
                self.create_conversation(number)
            return number

    def update_reservation(self, reservation_id: int, *, activity: bool = True, **fields: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Change payload keys; moves `updatedOn`, and `latestActivityOn` unless `activity` is False."""
        with self.lock:
            self._bump(reservation_id, self._tick(), activity=activity, **fields)

    def pay(self, reservation_id: int, status: str = "Paid") -> None:
        """Mark a reservation as paid; moves `updatedOn` only."""
        self.update_reservation(reservation_id, activity=False, paymentStatus=status, remainingBalance=0)

    def move_reservation(
        self,
        reservation_id: int,
        *,
        arrival: date | None = None,
        departure: date | None = None,
        listing_id: int | None = None,
    ) -> None:
        """Move a stay to other dates, another listing, or both; what is not given stays as it is."""
        with self.lock:
            payload = self.reservation(reservation_id)
            arrival = arrival or date.fromisoformat(payload["arrivalDate"])
            departure = departure or date.fromisoformat(payload["departureDate"])
            if departure < arrival:
                raise ValueError(f"reservation {reservation_id} would depart on {departure}, before it arrives")
            moved: dict[str, Any] = {"arrivalDate": arrival.isoformat(), "departureDate": departure.isoformat()}
            moved |= {"nights": (departure - arrival).days, "isDatesUnspecified": int(arrival == departure)}
            moved["listingMapId"] = listing_id or payload["listingMapId"]
            self._bump(reservation_id, self._tick(), **moved)

    def cancel_reservation(self, reservation_id: int) -> None:
        """Cancel a reservation: the row stays, with status `cancelled`."""
        with self.lock:
            moment = self._tick()
            self._bump(reservation_id, moment, status="cancelled", cancellationDate=stamp_text(moment), totalPrice=0)

    def delete_reservation(self, reservation_id: int) -> None:
        """Delete a reservation and, unless a switch says otherwise, its threads; the row leaves no trace."""
        with self.lock:
            self.revision += 1
            threads = self.conversations_of(reservation_id)
            self.reservation_order.remove(reservation_id)
            self._changed_reservations.pop(reservation_id, None)
            self._stays.note_change(reservation_id)
            if not self.switches.deleted_reservation_keeps_threads:
                for number in threads:
                    self.delete_conversation(number)

    def touch(self, reservation_ids: Iterable[int]) -> None:
        """Move `updatedOn` of many rows to one second and change nothing else, as nightly jobs do."""
        with self.lock:
            moment = self._tick()
            for number in reservation_ids:
                self._bump(number, moment, activity=False)

    def _bump(self, reservation_id: int, moment: int, *, activity: bool = True, **fields: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        payload = self.reservation(reservation_id)
        payload["updatedOn"] = stamp_text(moment)
        if activity:
            payload["latestActivityOn"] = stamp_text(moment)
        self._put_reservation(payload | fields, moment)
        self.outbox.append(("reservation.updated", reservation_id, 0))

    def _bump_reservation_of(self, conversation: Conversation, moment: int) -> None:
        if conversation.reservation_id is not None and conversation.reservation_id in self.reservation_order:
            self._bump(conversation.reservation_id, moment)

    # Listings

    def create_listing(self, listing_id: int | None = None, **fields: Any) -> int:  # noqa: ANN401  (whatever the API takes)
        """Add a listing, by default under a new id, and return the id."""
        with self.lock:
            number = listing_id or self._next_listing
            self._next_listing = max(self._next_listing, number + 3)
            moment = stamp_text(self._tick())
            payload = self._imagined_listing() | {"id": number, "insertedOn": moment, "latestActivityOn": moment}
            self._put_listing(payload | fields)
            return number

    def edit_listing(self, listing_id: int, *, stamp: bool = True, **fields: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Change payload keys; moves `latestActivityOn` unless `stamp` is False (not every edit does)."""
        with self.lock:
            moment = stamp_text(self._tick())
            payload = self.listing(listing_id) | fields
            self._put_listing(payload | {"latestActivityOn": moment} if stamp else payload)

    def archive_listing(self, listing_id: int) -> None:
        """Archive a listing: it stays listed, with `specialStatus`."""
        self.edit_listing(listing_id, specialStatus="archived")

    def link_listings(self, parent_id: int, unit_id: int) -> None:
        """Make a listing a unit of another one: the stays of each block the days of both."""
        with self.lock:
            units = [*self.listing(parent_id)["listingUnits"], {"id": unit_id + 500_000, "listingMapId": unit_id}]
            self.edit_listing(parent_id, listingUnits=units)
            self._calendars.link(parent_id, unit_id)

    def delete_listing(self, listing_id: int) -> None:
        """Delete a listing; its reservations stay."""
        with self.lock:
            if not self.has_listing(listing_id):
                raise KeyError(listing_id)
            self.revision += 1
            self.listing_ids.remove(listing_id)
            self._changed_listings.pop(listing_id, None)

    # Conversations

    def create_conversation(self, reservation_id: int | None = None) -> int:
        """Add an empty thread of a reservation, or of none, and return its id."""
        with self.lock:
            number = self._next_conversation
            self._next_conversation += 1
            bits = mix(number)
            listing = None if reservation_id is None else self.reservation(reservation_id)["listingMapId"]
            self._put_conversation(
                Conversation(number, -1, FIRST, reservation_id, listing, 0, bits % len(GUESTS), None, None, False, bits)  # noqa: FBT003  (a row of values, in order)
            )
            if reservation_id is not None:
                self._later_threads.setdefault(reservation_id, []).append(number)
            return number

    def mark_conversation(self, conversation_id: int, *, unread: bool) -> None:
        """Mark a thread read or unread; a switch decides whether that moves the reservation."""
        with self.lock:
            conversation = self.conversation(conversation_id)
            self._put_conversation(replace(conversation, unread=unread))
            if self.switches.read_marks_bump:
                self._bump_reservation_of(conversation, self._tick())

    def delete_conversation(self, conversation_id: int) -> None:
        """Delete a thread with its messages."""
        with self.lock:
            self.revision += 1
            self.conversation_order.remove(conversation_id)
            self._changed_conversations.pop(conversation_id, None)

    def _owner(self, resource: str, number: int) -> Payload:
        """Return the reservation whose objects are asked for, or nothing for a listing; KeyError when not listed."""
        if resource == "reservation":
            return self.reservation(number)
        if not self.has_listing(number):
            raise KeyError(number)
        return {}

    # Announcements

    def announced_object(self, event: str, number: int, conversation_id: int) -> bytes | None:
        """Return the object of an entry of `outbox` as it is now; None when it is gone."""
        try:
            if event.startswith("task."):
                kind = kind_named("tasks")
                payload = self.others.get(kind, self.others.source(kind), number)
            elif conversation_id:
                payload = self.threads.get(self.conversation(conversation_id), number)
            else:
                payload = self.reservation(number)
        except KeyError:
            return None
        return quote(payload).encode()
