"""Settles open intents by the messages in their threads: as they are stored, or as the source shows them now.

Call `settle_from_mirror` after threads were read: it makes no request, and two statements where nothing is open.
"""

from __future__ import annotations

import logging
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from hostaway_sync.messages.decision import LOOKS_APART, is_countable_look, match_messages
from hostaway_sync.model.messages import LOOKS_BEFORE_PERSON, IntentState
from hostaway_sync.store.messages import ledger, ledger_clock
from hostaway_sync.store.messages import recipients as message_recipients
from hostaway_sync.store.records import due_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from hostaway_sync.model.messages import Intent, MessageApi, ThreadMessage
    from hostaway_sync.store.postgres.database import Database

MessageReader: TypeAlias = "Callable[[str], ThreadMessage | None]"
"""Reads the payload of a message."""

log = logging.getLogger(__name__)


def settle_from_mirror(
    database: Database,
    account_id: int,
    read: MessageReader,
    *,
    apart: timedelta = LOOKS_APART,
) -> list[Intent]:
    """Settle open intents by the stored threads, and follow the status of sent ones; return the changed intents.

    Args:
        database: with the ledger.
        account_id: the account of the intents.
        read: reads the payload of a message.
        apart: time from one reading that counts to the next.
    """
    is_open = database.transaction(lambda connection: bool(ledger.list_unsettled(connection, account_id)))
    changed: list[Intent] = []
    if is_open:
        changed = database.transaction(partial(_settle, account_id=account_id, read=read, seen_at=None, apart=apart))
    changed += database.transaction(partial(_follow, account_id=account_id, read=read))
    for intent in changed:
        _log_change(intent)
    return changed


def settle_from_source(
    database: Database,
    message_api: MessageApi,
    intents: Sequence[Intent],
    read: MessageReader,
    *,
    apart: timedelta = LOOKS_APART,
) -> list[Intent]:
    """Read the threads of open intents at the source, a request each, and settle; return the changed intents.

    Args:
        database: with the ledger.
        message_api: of the account of the intents.
        intents: all of one account.
        read: reads the payload of a message.
        apart: time from one reading that counts to the next.

    Raises:
        SourceError: a thread could not be read.
        AccountError: the account was disabled meanwhile.
    """
    if not intents:
        return []
    account_id = intents[0].message.account_id
    moments = []
    for conversation_id in sorted({intent.message.conversation_id for intent in intents}):
        page = message_api.read_newest_page(conversation_id, why="message: did it arrive?")
        database.transaction(partial(message_recipients.store_page, account_id=account_id, page=page))
        moments.append(page.observed_at)
    wanted = {intent.intent_id for intent in intents}
    changed = database.transaction(
        partial(_settle, account_id=account_id, read=read, seen_at=min(moments), apart=apart, only=wanted)
    )
    for intent in changed:
        _log_change(intent)
    return changed


def _settle(
    connection: Connection,
    account_id: int,
    read: MessageReader,
    seen_at: datetime | None,
    apart: timedelta,
    only: set[int] | None = None,
) -> list[Intent]:
    ledger.lock_messages(connection, account_id)
    ledger.abandon_dead_attempts(connection, account_id)
    ledger_clock.clamp_times_of_open(connection, account_id)
    unknown = [
        intent
        for intent in ledger.list_unsettled(connection, account_id)
        if intent.state is IntentState.OUTCOME_UNKNOWN and (only is None or intent.intent_id in only)
    ]
    changed: list[Intent] = []
    for conversation_id, of_thread in groupby(sorted(unknown, key=_thread), key=_thread):
        waiting = list(of_thread)
        since = min(intent.after_message_id or 0 for intent in waiting)
        payloads = message_recipients.list_messages_after(connection, account_id, conversation_id, since)
        in_thread = [one for one in map(read, payloads) if one is not None]
        found = match_messages(
            waiting, in_thread, ledger.find_claimed_message_ids(connection, account_id, conversation_id)
        )
        at = seen_at or message_recipients.find_thread_read_at(connection, account_id, conversation_id)
        for intent in waiting:
            if (one := found.get(intent.intent_id)) is not None:
                settled = ledger.record_found(connection, intent, one.message_id, one.failure)
                changed += [settled] if settled is not None else []
            else:
                _count_look(connection, intent, at, apart)
    return changed


def _count_look(connection: Connection, intent: Intent, at: datetime | None, apart: timedelta) -> None:
    """Count a reading that did not show the message; after too few of them the thread stays due for the next run."""
    counts = at is not None and is_countable_look(intent, at, apart=apart)
    if at is not None and counts:
        ledger.record_look(connection, intent, at=at)
    if intent.looks + counts < LOOKS_BEFORE_PERSON:
        due_threads.mark_due(connection, intent.message.account_id, intent.message.conversation_id)


def _follow(connection: Connection, account_id: int, read: MessageReader) -> list[Intent]:
    """Update sent intents whose message was not delivered, and failed ones whose message was delivered later."""
    changed = []
    for intent_id, payload in message_recipients.list_changed_outcomes(connection, account_id):
        message, intent = read(payload), ledger.find_intent(connection, intent_id)
        if message is None or intent is None or (message.failure is None) == (intent.state is IntentState.SENT):
            continue
        followed = ledger.record_later_status(connection, intent, message.failure)
        changed += [followed] if followed is not None else []
    return changed


def _thread(intent: Intent) -> int:
    return intent.message.conversation_id


def _log_change(intent: Intent) -> None:
    message = intent.message
    where = f"account {message.account_id}: message {intent.intent_id} to reservation {message.reservation_id}"
    if intent.state is IntentState.FAILED:
        log.warning("%s was taken, and not delivered: %s", where, intent.error)
    else:
        log.info("%s was sent: it is in its thread", where)
