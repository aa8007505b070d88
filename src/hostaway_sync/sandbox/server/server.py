"""The sandbox itself: accounts, tokens, limits and faults behind a real HTTP server on the loopback address."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from email.utils import formatdate
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self

from hostaway_sync.sandbox.seed.layout import FirstIds
from hostaway_sync.sandbox.server.account import ACCOUNT_ID, CLIENT_SECRET, Account, AccountSpec
from hostaway_sync.sandbox.server.faults import Faults
from hostaway_sync.sandbox.server.http_server import Server
from hostaway_sync.sandbox.server.rate_limits import PROFILES, SENDS, Profile, SlidingWindows
from hostaway_sync.sandbox.server.request import (
    MISSING,
    Reply,
    Request,
    denied_reply,
    failure_reply,
    rate_limited_reply,
)
from hostaway_sync.sandbox.server.routes import answer_request, check_gates, match_route
from hostaway_sync.sandbox.server.tokens import TOKENS, Tokens, answer_token
from hostaway_sync.sandbox.server.webhooks import delivery_body, send_delivery
from hostaway_sync.sandbox.switches import Switches
from hostaway_sync.sandbox.world.changes import START
from hostaway_sync.sandbox.world.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType

_LOG = 100_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that came, and the status it got; 0 when the connection was reset or left silent."""

    time: float
    method: str
    path: str
    query: dict[str, str]
    route: str
    account_id: int | None
    status: int


