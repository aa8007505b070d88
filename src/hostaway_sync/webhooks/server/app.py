"""What the receiver answers: to deliveries, to the platform's probes, and to questions about its own health.

401   the credentials are not those of this account; nothing is stored
413   the body is larger than a megabyte
503   the delivery could not be stored: the platform sends it again (its API notes: any other 4xx is final)
200   the delivery is stored, whatever it holds
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.http_server.body import Body, BodyTooLarge, BodyTorn
from hostaway_sync.http_server.readiness import ReadinessCheck
from hostaway_sync.http_server.request_id import assign_request_ids
from hostaway_sync.http_server.request_span import trace_requests
from hostaway_sync.model.deliveries import REQUEST_ID, Delivery, read_request_id
from hostaway_sync.model.ids import read_id
from hostaway_sync.observability.log_context import add_log_context, in_current_context
from hostaway_sync.observability.prometheus import CONTENT_TYPE
from hostaway_sync.observability.tracing import current_span
from hostaway_sync.safe_text import quote_safely
from hostaway_sync.webhooks.server import PART
from hostaway_sync.webhooks.server.auth import AuthLevel
from hostaway_sync.webhooks.server.outcomes import RequestOutcome
from hostaway_sync.webhooks.server.readiness import DeliveryReadiness

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from uuid import UUID

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from hostaway_sync.http_server.metrics_page import MetricsPage
    from hostaway_sync.model.deliveries import EventParser
    from hostaway_sync.webhooks.server.auth import Authenticator
    from hostaway_sync.webhooks.server.outcomes import OutcomeLog

LARGEST_BODY: Final = 1024 * 1024
LONGEST_PROBE: Final = 4096
ANSWER_WITHIN_S: Final = 8.0
PROBE: Final = {"data": "test"}
_MOST_HEADERS: Final = 50
_LONGEST_HEADER: Final = 500
_SECRET_HEADERS: Final = ("auth", "cookie", "secret", "token", "key", "password")

log = logging.getLogger(__name__)


class Receiver:
    """An ASGI application.

    Args:
        platform: name of the platform that sends deliveries, a part of the path.
        authenticator: checks credentials.
        read_event: reads what a delivery claims.
        accept: stores a delivery, durably once it returns; blocks.
        check_readiness: returns whether deliveries could be stored now; blocks.
        outcomes: counts and logs requests.
        metrics_page: answers scrapes.
        pool: runs what blocks.
    """

    def __init__(
        self,
        *,
        platform: str,
        authenticator: Authenticator,
        read_event: EventParser,
        accept: Callable[[Delivery], None],
        check_readiness: Callable[[], DeliveryReadiness],
        outcomes: OutcomeLog,
        metrics_page: MetricsPage,
        pool: Executor,
    ) -> None:
        self._authenticator = authenticator
        self._read_event = read_event
        self._accept = accept
        self._ready_check = ReadinessCheck(
            check_readiness,
            DeliveryReadiness.failed,
            pool,
            timeout_s=ANSWER_WITHIN_S,
            timeout_trouble="the database stored nothing",
            log_prefix=f"{PART}: not ready for deliveries",
        )
        self._outcomes = outcomes
        self._metrics_page = metrics_page
        self._pool = pool
        self._host = socket.gethostname()
        path = f"/webhooks/{platform}/{{account_id}}/{{path_secret}}"
        app = Starlette(
            routes=[
                Route(path, self._deliver, methods=["GET", "POST"], middleware=[Middleware(trace_requests, path)]),
                Route("/health", self._health),
                Route("/ready", self._ready),
                Route("/metrics", self._metrics),
            ]
        )
        # A redirect would repeat the path, and with it the secret.
        app.router.redirect_slashes = False
        self._app = assign_request_ids(app, parse=_parse_request_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    async def _deliver(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time
        began_at = now()
        incoming = _DeliveryRequest(request)
        add_log_context(account_id=incoming.account_id)
        current_span().set_attributes(delivery_id=str(incoming.delivery_id))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                outcome, sentence = await self._receive(incoming)
        except BodyTooLarge:
            outcome, sentence = RequestOutcome.TOO_LARGE, f"more than {LARGEST_BODY} bytes"
        except BodyTorn:
            outcome, sentence = RequestOutcome.TORN, "the sender closed the connection"
        except TimeoutError:
            outcome = RequestOutcome.TOO_SLOW if incoming.waits_for_body else RequestOutcome.NOT_STORED
            sentence = f"{'the body' if incoming.waits_for_body else 'the database'} took too long"
        except HostawaySyncError as error:
            outcome, sentence = RequestOutcome.NOT_STORED, str(error)
        except Exception as error:  # noqa: BLE001  (after any error the sender must try again)
            outcome, sentence = RequestOutcome.NOT_STORED, f"unexpected {type(error).__name__}"
        current_span().set_attributes(outcome=outcome)
        self._outcomes.note(
            outcome,
            incoming.request_id,
            took=now() - began_at,
            sentence=f"{incoming.origin}: {sentence}",
        )
        if outcome is not RequestOutcome.TOO_SLOW and "expect" not in request.headers:
            await incoming.body.discard()
        return _answer(outcome, incoming)

    async def _receive(self, incoming: _DeliveryRequest) -> tuple[RequestOutcome, str]:
        level = await self._authenticator.authenticate(
            incoming.account_id, incoming.path_secret, incoming.authorization
        )
        if level is AuthLevel.NOTHING or incoming.account_id is None:
            return RequestOutcome.REFUSED, "wrong credentials"
        if incoming.request.method != "POST":
            return RequestOutcome.PROBE, "a probe"
        is_trusted = level is AuthLevel.EVERYTHING
        incoming.has_login = is_trusted
        incoming.waits_for_body = True
        try:
            body = await incoming.body.read(LARGEST_BODY if is_trusted else LONGEST_PROBE)
        except BodyTooLarge:
            if is_trusted:
                raise
            return RequestOutcome.REFUSED, "no credentials"
        incoming.waits_for_body = False
        if _is_probe(body):
            return RequestOutcome.PROBE, "a probe"
        if not is_trusted:
            return RequestOutcome.REFUSED, "no credentials"
        run = asyncio.get_running_loop().run_in_executor
        return await run(self._pool, in_current_context(self._store), incoming, incoming.account_id, body)

    def _store(self, incoming: _DeliveryRequest, account_id: int, body: bytes) -> tuple[RequestOutcome, str]:
        event, payload = self._read_event(body, account_id=account_id)
        # The name is what the sender wrote: only known words of it reach a log line or a span.
        name = quote_safely(event.name)
        current_span().set_attributes(event=name)
        if not self._authenticator.is_active(account_id):
            event = replace(event, target=None, ignored="account disabled")
        delivery = Delivery(
            delivery_id=incoming.delivery_id,
            account_id=account_id,
            event=event,
            body=body,
            payload=payload,
            headers=incoming.kept_headers(),
            received_by=self._host,
        )
        try:
            self._accept(delivery)
        except HostawaySyncError:
            raise
        except Exception as error:  # noqa: BLE001  (the database can always hold the bytes)
            log.warning("delivery %s is stored without payload: %s", delivery.delivery_id, type(error).__name__)
            self._accept(replace(delivery, payload=None, headers={}))
        if event.ignored:
            return RequestOutcome.IGNORED, f"{name!r}, {event.ignored}"
        return RequestOutcome.STORED, f"{name!r}"

    async def _health(self, request: Request) -> Response:
        del request
        return JSONResponse({"ok": True})

    async def _ready(self, request: Request) -> Response:
        del request
        found = await self._ready_check.readiness()
        document = {
            "ready": found.is_ready,
            "database": found.has_database,
            "schema": found.has_schema,
            "oldest_waiting_s": found.waiting_s,
        }
        return JSONResponse(document, 200 if found.is_ready else 503)

    async def _metrics(self, request: Request) -> Response:
        del request
        return Response(await self._metrics_page.render(), media_type=CONTENT_TYPE)


class _DeliveryRequest:
    """One request to the delivery path, as far as its head tells.

    Attributes:
        has_login: whether login and password are right, and not only the path.
        waits_for_body: whether its body is being read now.
    """

    def __init__(self, request: Request) -> None:
        self.has_login = False
        self.waits_for_body = False
        self.request = request
        self.body = Body(request.receive)
        self.request_id: str = request.scope["request_id"]
        self.delivery_id: UUID = request.scope["own_id"]
        self.path_secret: str = request.path_params["path_secret"]
        self.authorization = request.headers.get("authorization")
        self.account_id = read_id(request.path_params["account_id"])

    @property
    def origin(self) -> str:
        """The account that was addressed, and the address of the sender."""
        client = self.request.client.host if self.request.client else "?"
        return f"account {self.account_id or '?'} from {client}"

    def kept_headers(self) -> dict[str, str]:
        """Return the headers that may be stored: none named like a secret, none with a copy of the path secret."""
        kept: dict[str, str] = {}
        for name, value in self.request.headers.items():
            if any(word in name for word in _SECRET_HEADERS) or self.path_secret in value:
                continue
            if len(kept) < _MOST_HEADERS or name in kept:
                joined = f"{kept[name]}, {value}" if name in kept else value
                kept[name[:_LONGEST_HEADER]] = joined.replace("\0", "\ufffd")[:_LONGEST_HEADER]
        return kept


def _parse_request_id(given: str) -> str | None:
    """Return the request id that a proxy set, by the rule with which the inbox reads it again."""
    return read_request_id({REQUEST_ID: given})


def _is_probe(body: bytes) -> bool:
    if len(body) > LONGEST_PROBE:
        return False
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return bool(content == PROBE)


def _answer(outcome: RequestOutcome, incoming: _DeliveryRequest) -> Response:
    headers = {} if incoming.body.is_whole else {"Connection": "close"}
    if outcome is RequestOutcome.REFUSED:
        headers["WWW-Authenticate"] = 'Basic realm="webhooks"'
    document = {"ok": outcome.status < 400, "outcome": outcome, "login": incoming.has_login}  # noqa: PLR2004  (HTTP statuses)
    return JSONResponse(document, outcome.status, headers)
