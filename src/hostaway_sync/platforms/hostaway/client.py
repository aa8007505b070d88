"""One account of Hostaway: its lists and objects, for whoever mirrors them.

walk ──► asking ──► trying ──► exchange ──► departure ──► Hostaway
which    with which  how        one request   at which
page     token       often                    moment
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import random as jitter
from typing import TYPE_CHECKING

from hostaway_sync.errors import NotFound, RequestRejected, SourceUnavailable
from hostaway_sync.model.records import Page
from hostaway_sync.observability.tracing import span
from hostaway_sync.platforms.hostaway.http.api import HostawayApi
from hostaway_sync.platforms.hostaway.http.request import Cause
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy
from hostaway_sync.platforms.hostaway.http.retrying import Retrier
from hostaway_sync.platforms.hostaway.http.token import TokenProvider
from hostaway_sync.platforms.hostaway.http.transport import Transport
from hostaway_sync.platforms.hostaway.messages.sending import HostawayMessages
from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_at_once, walk_by_offset
from hostaway_sync.platforms.hostaway.paging.page_stream import Arrival, follow
from hostaway_sync.platforms.hostaway.paging.request_labels import RequestLabels
from hostaway_sync.platforms.hostaway.parsing.resources import (
    SPECS,
    Paging,
    as_record,
    list_of,
    object_path,
)
from hostaway_sync.platforms.hostaway.webhooks.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Budget, CircuitBreaker, Observer
    from hostaway_sync.model.records import Record, Resource, Token
    from hostaway_sync.model.redaction import Redaction, Redactor
    from hostaway_sync.platforms.hostaway.http.limits import Limits
    from hostaway_sync.platforms.hostaway.http.token import TokenVault
    from hostaway_sync.platforms.hostaway.paging.walk import Walk
    from hostaway_sync.platforms.hostaway.parsing.resources import Spec

logger = logging.getLogger(__name__)


class Client:
    """A `Source`: the lists and objects of one account, for use by several threads.

    Args:
        account_id: Hostaway's id of the account.
        client_secret: the key made in the dashboard.
        api_url: where the API is, with its version.
        budget: grants the moment of every request.
        vault: where the token outlives this process.
        limits: requests per window.
        egress: name of the address that requests leave through; its limit is shared by all who use that name.
        attempts: requests in all where one fails for now.
        backoff: the longest first wait between them; each further one may be twice as long, up to 16 s.
        in_flight: pages of lists that may be fetched ahead at the same time.
        urgent: requests go before those of others, because a person waits.
        connect_timeout: for a connection to be set up.
        read_timeout: for the next bytes of an answer; all of it may take five times as long.
        clock: the time, aware.
        seconds: a clock that never jumps.
        sleep: waits so many seconds; by default a wait that `close` ends.
        random: a number from 0 up to 1.
        observe: told of every request that was sent, token requests included, when it ended; one call at a time.
        redaction: hides fields of what is read; None: nothing is hidden.
        circuit_breaker: told whether the source is there.
    """

    def __init__(
        self,
        *,
        account_id: int,
        client_secret: SecretStr,
        api_url: str,
        budget: Budget,
        vault: TokenVault,
        limits: Limits,
        egress: str,
        attempts: int = 5,
        backoff: timedelta = timedelta(seconds=1),
        in_flight: int = 4,
        urgent: bool = False,
        connect_timeout: timedelta = timedelta(seconds=10),
        read_timeout: timedelta = timedelta(seconds=60),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = jitter,
        observe: Observer | None = None,
        redaction: Redaction | None = None,
        circuit_breaker: CircuitBreaker | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._redaction = redaction
        self._clock = clock
        self._exchange = Transport(
            api_url=api_url,
            budget=budget,
            urgent=urgent,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            seconds=seconds,
            sleep=sleep,
            observe=observe,
            circuit_breaker=circuit_breaker,
        )
        pause = self._exchange.pause
        self._ahead = ThreadPoolExecutor(in_flight, thread_name_prefix=f"pages-{account_id}")
        self._asking = HostawayApi(
            account_id=account_id,
            secret=client_secret,
            send=self._exchange.send,
            budget=budget,
            trying=Retrier(patience=RetryPolicy(attempts=attempts, backoff=backoff), pause=pause, random=random),
            once=Retrier(patience=RetryPolicy(attempts=1), pause=pause, random=random),
            limits=limits,
            egress=egress,
            clock=clock,
        )
        self._access = TokenProvider(vault=vault, issue=self._asking.issue, pause=pause, clock=clock)
        self.registrar = Registration(self._asking, self._access)
        self.message_api = HostawayMessages(self._asking, self._access)

    @property
    def api_calls(self) -> int:
        """Requests sent so far, token requests included."""
        return self._exchange.api_calls

    def lower_priority(self) -> None:
        """Let others go first from now on, unless requests are urgent."""
        self._exchange.lower_priority()

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
            ValueError: `resource` is a list that belongs to a parent, and there is none.
        """
        spec = list_of(resource, of_parent=parent is not None, newest=since is not None)
        path = spec.path.format(parent=parent)
        steps = RequestLabels(by_cursor=spec.paging is Paging.CURSOR)

        def fetch(position: int | None) -> Arrival:
            place = {} if position is None else {spec.paging.value: position}
            try:
                with span(f"page {resource}", resource=resource) as page:
                    listing, observed_at = self._asking.list(
                        path,
                        {"limit": spec.limit, **spec.params, **place},
                        self._access,
                        Cause(why, steps.take(position)),
                    )
                    page.note(rows=len(listing.rows))
            except (NotFound, RequestRejected) as refusal:
                if spec.paging is Paging.OFFSET or position is None:
                    raise
                logger.debug("cursor %d refused: %s", position, refusal)
                return Arrival(None, self._clock())
            return Arrival(listing, observed_at)

        bookmark = CursorState(resume)
        walk = steps.of(self._walk(spec, since, bookmark))
        return follow(walk, spec, fetch, self._ahead, bookmark, self._redactor(resource), parent=parent)

    def get(self, resource: Resource, record_id: int, *, parent: int | None = None, why: str = "") -> Page:
        """Read one object, as a page of one record; see `Source.get`.

        Raises:
            ValueError: `resource` is in a list that belongs to a parent, and there is none.
        """
        spec = SPECS[resource]
        path = object_path(resource, record_id, parent)

        def read(raw: bytes) -> Record:
            record = as_record(raw, spec, redactor=self._redactor(resource))
            if record.id != record_id:
                raise SourceUnavailable(f"Hostaway answered GET {path} with something that has not this id")
            return record

        with span(f"page {resource}", resource=resource, rows=1):
            record, observed_at = self._asking.object(path, spec.params, self._access, read, Cause(why))
        return Page(spec.shape, (record,), observed_at, parent=parent)

    def _walk(self, spec: Spec, since: datetime | None, bookmark: CursorState) -> Walk:
        if not spec.is_paged:
            return walk_at_once(spec.limit, self._in_flight)
        moment = None if spec.is_whole else since
        if spec.paging is Paging.CURSOR:
            return walk_by_cursor(moment, bookmark)
        return walk_by_offset(self._in_flight, moment)

    def _redactor(self, resource: Resource) -> Redactor | None:
        return None if self._redaction is None else self._redaction.of(resource)

    def check(self) -> None:
        """Prove that the credentials work.

        Raises:
            CredentialsRejected: they do not.
            SourceError: that could not be found out.
        """
        self._asking.prove(self._access)

    def revoke(self, token: Token) -> None:
        """Have a token refused from now on.

        Raises:
            SourceError: that is not known to be so.
        """
        self._asking.revoke(token)

    def close(self) -> None:
        """Give back connections; requests that wait, in any thread, end with a `SourceError`."""
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self._exchange.close()
