"""Values and Protocols of the push pipeline: Delivery → Event → RefreshTarget, and the platform's webhook API.

The pull pipeline has its own in `records`.
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
    """Return the request id that a proxy set, or None if there is none or it is not well-formed."""
    given = headers.get(REQUEST_ID, "")
    return given if _WELL_FORMED.fullmatch(given) else None


@dataclass(frozen=True, slots=True)
class RefreshTarget:
    """The object to read again because of a delivery; a conversation includes its thread."""

    resource: Resource
    object_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """The event that a delivery reports.

    Attributes:
        name: the event's name as sent, cut to 200 characters; empty if there is none.
        target: the object to read again; None if there is none.
        claimed_account: the account id in the body; None if there is none.
        ignored: why the delivery is stored but not processed, as a short phrase; None if it is processed.
    """

    name: str
    target: RefreshTarget | None
    claimed_account: int | None
    ignored: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authenticated webhook request.

    Attributes:
        delivery_id: an id of our own; the platform sends none.
        account_id: the account whose credentials the request had.
        event: the event that it reports.
        body: the exact bytes.
        payload: JSON text that JSONB accepts, cleaned where necessary; None if the body is no JSON.
        headers: HTTP headers by lower-case name, bounded in size, without credentials.
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
    """Parses the deliveries of a platform."""

    def __call__(self, body: bytes, *, account_id: int) -> tuple[Event, str | None]:
        """Return the event of a delivery to `account_id`, and its payload as `Delivery.payload`; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that is registered at the platform for one account.

    Attributes:
        hook_id: the platform's id.
        url: where deliveries go; secret, because its path may hold a secret.
        is_enabled: False after too many failures, or after a person disabled it.
        login: the login of its deliveries; None: they have none.
        is_legacy: registered through the platform's older API, which is read-only for us.
    """

    hook_id: int
    url: str = field(repr=False)
    is_enabled: bool
    login: str | None = None
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """The desired state of a webhook; see `Webhook`."""

    url: str = field(repr=False)
    login: str
    password: SecretStr
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class DeliveryLogEntry:
    """One entry of the platform's own delivery log.

    Attributes:
        entry_id: the platform's id; ascending.
        target: the changed object; None if it is not mirrored.
        was_accepted: whether the receiver answered 2xx; None if the log has no status.
        hook_id: the webhook that it was sent for; None if the log does not name it.
        url: where it was sent; secret as in `Webhook`.
    """

    entry_id: int
    target: RefreshTarget | None
    was_accepted: bool | None
    hook_id: int | None = None
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """Entries of the platform's delivery log, in no order; if `is_whole` is False, older entries are missing."""

    entries: tuple[DeliveryLogEntry, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class DeliveryAudit:
    """The comparison of the platform's delivery log with the deliveries received.

    Attributes:
        has_log: the platform has such a log, and the account may read it; if not, nothing was compared.
        announced: number of objects in the entries since the last audit.
        lost: number of these whose last delivery failed or never arrived; they are read again.
        is_whole: all entries since the last audit were read.
        is_first: there was no audit before, or the last one had another `has_log`.
    """

    has_log: bool
    announced: int = 0
    lost: int = 0
    is_whole: bool = True
    is_first: bool = False


class WebhookCheck(Protocol):
    """Checks the webhook of an account during a run; the run itself does not depend on webhooks."""

    def keep_enabled(self) -> str | None:
        """Enable the webhook again if it is disabled; return what was wrong and what was done, as a sentence.

        Raises:
            HostawaySyncError: the webhook's state could not be read.
        """
        ...

    def audit_deliveries(self) -> DeliveryAudit | None:
        """Find lost deliveries and enqueue reading their objects; return None if no webhook is registered.

        Raises:
            HostawaySyncError: the delivery log could not be read.
        """
        ...


class WebhookApi(Protocol):
    """The platform's API for the webhooks of one account.

    A change is sent once. If its outcome is unknown, the method raises `SourceUnavailable` and the caller reads the
    webhooks again. Every method raises `SourceError`.
    """

    def list_webhooks(self, *, why: str = ...) -> list[Webhook]:
        """Return all webhooks, oldest first, without the legacy ones; `why` is for `ApiCall`."""
        ...

    def list_legacy_webhooks(self) -> list[Webhook]:
        """Return the webhooks of the platform's older API; empty if the platform has removed that API."""
        ...

    def create(self, settings: WebhookSettings) -> Webhook:
        """Register a webhook; the platform sends a test request to its URL first."""
        ...

    def update(self, hook_id: int, settings: WebhookSettings) -> Webhook:
        """Change a webhook; raises `NotFound` if there is none with this id."""
        ...

    def delete(self, hook_id: int) -> None:
        """Remove a webhook; does nothing if there is none with this id."""
        ...

    def read_delivery_log(self, hook_id: int | None, *, after: int | None) -> DeliveryLog | None:
        """Return the delivery log of a webhook, at least the entries with higher ids than `after`.

        None if there is no such log, or the account may not read it.
        """
        ...
