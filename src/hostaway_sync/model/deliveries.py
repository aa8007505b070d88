"""The values of the push pipe that cross rooms, named by stage: Delivery → Event → Target; and who announces them.

Those of the pull pipe are in `records`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pydantic import SecretStr

    from hostaway_sync.model.records import Resource


REQUEST_ID: Final = "x-request-id"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{7,99}", re.ASCII)


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Give the id that a proxy gave a request; None when there is none, or one that nobody should write down."""
    given = headers.get(REQUEST_ID, "")
    return given if _WELL_FORMED.fullmatch(given) else None


@dataclass(frozen=True, slots=True)
class RefreshTarget:
    """The object that a delivery is about, which is read again; a conversation stands for its thread too."""

    resource: Resource
    object_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """What a delivery claims.

    Attributes:
        name: as sent, cut to 200 characters; "" when there is none.
        target: what to read again; None when there is nothing to read.
        claimed_account: the account that the body names; None when it names none.
        ignored: why the delivery is stored but not worked, as a short phrase; None when it is to be worked.
    """

    name: str
    target: RefreshTarget | None
    claimed_account: int | None
    ignored: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authenticated HTTP request from the sender.

    Attributes:
        delivery_id: ours; the sender gives none.
        account_id: whose credentials it came with.
        event: what it claims.
        body: the exact bytes.
        payload: JSON text that JSONB accepts, cleaned where the bytes would be refused; None when they are no JSON.
        headers: lower-case names; bounded, without anything that authenticates.
        received_by: the host that received it.
    """

    delivery_id: UUID
    account_id: int
    event: Event
    body: bytes = field(repr=False)
    payload: str | None = field(repr=False)
    headers: Mapping[str, str]
    received_by: str


class EventParser(Protocol):
    """Knows what the source's deliveries mean."""

    def __call__(self, body: bytes, *, account_id: int) -> tuple[Event, str | None]:
        """Give what a delivery to `account_id` claims, and its payload as `Delivery.payload`; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """A registration at the source: where it announces changes of one account.

    Attributes:
        hook_id: the source's id of it.
        url: where deliveries go; secret, because a path may be one.
        is_enabled: False after too many failures, or because someone switched it off.
        login: what deliveries authenticate with; None: with nothing.
        is_legacy: made by the source's older interface, which can only be looked at.
    """

    hook_id: int
    url: str = field(repr=False)
    is_enabled: bool
    login: str | None = None
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """What a registration is to be; see `Webhook`."""

    url: str = field(repr=False)
    login: str
    password: SecretStr
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class DeliveryLogEntry:
    """One line of the source's own log of deliveries.

    Attributes:
        entry_id: the source's id of it; later ones have higher ones.
        target: what was announced; None when it is nothing that is mirrored.
        was_accepted: the receiver said so with 2xx; None when the log does not tell.
        hook_id: the registration it was sent for; None when the log does not tell.
        url: where it was sent; secret as in `Webhook`.
    """

    entry_id: int
    target: RefreshTarget | None
    was_accepted: bool | None
    hook_id: int | None = None
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """What the source says it delivered, in no order; `is_whole` False: older entries were left out."""

    entries: tuple[DeliveryLogEntry, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class DeliveryAudit:
    """What the source says it delivered, compared with what came.

    Attributes:
        has_log: the source keeps such a log, and we may read it; else there is nothing to compare.
        announced: objects that the entries since the last audit name.
        lost: those of them whose last delivery failed, or never came here; they are read again.
        is_whole: all entries since the last audit were read.
        is_first: nobody has asked before, or what was asked before had another answer to `has_log`.
    """

    has_log: bool
    announced: int = 0
    lost: int = 0
    is_whole: bool = True
    is_first: bool = False


class WebhookCheck(Protocol):
    """What a run does about the announcements of its account, of which it depends on none."""

    def keep_enabled(self) -> str | None:
        """Give what was wrong with the registration, and what was done about it, as a sentence.

        Raises:
            HostawaySyncError: that could not be found out.
        """
        ...

    def audit_deliveries(self) -> DeliveryAudit | None:
        """Find deliveries that did not come, and have their objects read again; None when nothing is registered.

        Raises:
            HostawaySyncError: that could not be found out.
        """
        ...


class WebhookApi(Protocol):
    """Where one account's registrations are kept.

    A change is sent once: where its outcome is not known, it raises `SourceUnavailable`, and whoever asked looks again.
    Every method raises `SourceError`.
    """

    def list_webhooks(self, *, why: str = ...) -> list[Webhook]:
        """Give all registrations, oldest first, without the legacy ones; `why` tells an observer what it is for."""
        ...

    def list_legacy_webhooks(self) -> list[Webhook]:
        """Give those of the source's older interface; none where it has no such interface any more."""
        ...

    def create(self, settings: WebhookSettings) -> Webhook:
        """Add a registration; the source asks its URL before it agrees."""
        ...

    def update(self, hook_id: int, settings: WebhookSettings) -> Webhook:
        """Change a registration; raises `NotFound` when there is none."""
        ...

    def delete(self, hook_id: int) -> None:
        """Remove a registration; that there is none is as good."""
        ...

    def read_delivery_log(self, hook_id: int | None, *, after: int | None) -> DeliveryLog | None:
        """Give what was delivered for a registration, at least the entries with higher ids than `after`.

        None: there is no such log, or we may not read it.
        """
        ...
