"""A guest to whom tests send messages, and what the ledger and the source hold of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.support import sql

from hostaway_sync.model.messages import MessageRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.messages.sender import SendOutcome
    from hostaway_sync.sandbox import Effect


SEND = "POST /conversations/{id}/messages"
THREAD = "GET /conversations/{id}/messages"
TEXT = "The key is under the mat 🗝️\n\nSee you soon & welcome"


@dataclass(frozen=True)
class MessageCase:
    """The guest of a reservation with one conversation, whose last message came by `way`."""

    env: SyncEnv
    mirror: Mirror
    reservation_id: int
    conversation_id: int

    def send(self, text: str = TEXT, **options: Any) -> SendOutcome:
        """Send a message in this process."""
        with self.mirror.messages.prepare(MessageRequest(self.reservation_id, text, **options)) as draft:
            return draft.send()

    def ledger(self, columns: str = "state") -> list[Any]:
        """Return the rows of the ledger; of a single column, its values."""
        rows = sql.rows(self.env.database, f"SELECT {columns} FROM sent_messages ORDER BY intent_id")
        return [row[0] if len(row) == 1 else row for row in rows]

    @property
    def accepted(self) -> list[str]:
        """Return every text that the source accepted for this guest, as often as it accepted it."""
        return [text for thread, text in self.env.sandbox.world.accepted if thread == self.conversation_id]

    def add_send_fault(self, effect: Effect, **conditions: Any) -> None:
        """Inject a fault into the next request to send a message."""
        self.env.sandbox.faults.add(effect, route=SEND, **conditions)

    def run_worker(self, **options: Any) -> None:
        """Run a worker until no job is due."""
        with self.mirror.jobs.start_worker(drain=True, **options) as worker:
            worker.wait()

    def make_jobs_due(self) -> None:
        """Make every job due now."""
        sql.execute(self.env.database, "UPDATE procrastinate_jobs SET scheduled_at = NULL")

    def let_a_minute_pass(self) -> None:
        """Move the times of sending and looking one minute into the past."""
        self.env.database.transaction(
            lambda connection: connection.exec_driver_sql(
                "UPDATE hostaway.sent_messages SET sending_at = sending_at - interval '1 minute',"
                " looked_at = looked_at - interval '1 minute'"
            )
        )


def message_case(sync_env: Callable[..., SyncEnv], **options: Any) -> MessageCase:
    """Mirror a sandbox and return one of its guests."""
    env = sync_env(**options)
    mirror = env.mirrored()
    world = env.sandbox.world
    for conversation_id, payload in world.truth("conversations"):
        if payload["reservationId"] and len(world.conversations_of(payload["reservationId"])) == 1:
            env.sandbox.forget()
            return MessageCase(env, mirror, payload["reservationId"], conversation_id)
    raise AssertionError


def quiet_hours_now(case: MessageCase) -> str:
    """Return quiet hours that cover now, and many hours more, at the guest's listing."""
    (zone,) = sql.rows(
        case.env.database,
        "SELECT l.raw_payload->>'timeZoneName' FROM listings l JOIN reservations r ON r.listing_id = l.id"
        f" WHERE r.id = {case.reservation_id}",
    )[0]
    (now,) = sql.rows(case.env.database, "SELECT now()")[0]
    hour = now.astimezone(ZoneInfo(zone)).hour
    return f"{hour}-{(hour - 1) % 24}"
