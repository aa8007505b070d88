"""Messages to many guests under injected faults, and what must be true after each of them."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tests.support import sql
from tests.support.chaos.send_faults import OutageInjector
from tests.support.messages import SEND

from hostaway_sync.app.container import Container
from hostaway_sync.app.messages.messages import Messages
from hostaway_sync.errors import HostawaySyncError, LeaseHeld, MessageUnsettled, SourceError, StoreError
from hostaway_sync.model.messages import LOOKS_BEFORE_PERSON, IntentState, MessageRequest, is_same_text
from hostaway_sync.model.records import Resource
from hostaway_sync.settings import SCHEMA, load_settings
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    import random

    from tests.support.chaos.send_faults import SendFault
    from tests.support.servers.tcp_proxy import TcpProxy
    from tests.support.sync_env import SyncEnv

# Every text holds it, and nothing that is logged may.
MARK: Final = "zanzibar"
_TEXTS: Final = (
    "{} {}: the key is under the mat 🗝️\n\nSee you soon & welcome",
    "{} {}\r\nTwo  spaces, <b>no</b> markup, and  a tab\t.",
    "{} {} - Grüße, ¿qué tal?, 你好, e\u0301",
    '{} {} "quoted" \\ and %s and {{}}',
    "{} {} " + "long " * 900,
)
_ROWS: Final = (
    "SELECT intent_id, account_id, reservation_id, conversation_id, body, idempotency_key, state, message_id, proof,"
    " looks, owner FROM sent_messages ORDER BY intent_id"
)


@dataclass(frozen=True)
class ChaosMessage:
    """A message to be sent, and its recipient."""

    account_id: int
    reservation_id: int
    text: str
    key: str | None = None
    again: bool = False


class SendChaos:
    """Sends messages to one sandbox through a proxy, with a database that may go away."""

    def __init__(self, env: SyncEnv, chance: random.Random, proxy: TcpProxy) -> None:
        self.env = env
        self.messages: list[ChaosMessage] = []
        self._chance = chance
        self._proxy = proxy
        self._mirror = env.mirror(api_url=proxy.url, retry_attempts=2)
        self._written = 0
        self._container: Container | None = None
        self._seen: set[tuple[int, int]] = set()
        self._guests: list[tuple[int, int]] = []
        for account_id in env.sandbox.accounts:
            self._mirror.sync.run(account_id)
            talks = env.truth("conversations", account_id).values()
            self._guests += [(account_id, talk["reservationId"]) for talk in talks if talk["reservationId"]][:3]
        self._restart()

    # What happens

    def go_wrong(self, fault: SendFault) -> None:
        """Send a new message or an old one again while this fault is armed; then any other action may follow."""
        if self._chance.random() < 0.5:
            self._restart()
        message = self._something()
        self._arm(fault)
        self._try_to_send(message)
        self._arm(None)
        self.check()
        self.follow(message)

    def follow(self, message: ChaosMessage) -> None:
        """Take up to two other actions, or none."""
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            follower = self._chance.choice((self._repeat, self._repeat, self._look, self._sync, self._work, self._turn))
            follower(message)
            self.check()

    def write(self) -> ChaosMessage:
        """Return a message that was not sent yet."""
        self._written += 1
        text = self._chance.choice(_TEXTS).format(MARK, self._written)
        key = f"key {self._written}" if self._chance.random() < 0.5 else None
        message = ChaosMessage(*self._chance.choice(self._guests), text, key)
        self.messages.append(message)
        return message

    def _something(self) -> ChaosMessage:
        message, jitter = self.write(), self._chance.random()
        if jitter < 0.7 or len(self.messages) < 2:
            return message
        self.messages.pop()
        old = self._chance.choice(self.messages)
        if jitter < 0.8:
            return old
        account_id, reservation_id = self._chance.choice(self._guests)
        changed = replace(old, key=message.key)
        if jitter < 0.9:
            changed = replace(changed, account_id=account_id, reservation_id=reservation_id)
        changed = replace(changed, again=True)
        self.messages.append(changed)
        return changed

    def _try_to_send(self, message: ChaosMessage) -> None:
        with suppress(SourceError, StoreError):
            self.send(message)

    def send(self, message: ChaosMessage) -> Any:
        """Send a message in this process."""
        with self._messages.prepare(
            MessageRequest(
                message.reservation_id, message.text, message.account_id, key=message.key, again=message.again
            )
        ) as draft:
            return draft.send()

    def _repeat(self, message: ChaosMessage) -> None:
        self._restart()
        self._try_to_send(replace(message, again=False))

    def _look(self, message: ChaosMessage) -> None:
        with suppress(SourceError, HostawaySyncError):
            for intent in self._messages.list_newest(
                states=[IntentState.OUTCOME_UNKNOWN], account_id=message.account_id
            ):
                self._messages.resolve(intent.intent_id, sleep=lambda _: self.let_a_minute_pass())
                break

    def _sync(self, message: ChaosMessage) -> None:
        with suppress(LeaseHeld):
            self._mirror.sync.run(message.account_id)

    def _work(self, message: ChaosMessage) -> None:
        (thread,) = sql.rows(
            self.env.database,
            f"SELECT min(id) FROM conversations WHERE account_id = {message.account_id}"
            f" AND reservation_id = {message.reservation_id}",
        )[0]
        self._mirror.sync.refresh(message.account_id, Resource.CONVERSATIONS, thread)
        self._messages.settle(message.account_id)

    def _turn(self, message: ChaosMessage) -> None:
        """Add a message of a guest who repeats our words, of an automation or of a colleague."""
        world = self.env.sandbox.account(message.account_id)
        thread = world.conversations_of(message.reservation_id)[0]
        self._chance.choice(
            (
                lambda: world.guest_message(thread, message.text),
                lambda: world.host_reply(thread, message.text, via="automation"),
                lambda: world.host_reply(thread),
                lambda: world.schedule_message(thread, world.now),
            )
        )()

    def let_a_minute_pass(self) -> None:
        """Move the times of the last looks a minute into the past."""
        self.env.database.transaction(
            lambda connection: connection.exec_driver_sql(
                "UPDATE hostaway.sent_messages SET sending_at = sending_at - interval '1 minute',"
                " looked_at = looked_at - interval '1 minute'"
            )
        )

    def _requests_are_over(self) -> None:
        """Let so much time pass that no sender without the database can have a running request any more."""
        passed = "sending_at = sending_at - interval '15 minutes'"
        with self.env.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE hostaway.rights SET expires_at = now() WHERE owner IS NOT NULL")
            connection.exec_driver_sql(f"UPDATE hostaway.sent_messages SET {passed} WHERE state = 'sending'")

    def _arm(self, fault: SendFault | None) -> None:
        faults = self.env.sandbox.faults
        faults.clear()
        self.env.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.request_budget"))
        if fault is not None and fault.effect is not None:
            faults.add(fault.effect, route=SEND)
        self._proxy.arm(fault.cut if fault else None)
        self._darkness.arm(fault.outage if fault else None)

    def _restart(self) -> None:
        """Go on as another process does: only the database remembers anything."""
        if self._container is not None:
            self._container.close()
        self._container = Container(self._settings())
        self._container.database.close()
        url = self.env.database.engine.url.render_as_string(hide_password=False)
        self._container.database = Database(url, schema=SCHEMA, patience=0.1, sleep=lambda _: None)
        self._darkness = OutageInjector(self.env, self._container.database.engine)
        self._messages = Messages(self._container)

    def _settings(self) -> Any:
        names = {name.removeprefix("HOSTAWAY_SYNC_").lower(): value for name, value in self.env.environment().items()}
        return load_settings(**names | {"api_url": self._proxy.url})

    # What must hold

    def check(self) -> None:
        """Compare the ledger with the messages that the sandbox accepted, one by one."""
        rows = [_named(row) for row in sql.rows(self.env.database, _ROWS)]
        accepted = self.accepted()
        sent, is_open = Counter[Any](), Counter[Any]()
        for row in rows:
            what = row["account_id"], row["conversation_id"], row["body"]
            sent[what] += row["state"] == "sent"
            is_open[what] += row["state"] in ("sending", "outcome_unknown")
        for what in sent | accepted:
            assert sent[what] <= accepted[what] <= sent[what] + is_open[what], (what[:2], what[2][:30])
        claimed = [(row["account_id"], row["message_id"]) for row in rows if row["message_id"] is not None]
        assert len(claimed) == len(set(claimed)), "one message is of one intent"
        for row in rows:
            if (
                row["state"] == "sent"
                and row["proof"] != "person"
                and (row["intent_id"], row["message_id"]) not in self._seen
            ):
                self._is_there(row)
                self._seen.add((row["intent_id"], row["message_id"]))

    def _is_there(self, row: dict[str, Any]) -> None:
        world = self.env.sandbox.account(row["account_id"])
        said = world.threads.get(world.conversation(row["conversation_id"]), row["message_id"])
        assert is_same_text(row["body"], said["body"])
        assert said["isIncoming"] == 0
        thread = f"id = {row['conversation_id']} AND account_id = {row['account_id']} AND thread_due_at IS NOT NULL"
        message = f"id = {row['message_id']} AND account_id = {row['account_id']}"
        stored = sql.rows(self.env.database, f"SELECT conversation_id FROM conversation_messages WHERE {message}")
        is_due = sql.rows(self.env.database, f"SELECT 1 FROM conversations WHERE {thread}")
        assert stored == [(row["conversation_id"],)] or is_due, "what was sent is in the thread, or will be read there"

    def accepted(self) -> Counter[Any]:
        """Return how often the source accepted each text, by account and thread."""
        return Counter(
            (account_id, thread, text)
            for account_id in self.env.sandbox.accounts
            for thread, text in self.env.sandbox.account(account_id).accepted
        )

    def end(self) -> None:
        """End the faults: messages that arrived are found, the rest waits for a person; then each arrived once."""
        self._arm(None)
        self._restart()
        self._requests_are_over()
        for _ in range(LOOKS_BEFORE_PERSON):
            for account_id in self.env.sandbox.accounts:
                self._mirror.sync.run(account_id)
            self.let_a_minute_pass()
            self.check()
        rows = [_named(row) for row in sql.rows(self.env.database, _ROWS)]
        assert not [row for row in rows if row["state"] == "sending"]
        waiting = [row for row in rows if row["state"] == "outcome_unknown"]
        assert all(row["looks"] >= LOOKS_BEFORE_PERSON for row in waiting)
        sent = Counter(
            (row["account_id"], row["conversation_id"], row["body"]) for row in rows if row["state"] == "sent"
        )
        assert sent == self.accepted(), "all that arrived was found, and nothing else"
        for row in waiting:
            with suppress(MessageUnsettled):
                self._messages.confirm_unsent_and_resend(row["intent_id"])
        for row in rows:
            if row["state"] in ("failed", "pending"):
                self.send(
                    ChaosMessage(
                        row["account_id"], row["reservation_id"], row["body"], row["idempotency_key"], again=True
                    )
                )
        self.check()
        wanted = Counter((row["account_id"], row["conversation_id"], row["body"]) for row in rows)
        assert self.accepted() == wanted, "every message has arrived once"
        assert {row["state"] for row in map(_named, sql.rows(self.env.database, _ROWS))} == {"sent"}
        if self._container is not None:
            self._container.close()


def _named(row: tuple[Any, ...]) -> dict[str, Any]:
    names = _ROWS.removeprefix("SELECT ").partition(" FROM")[0].split(",")
    return dict(zip((name.strip() for name in names), row, strict=True))
