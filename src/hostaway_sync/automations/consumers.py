"""Tells a consumer of one event: a URL, signed, or a command."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hostaway_sync.automations import commands, signature
from hostaway_sync.automations.answer import Answer
from hostaway_sync.errors import AddressRefused, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hostaway_sync.outbound.client import OutboundClient
    from hostaway_sync.store.automations.states import AutomationRequest, ConsumerSecrets

# Answers of a consumer, or of what stands before it, that say nothing about the event.
_AWAY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class Consumers:
    """Tells the consumers of automations.

    Args:
        client: asks URLs.
        clock: the time in UTC, which signatures name.
        command_s: seconds after which a command is killed.
    """

    def __init__(
        self, client: OutboundClient, clock: Callable[[], datetime], *, command_s: float = commands.TIMEOUT_S
    ) -> None:
        self._client = client
        self._clock = clock
        self._command_s = command_s

    def tell(
        self, consumer: AutomationRequest, event_id: str, event: str, body: bytes, secrets: ConsumerSecrets
    ) -> Answer:
        """Tell a consumer of an event, and return how it answered.

        Args:
            consumer: whom.
            event_id: the same at each try.
            event: its name.
            body: what is told.
            secrets: its URL, and what a request is signed with; of a command, what proves that it is the one that was
                added.
        """
        if consumer.command is not None:
            if commands.as_secret(consumer.command) not in secrets.keys:
                return Answer("its command was changed in the database: remove the automation and add it", is_away=True)
            given = {"EVENT_ID": event_id, "EVENT_TYPE": event}
            return commands.run_command(consumer.command, body, given, timeout_s=self._command_s)
        headers = signature.sign(event_id, body, secrets.keys, now=self._clock())
        if secrets.url is None:
            return Answer("its URL is not in the database: remove the automation and add it", is_away=True)
        try:
            reply = self._client.post(secrets.url.get_secret_value(), body, headers)
        except (AddressRefused, TargetUnavailable) as error:
            return Answer(str(error), is_away=True)
        return _judge(reply.status, reply.body)


def _judge(status: int, body: bytes) -> Answer:
    shown = body.decode(errors="replace")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(status=status, shown=shown)
    where = "; redirects are not followed" if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST else ""
    return Answer(
        f"it answered {status}{where}",
        status,
        is_gone=status == HTTPStatus.GONE,
        is_away=status in _AWAY,
        shown=shown,
    )