class Sandbox:
    """A stand-in for Hostaway; see the package's docstring. Use it as a context manager, or `start` and `stop` it.

    Args:
        seed: equal seeds give equal bytes.
        accounts: what the accounts are to look like; None: one with `reservations`, `listings` and `conversations`.
        switches: how it behaves where Hostaway's behaviour is not known.
        rate_limits: `off`, `new` (200 in 10 s by address and by account, 30 sends a minute), `old` (15 and 20 in 10 s).
        rate_limit_headers: whether a 429 carries `X-RateLimit-*`.
        clock_skew: seconds by which the times in these headers, and in `Date`, are wrong.
        token_delay: seconds until a new token is good.
        clock: Unix seconds, for tokens and rate limits; the worlds have clocks of their own.
        now: where the clocks of the worlds start.
        port: 0 for any free one.
    """

    account_id = ACCOUNT_ID
    client_secret = CLIENT_SECRET

    def __init__(
        self,
        *,
        seed: int = 1,
        accounts: Sequence[AccountSpec] | None = None,
        reservations: int = 787,
        listings: int = 12,
        conversations: bool = True,
        switches: Switches | None = None,
        rate_limits: Profile = "off",
        rate_limit_headers: bool = True,
        clock_skew: float = 0.0,
        token_delay: float = 1.0,
        clock: Callable[[], float] = time.time,
        now: datetime = START,
        port: int = 0,
    ) -> None:
        self.switches = switches or Switches()
        self.rate_limit_headers = rate_limit_headers
        self.clock_skew = clock_skew
        self.clock = clock
        self.tokens = Tokens(seed=seed, delay=token_delay)
        self.windows = SlidingWindows(PROFILES[rate_limits])
        self.faults = Faults(seed)
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOG)
        self.calls: Counter[str] = Counter()
        """Number of requests by route, such as `GET /conversations/{id}/messages`; refused and faulted ones count."""
        self.closing = Event()
        self._before: list[Callable[[Request], None]] = []
        self._after: list[Callable[[Request, Reply], None]] = []
        self._log_lock = Lock()
        if accounts is None:
            accounts = [AccountSpec(reservations=reservations, listings=listings, conversations=conversations)]
        self.accounts = {
            spec.id: Account(spec, self._world(spec, number, seed, now)) for number, spec in enumerate(accounts)
        }
        self._server = Server(port, self.handle, self.closing)
        self._thread: Thread | None = None

    def _world(self, spec: AccountSpec, number: int, seed: int, now: datetime) -> World:
        switches = spec.switches or self.switches
        check_gates(switches.gate_403)
        return World(
            spec.id,
            seed=seed + number,
            reservations=spec.reservations,
            listings=spec.listings,
            conversations=spec.conversations,
            start=now,
            switches=switches,
            first=FirstIds.of(0 if spec.same_ids_as_first else number),
        )

    # Start and stop

    @property
    def url(self) -> str:
        """The URL of the API, as `http://127.0.0.1:PORT/v1`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def start(self) -> Self:
        """Start to answer; connections made earlier wait until then."""
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, release every gate and close the port; may be called twice."""
        self.closing.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.close_everything()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # State and changes

    @property
    def world(self) -> World:
        """The first account's world."""
        return next(iter(self.accounts.values())).world

    def account(self, account_id: int) -> World:
        """Return the world of an account."""
        return self.accounts[account_id].world

    def reconfigure(self, account_id: int, **fields: object) -> None:
        """Change `client_secret`, `secret_deleted` or `inbox` of an account's `AccountSpec` while it runs."""
        account = self.accounts[account_id]
        account.spec = replace(account.spec, **fields)  # type: ignore[arg-type]  # a plain value where a literal is declared

    def revoke_tokens(self, account_id: int = ACCOUNT_ID) -> None:
        """Revoke every token of an account, as when its API key is deleted."""
        self.tokens.revoke_all(account_id)

    def on_request(self, watch: Callable[[Request], None]) -> None:
        """Call `watch` before each request is answered: the place to change the world between two pages."""
        self._before.append(watch)

    def after_request(self, watch: Callable[[Request, Reply], None]) -> None:
        """Call `watch` after each answer was worked out, before it is sent."""
        self._after.append(watch)

    def max_in_window(self, key: str) -> int:
        """Return the largest number of requests in any window of a key.

        Keys are `ip:127.0.0.1`, `account:70001` and, for sends, `endpoint:70001`.
        """
        return self.windows.max_in_window(key)

    def forget(self) -> None:
        """Clear the log of requests, their counts and the rate limit windows."""
        with self._log_lock:
            self.requests.clear()
            self.calls.clear()
        self.windows.forget()

    def deliver(self, account_id: int = ACCOUNT_ID) -> list[int | None]:
        """Announce everything that happened since the last call to the account's enabled webhooks, oldest first.

        Return the status of each delivery, None without an answer. Nothing is sent twice. Host replies are never
        announced (API notes, 6.3).
        """
        account = self.accounts[account_id]
        announced: list[tuple[str, int, bytes]] = []
        with account.world.lock:
            while account.world.outbox:
                event, number, thread = account.world.outbox.popleft()
                payload = account.world.announced_object(event, number, thread)
                if payload is not None:
                    nested = account.world.switches.delivery_nesting == "payload"
                    announced.append((event, number, delivery_body(event, account_id, payload, nested=nested)))
        statuses: list[int | None] = []
        for event, number, body in announced:
            for hook in [hook for hook in account.hooks.all() if hook["isEnabled"]]:
                statuses.append(send_delivery(hook, body))
                account.hooks.log_delivery(hook, account_id, event, number, statuses[-1])
        return statuses

    # Answers

    def handle(self, request: Request) -> Reply:
        """Answer one request; called by the server from many threads."""
        request = self._with_route(replace(request, time=self.clock()))
        for watch in self._before:
            watch(request)
        reply = self._refused(request) or self._faulted(request)
        date = formatdate(request.time + self.clock_skew, usegmt=True)
        reply = replace(reply, headers={"Date": date, **reply.headers})
        for watch_reply in self._after:
            watch_reply(request, reply)
        status = 0 if reply.reset or reply.silent else reply.status
        with self._log_lock:
            self.calls[request.route or f"{request.method} ?"] += 1
            self.requests.append(
                LoggedRequest(
                    request.time,
                    request.method,
                    request.path,
                    dict(request.query),
                    request.route,
                    request.account_id,
                    status,
                )
            )
        return reply

    def _with_route(self, request: Request) -> Request:
        if request.path == TOKENS:
            client = request.form().get("client_id", "") if request.method == "POST" else ""
            account_id = int(client) if client.isascii() and client.isdigit() else None
            return replace(request, route=f"{request.method} {TOKENS}", account_id=account_id)
        account_id = self.tokens.owner(_bearer(request))
        found = match_route(request.method, request.path)
        if found is None:
            return replace(request, account_id=account_id)
        return replace(request, route=found[0].name, ids=found[1], account_id=account_id)

    def _refused(self, request: Request) -> Reply | None:
        if request.path == TOKENS and not self.switches.token_counts:
            return None
        keys = [f"ip:{request.client}"]
        if request.account_id is not None:
            keys.append(f"account:{request.account_id}")
            if request.route == SENDS:
                keys = [f"endpoint:{request.account_id}"]
        refusal = self.windows.admit(keys, request.time)
        if refusal is None:
            return None
        return rate_limited_reply(refusal, self.switches, skew=self.clock_skew if self.rate_limit_headers else None)

    def _faulted(self, request: Request) -> Reply:
        effect = self.faults.find_effect(request)
        if effect is None:
            return self._true_reply(request)
        return effect.make_reply(request, self._true_reply(request) if effect.runs_route else None)

    def _true_reply(self, request: Request) -> Reply:
        if request.path == TOKENS:
            return answer_token(self.accounts, self.tokens, request)
        if not self.tokens.good(_bearer(request), request.time):
            return denied_reply(self.switches.bad_bearer)
        found = match_route(request.method, request.path)
        if found is None or request.account_id is None:
            return failure_reply(404, MISSING, self.switches)
        return answer_request(self.accounts[request.account_id], found[0], request)


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
