"""One account of Hostaway as a `Source`: its lists and objects, its webhooks, its messages.

A request passes these modules, from left to right:

    paging ──► http.api ──► http.retrying ──► http.transport ──► http.pacing ──► Hostaway
    which      with a       how often         one request        at which
    page       token                                             moment
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hostaway_sync.errors import NotFound, RequestRejected, SourceUnavailable
from hostaway_sync.model.calendar.days import CalendarAnswer, Days
from hostaway_sync.model.records import Page, Resource
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.platforms.hostaway.calendar.protocol import calendar_path
from hostaway_sync.platforms.hostaway.calendar.writing import HostawayCalendar
from hostaway_sync.platforms.hostaway.http.api import HostawayApi
from hostaway_sync.platforms.hostaway.http.config import ClientClock
from hostaway_sync.platforms.hostaway.http.request import Cause
from hostaway_sync.platforms.hostaway.http.transport import Transport
from hostaway_sync.platforms.hostaway.kinds.reading import KindReader
from hostaway_sync.platforms.hostaway.messages.sending import HostawayMessages
from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_at_once, walk_by_offset
from hostaway_sync.platforms.hostaway.paging.page_stream import FetchedPage, stream_pages
from hostaway_sync.platforms.hostaway.paging.request_labels import RequestLabels
from hostaway_sync.platforms.hostaway.parsing.calendar_days import read_entries
from hostaway_sync.platforms.hostaway.parsing.resources import (
    SPECS,
    Paging,
    as_record,
    choose_list,
    object_path,
)
from hostaway_sync.platforms.hostaway.webhooks.registration import HostawayWebhooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Budget, CallObserver, CircuitBreaker
    from hostaway_sync.model.records import AccessToken, Record
    from hostaway_sync.model.redaction import Redaction, Redactor
    from hostaway_sync.platforms.hostaway.http.config import ClientConfig
    from hostaway_sync.platforms.hostaway.http.token import TokenVault
    from hostaway_sync.platforms.hostaway.paging.walk import Walk
    from hostaway_sync.platforms.hostaway.parsing.resources import ResourceSpec

logger = logging.getLogger(__name__)


class Client:
    """The `Source` of one account, for use by several threads.

    Args:
        account_id: Hostaway's id of the account.
        client_secret: the key made in the dashboard.
        config: what is the same for the clients of all accounts.
        budget: grants the moment of every request.
        token_vault: keeps the token when this process ends.
        urgent: its requests go before those of other clients, because a person waits for them.
        observe: is called with every request that was sent, token requests included, after its end; never by two
            threads at once.
        redaction: hides fields of the records that are read; None: nothing is hidden.
        circuit_breaker: is told after each request whether Hostaway answers.
        clock: the clocks that it goes by.

    Attributes:
        webhook_api: the account's `WebhookApi`.
        message_api: the account's `MessageApi`.
        calendar_api: the account's `CalendarApi`.
        read_kind: reads a list of a kind; see `KindSource.read_kind`.
        read_requested: reads what a person asks of a reservation; see `KindReader.read_requested`.
    """

    def __init__(
        self,
        account_id: int,
        client_secret: SecretStr,
        config: ClientConfig,
        *,
        budget: Budget,
        token_vault: TokenVault,
        urgent: bool = False,
        observe: CallObserver | None = None,
        redaction: Redaction | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        clock: ClientClock | None = None,
    ) -> None:
        clock = clock or ClientClock()
        self._now = clock.now
        self._pages_in_flight = config.pages_in_flight
        self._redaction = redaction
        self._prefetching = ThreadPoolExecutor(config.pages_in_flight, thread_name_prefix=f"pages-{account_id}")
        self._transport = Transport(
            config.connection,
            budget=budget,
            urgent=urgent,
            observe=observe,
            circuit_breaker=circuit_breaker,
            clock=clock,
        )
        self._api = HostawayApi(
            account_id,
            client_secret,
            config,
            send=self._transport.send,
            pause=self._transport.pause,
            budget=budget,
            token_vault=token_vault,
            clock=clock,
        )
        self.webhook_api = HostawayWebhooks(self._api)
        self.message_api = HostawayMessages(self._api)
        self.calendar_api = HostawayCalendar(self._api)
        kinds = KindReader(self._api, redaction)
        self.read_kind, self.read_requested = kinds.read_kind, kinds.read_requested

    @property
    def api_calls(self) -> int:
        """Requests sent so far, token requests included."""
        return self._transport.api_calls

    def lower_priority(self) -> None:
        """Let the requests of other clients go first from now on, unless those of this one are urgent."""
        self._transport.lower_priority()

    def walk(
        self,
        resource: Resource,
        *,
        parent: int | None = None,
        since: datetime | None = None,
        resume: str | None = None,
        why: str = "",
    ) -> Iterator[Page]:
        """Read a list, page by page; see `Source.walk`.

        Raises:
            ValueError: the list of `resource` belongs to a parent, and `parent` is None.
        """
        spec = choose_list(resource, of_parent=parent is not None, newest=since is not None)
        path = spec.path.format(parent=parent)
        labels = RequestLabels(by_cursor=spec.paging is Paging.CURSOR)

        def fetch(position: int | None) -> FetchedPage:
            at = {} if position is None else {spec.paging.value: position}
            try:
                with start_span(f"page {resource}", resource=resource) as page:
                    params = {"limit": spec.limit, **spec.params, **at}
                    listing, observed_at = self._api.get_list(path, params, Cause(why, labels.pop(position)))
                    page.set_attributes(rows=len(listing.rows))
            except (NotFound, RequestRejected) as refusal:
                if spec.paging is Paging.OFFSET or position is None:
                    raise
                logger.debug("cursor %d refused: %s", position, refusal)
                return FetchedPage(None, self._now())
            return FetchedPage(listing, observed_at)

        state = CursorState(resume)
        walk = labels.watch(self._walk(spec, since, state))
        return stream_pages(walk, spec, fetch, self._prefetching, state, self._redactor(resource), parent=parent)

    def get(self, resource: Resource, record_id: int, *, parent: int | None = None, why: str = "") -> Page:
        """Read one object, as a page of one record; see `Source.get`.

        Raises:
            ValueError: the list of `resource` belongs to a parent, and `parent` is None.
        """
        spec = SPECS[resource]
        path = object_path(resource, record_id, parent)

        def read(raw: bytes) -> Record:
            record = as_record(raw, spec, redactor=self._redactor(resource))
            if record.id != record_id:
                raise SourceUnavailable(f"Hostaway answered GET {path} with an object that does not have this id")
            return record

        with start_span(f"page {resource}", resource=resource, rows=1):
            record, observed_at = self._api.get_object(path, spec.params, read, Cause(why))
        return Page(spec.shape, (record,), observed_at, parent=parent)

    def read_calendar(self, listing_id: int, first: date, last: date, *, why: str = "") -> CalendarAnswer:
        """Ask for days of a listing; see `Source.read_calendar`."""
        path = calendar_path(listing_id)
        # Embedded stays would make the answer four times as long, and have rows of their own (API notes, 8).
        days: dict[str, int | str] = {"startDate": first.isoformat(), "endDate": last.isoformat()}
        with start_span("page calendar", resource=Resource.CALENDAR) as page:
            listing, observed_at = self._api.get_list(path, {**days, "includeResources": 0}, Cause(why))
            page.set_attributes(rows=len(listing.rows))
        received, unusable = read_entries(listing.rows, self._redactor(Resource.CALENDAR))
        return CalendarAnswer(Days(first, last), received, observed_at, unusable)

    def _walk(self, spec: ResourceSpec, since: datetime | None, state: CursorState) -> Walk:
        if not spec.is_paged:
            return walk_at_once(spec.limit, self._pages_in_flight)
        down_to = None if spec.is_whole else since
        if spec.paging is Paging.CURSOR:
            return walk_by_cursor(down_to, state)
        return walk_by_offset(self._pages_in_flight, down_to)

    def _redactor(self, resource: Resource) -> Redactor | None:
        return None if self._redaction is None else self._redaction.redactor_for(resource)

    def check_credentials(self) -> None:
        """Make a request that works with any valid credentials.

        Raises:
            CredentialsRejected: they are wrong.
            SourceError: the request failed for another reason.
        """
        self._api.check_credentials()

    def revoke_token(self, token: AccessToken) -> None:
        """Have a token refused from now on.

        Raises:
            SourceError: whether it is refused is not known.
        """
        self._api.revoke_token(token)

    def close(self) -> None:
        """Close all connections; requests that wait, in any thread, end with a `SourceError`."""
        self._prefetching.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
