"""Automations: who is told of which events, and what became of each telling. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pydantic import SecretStr


class DeliveryState(StrEnum):
    """What became of one event for one automation."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class AutomationRequest:
    """An automation that is to be added.

    Attributes:
        name: how commands call it.
        events: names of events; `*`: all.
        account_ids: of these accounts; None: of all, also of those that are added later.
        conditions: values that columns of the `core` row must have, by column; one of several values is enough.
        url: of the consumer, of a stored automation its scheme and host alone; None: it is a command.
        command: the program with its arguments; None: it is a URL.
    """

    name: str
    events: tuple[str, ...]
    account_ids: tuple[int, ...] | None = None
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    url: str | None = field(default=None, repr=False)
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConsumerSecrets:
    """What is sealed of an automation.

    Attributes:
        keys: what requests are signed with; of a command, the command as it was added.
        url: the whole URL of the consumer; None: it is a command, or the automation was removed.
    """

    keys: tuple[SecretStr, ...] = ()
    url: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Automation:
    """An automation as it is stored.

    Attributes:
        request: what was asked for.
        is_active: whether it is told of events.
        disabled_reason: why the program disabled it; None: a person did, or it is active.
        disabled_at: when the program disabled it.
        active_since: earlier changes are not for it.
        failing_since: the first failure after which no telling succeeded; None: the last one succeeded, or none was.
        failed_rounds: how often in a row its job ended because the consumer did not answer.
        not_before_at: its job waits until then; None: for nothing.
        delivered_at: when it was last told of something.
        waiting: events that wait for it.
        waiting_since: since when the oldest of them waits.
        dead: events that it was not told of, and that wait for a person.
        previous_until: the last secret before this one is still used until then.
    """

    automation_id: int
    request: AutomationRequest
    is_active: bool
    disabled_reason: str | None
    active_since: datetime
    failing_since: datetime | None
    failed_rounds: int
    not_before_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    previous_until: datetime | None = None
    disabled_at: datetime | None = None
    waiting: int = 0
    waiting_since: datetime | None = None
    dead: int = 0

    @property
    def name(self) -> str:
        """How commands call it."""
        return self.request.name


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one automation.

    Attributes:
        change_id: of the change that it tells of; one change is one event.
        attempts: tellings that failed.
        not_before_at: when it is tried again; None: now.
        began_at: when the first try began.
        status: of HTTP, or the exit code of the command, at the last try.
        error: why the last try failed.
        output: the end of what the command wrote.
        settled_at: when it was delivered or given up.
    """

    automation_id: int
    change_id: int
    account_id: int
    event: str
    resource: str
    record_id: str
    state: DeliveryState
    attempts: int
    not_before_at: datetime | None
    began_at: datetime | None
    status: int | None
    error: str | None
    output: str | None
    created_at: datetime
    settled_at: datetime | None
