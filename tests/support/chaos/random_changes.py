"""Random changes of an account, as guests, hosts, channels and nightly jobs make them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from tests.support.calendars import ahead

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import Switches

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import date

    from hostaway_sync.sandbox import World

SWITCHES = st.builds(Switches, **{name: st.sampled_from(allowed) for name, allowed in Switches.choices().items()})

T = TypeVar("T", bound="tuple[int, ...]")

# One database serves all examples, which empty it themselves. An example takes seconds, which is too slow to shrink.
settings.register_profile(
    "worlds",
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORLDS = settings.get_profile("worlds")

LONG_AGO = timedelta(days=40)
# The largest number of deletions: more at once would look like a failure of the source.
DELETIONS = 4
CHANGING = ["reviews", "tasks", "custom_fields", "seasonal_rules", "listing_fee_settings"]


class RandomChanges:
    """Random changes in one world. Unless `silent`, each of them moves a stamp or a list that a full run sees.

    Only a reading of every thread finds a silent change: a message that was edited, deleted, scheduled or failed while
    no other stamp moved, or a message whose reservation is gone.
    """

    def __init__(self, world: World, chance: random.Random, *, silent: bool = False) -> None:
        self._world = world
        self._chance = chance
        self._silent = silent
        self._deletions = DELETIONS
        self._planned: list[tuple[int, int]] = []
        self._promised: list[int] = []
        self._witnesses: set[int] = set()
        self._deleted: Counter[str] = Counter()
        self.gone: list[tuple[Resource, int]] = []

    def make_change(self, *, cursor: int | None = None) -> None:
        """Make one change, or several in the same second; `cursor` is the row that a walk points to."""
        with self._world.lock:
            kinds = [*self._bookings(), *self._listings(), *self._threads(), *self._others()]
            if self._silent:
                kinds += self._silences()
            if cursor is not None and cursor in self._ids("reservations"):
                kinds += [lambda: self._world.pay(cursor), lambda: self._delete(Resource.RESERVATIONS, cursor)] * 4
            self._chance.choice(kinds)()

    def pick_object(self) -> tuple[Resource, int]:
        """Return an object that a delivery may be about; it may be deleted."""
        resource = self._chance.choice((Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS))
        if self.gone and self._chance.random() < 0.3:
            return self._chance.choice(self.gone)
        newest = sorted(self._ids(resource.value), reverse=True)
        return resource, self._chance.choice(newest[:5] if self._chance.random() < 0.5 else newest)

    def _ids(self, resource: str) -> list[int]:
        with self._world.lock:
            return [row_id for row_id, _ in self._world.truth(resource)]

    def _live_threads(self) -> list[int]:
        """Return the conversations whose reservation exists: a message in them moves its stamp."""
        reservations = set(self._ids("reservations"))
        return [row_id for row_id, row in self._world.truth("conversations") if row["reservationId"] in reservations]

    def _messages(self, conversations: list[int]) -> list[tuple[int, int]]:
        wanted = set(conversations)
        rows = self._world.truth("messages")
        return [(row["conversationId"], row_id) for row_id, row in rows if row["conversationId"] in wanted]

    def _bookings(self) -> list[Callable[[], Any]]:
        world, chance, rows = self._world, self._chance, self._ids("reservations")
        return [
            lambda: world.pay(chance.choice(rows)),
            lambda: world.cancel_reservation(chance.choice(rows)),
            lambda: world.update_reservation(chance.choice(rows), guestName="Somebody else"),
            lambda: self._move(chance.choice(rows)),
            lambda: world.update_reservation(chance.choice(rows), status="new"),
            lambda: self._delete(Resource.RESERVATIONS, chance.choice(rows)),
            lambda: world.touch(chance.sample(rows, 5)),
            world.create_reservation,
            lambda: world.create_conversation(world.create_reservation()),
            lambda: world.create_reservation(conversation=False),
            lambda: self._promised.append(
                world.reservation(world.create_reservation(listingMapId=world.create_listing() + 30))["listingMapId"]
            ),
            lambda: self._at_once(world.create_reservation, lambda: world.pay(chance.choice(rows))),
        ]

    def _listings(self) -> list[Callable[[], Any]]:
        world, chance, rows = self._world, self._chance, self._ids("listings")
        return [
            lambda: world.edit_listing(chance.choice(rows), name="Edited"),
            lambda: world.edit_listing(chance.choice(rows), stamp=False, name="Edited in silence"),
            lambda: world.archive_listing(chance.choice(rows)),
            world.create_listing,
            lambda: self._promised and world.create_listing(self._promised.pop()),
            lambda: self._delete(Resource.LISTINGS, chance.choice(rows)),
            lambda: world.edit_days(chance.choice(rows), *self._days(), price=chance.randint(50, 500)),
            lambda: world.edit_days(chance.choice(rows), *self._days(), isAvailable=chance.randint(0, 1)),
        ]

    def _others(self) -> list[Callable[[], Any]]:
        """Return changes of the other kinds; of each, few objects are deleted, or it would look like a failure."""
        world, chance = self._world, self._chance
        kind = chance.choice(CHANGING)
        owner = chance.choice(self._ids("listings")) if kind.startswith("listing_") else 0
        known = list(world.objects(kind, owner))
        return [
            lambda: world.put_object(kind, {"odd": chance.randint(1, 9)}, owner),
            lambda: known and world.put_object(kind, {"id": chance.choice(known), "odd": "\u0000changed"}, owner),
            lambda: self._delete_other(kind, chance.choice(known), owner) if len(known) > 3 else None,
        ]

    def _delete_other(self, kind: str, key: int | str, owner: int) -> None:
        self._deleted[kind] += 1
        if self._deleted[kind] < 3:
            self._world.delete_object(kind, key, owner)

    def _days(self) -> tuple[date, date]:
        """Return some days of the next weeks, by the mirror's clock."""
        first = ahead(self._chance.randint(-3, 40))
        return first, first + timedelta(days=self._chance.randint(1, 9))

    def _move(self, reservation_id: int) -> None:
        """Move a stay to other days, which may be those of another one, or to another listing, or both."""
        arrival, departure = self._days() if self._chance.random() < 0.7 else (None, None)
        listing_id = self._chance.choice(self._ids("listings")) if self._chance.random() < 0.4 else None
        self._world.move_reservation(reservation_id, arrival=arrival, departure=departure, listing_id=listing_id)

    def _threads(self) -> list[Callable[[], Any]]:
        world, chance, rows, live = self._world, self._chance, self._ids("conversations"), self._live_threads()
        happenings: list[Callable[[], Any]] = [
            lambda: world.guest_message(chance.choice(rows)),
            lambda: world.guest_message(chance.choice(rows), lag=int(LONG_AGO.total_seconds())),
            lambda: world.host_reply(chance.choice(live)),
            lambda: world.host_reply(self._of_late_witness(chance.choice(live)), via="ota", at=world.now - LONG_AGO),
            lambda: self._plan(chance.choice(live), aloud=True),
            lambda: self._send({*live}),
            lambda: world.guest_message(world.create_conversation()),
            lambda: world.create_conversation(chance.choice(self._ids("reservations"))),
            lambda: world.mark_conversation(chance.choice(rows), unread=chance.random() < 0.5),
            lambda: self._delete(Resource.CONVERSATIONS, chance.choice(rows)),
            lambda: self._at_once(*(lambda: world.guest_message(chance.choice(live)) for _ in range(3))),
        ]
        if world.switches.edits_bump:
            happenings.append(
                lambda: world.edit_message(*self._of_witness(chance.choice(self._messages(live))), "Edited")
            )
        if world.switches.failed_sends_bump:
            happenings.append(lambda: world.fail_message(*self._of_witness((chance.choice(live),))))
        return happenings

    def _silences(self) -> list[Callable[[], Any]]:
        world, chance, rows = self._world, self._chance, self._ids("conversations")
        return [
            lambda: world.edit_message(*chance.choice(self._messages(rows)), "Edited in silence"),
            lambda: world.delete_message(*chance.choice(self._messages(rows))),
            lambda: world.fail_message(chance.choice(rows)),
            lambda: world.host_reply(chance.choice(rows), at=world.now - LONG_AGO),
            lambda: self._plan(chance.choice(rows), aloud=False),
        ] * 3

    def _at_once(self, *happenings: Callable[[], Any]) -> None:
        """Make several changes in one second."""
        happenings[0]()
        step, self._world.step = self._world.step, timedelta(0)
        for happening in happenings[1:]:
            happening()
        self._world.step = step

    def _of_witness(self, thread: T) -> T:
        """Keep the reservation of a thread: only its stamp shows the change, since the conversation does not move."""
        reservation_id = self._world.conversation(thread[0]).reservation_id
        if reservation_id is not None:
            self._witnesses.add(reservation_id)
        return thread

    def _of_late_witness(self, conversation_id: int) -> int:
        """As `_of_witness` where 403 hides for a day that a reservation is gone; else that makes its threads due."""
        if self._world.switches.deleted_object == 404:
            return conversation_id
        return self._of_witness((conversation_id,))[0]

    def _delete(self, resource: Resource, row_id: int) -> None:
        if resource is Resource.RESERVATIONS and row_id in self._witnesses:
            return
        if self._deletions and len(self._ids(resource.value)) > DELETIONS:
            self._deletions -= 1
            self.gone.append((resource, row_id))
            getattr(self._world, f"delete_{resource.value.removesuffix('s')}")(row_id)

    def _plan(self, conversation_id: int, *, aloud: bool) -> None:
        planned = self._world.schedule_message(conversation_id, self._world.now + timedelta(hours=1))
        self._planned.append((conversation_id, planned))
        if aloud:
            self._world.guest_message(conversation_id)

    def _send(self, conversations: set[int]) -> None:
        """Send the scheduled messages of these conversations."""
        waiting = set(self._messages([*conversations]))  # it may have been deleted
        for planned in [planned for planned in self._planned if planned in waiting]:
            self._planned.remove(planned)
            self._world.send_scheduled(*planned)
