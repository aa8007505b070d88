"""The client against a real HTTP server that behaves, and misbehaves, as Hostaway does."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hostaway_sync.errors import (
    CredentialsRejected,
    Forbidden,
    NotFound,
    RateLimited,
    RequestRejected,
    SourceError,
    SourceUnavailable,
)
from hostaway_sync.records import Grant, Resource, Token
from hostaway_sync.sandbox import AccountSpec, Sandbox, Switches, faults
from hostaway_sync.source import client as module
from hostaway_sync.source.budget import Limits
from hostaway_sync.source.client import HTTPX_ERRORS, Client, as_source_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostaway_sync.records import Bucket, Page, Source
    from hostaway_sync.sandbox import Effect, Reply, Request, World

START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TEN = timedelta(seconds=10)
LIMITS = Limits((200, TEN), (200, TEN), (30, timedelta(seconds=60)))
LISTED = (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS)


class Clock:
    """Time that passes only while somebody sleeps; given to the sandbox and the client alike."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def time(self) -> float:
        """Give Unix seconds."""
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


class OpenBudget:
    """A budget that grants at once, and remembers what it was told."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reserved: list[tuple[str, ...]] = []
        self.penalties: list[tuple[tuple[str, ...], timedelta, int | None]] = []

    def reserve(self, buckets: Sequence[Bucket]) -> Grant:
        """Grant this moment."""
        self.reserved.append(tuple(bucket.key for bucket in buckets))
        return Grant(self.clock.now, timedelta(0))

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Write it down."""
        self.penalties.append((tuple(bucket.key for bucket in buckets), retry_in, limit))


class Drawer:
    """A vault in memory."""

    def __init__(self) -> None:
        self.token: Token | None = None

    def load(self) -> Token | None:
        """Give what is there."""
        return self.token

    def save(self, token: Token) -> None:
        """Replace it."""
        self.token = token


class Stage:
    """A sandbox, and clients of it that share a clock, a budget and a vault."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.budget = OpenBudget(clock)
        self.vault = Drawer()
        self.clients: list[Client] = []

    def client(self, **options: Any) -> Client:
        """Make a client."""
        defaults: dict[str, Any] = {
            "account_id": self.sandbox.account_id,
            "client_secret": SecretStr(self.sandbox.client_secret),
            "api_url": self.sandbox.url,
            "budget": self.budget,
            "vault": self.vault,
            "limits": LIMITS,
            "egress": "office",
            "clock": lambda: self.clock.now,
            "sleep": self.clock.sleep,
            "random": lambda: 0.5,
        }
        made = Client(**defaults | options)
        self.clients.append(made)
        return made

    def calls(self, route: str) -> int:
        """Count the requests of a route."""
        return self.sandbox.calls[route]


@contextmanager
def stage(**options: Any) -> Iterator[Stage]:
    """Start a sandbox on a clock of its own and end it with its clients."""
    clock = Clock()
    defaults: dict[str, Any] = {"reservations": 450, "listings": 60, "clock": clock.time}
    with Sandbox(**defaults | options) as sandbox:
        set_up = Stage(sandbox, clock)
        try:
            yield set_up
        finally:
            for made in set_up.clients:
                made.close()


def ids_of(pages: Sequence[Page]) -> set[int | None]:
    """Give the distinct ids of all pages."""
    return {record.id for page in pages for record in page.records}


def truth(sandbox: Sandbox, resource: Resource) -> set[int]:
    """Give the ids that are really there."""
    return set(dict(sandbox.world.truth(resource)))


def test_every_list_is_read_whole() -> None:
    """All rows, as they are, with a total and without a doubt; every request is counted."""
    with stage() as set_up:
        client = set_up.client()
        source: Source = client
        for resource in LISTED:
            expected = truth(set_up.sandbox, resource)
            pages = list(source.walk(resource))
            assert ids_of(pages) == expected
            assert (pages[-1].total, pages[-1].doubt) == (len(expected), None)
            assert all(page.observed_at == set_up.clock.now for page in pages)
            assert not [record for page in pages for record in page.records if record.misfits or record.reason]
        assert client.api_calls == len(set_up.sandbox.requests) == len(set_up.budget.reserved)
        assert set(set_up.budget.reserved) == {("ip:office", "account:70001")}


def test_every_thread_is_read_whole_at_the_same_time() -> None:
    """Threads of one client do not get in each other's way."""
    with stage(reservations=30) as set_up:
        client = set_up.client()
        parents = sorted(truth(set_up.sandbox, Resource.CONVERSATIONS))
        with ThreadPoolExecutor(8) as pool:
            threads = list(pool.map(lambda parent: list(client.walk(Resource.MESSAGES, parent=parent)), parents))
        assert {found for pages in threads for found in ids_of(pages)} == truth(set_up.sandbox, Resource.MESSAGES)
        assert all(pages[-1].doubt is None for pages in threads)
        assert set_up.calls("POST /accessTokens") == 1
        asked = next(logged for logged in set_up.sandbox.requests if logged.path.endswith("/messages"))
        assert (asked.query["includeScheduledMessages"], asked.query["includeResources"]) == ("1", "1")


def test_messages_are_read_from_a_parent() -> None:
    """There is no list of all of them."""
    with stage(reservations=1) as set_up, pytest.raises(ValueError, match="parent"):
        set_up.client().walk(Resource.MESSAGES)


def test_a_parent_that_is_gone_is_not_found() -> None:
    """The caller may pass over it."""
    with stage(reservations=1) as set_up, pytest.raises(NotFound):
        list(set_up.client().walk(Resource.MESSAGES, parent=5))


TRANSIENT = {
    "html 502": faults.bad_gateway(),
    "html 200": faults.bad_gateway(200),
    "empty body": faults.status(200),
    "torn json": faults.torn_json(),
    "torn connection": faults.torn_connection(),
    "reset connection": faults.connection_reset(),
    "200 with fail": faults.fail_with_200(),
    "null result": faults.null_result(),
}


@pytest.mark.parametrize("effect", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_passes_is_survived(effect: Effect) -> None:
    """Two bad answers in the middle of a walk cost two calls and two waits."""
    with stage() as set_up:
        client = set_up.client()
        client.check()
        set_up.clock.slept.clear()
        set_up.sandbox.faults.add(effect, route="GET /reservations", skip=1, times=2)
        pages = list(client.walk(Resource.RESERVATIONS))
        assert ids_of(pages) == truth(set_up.sandbox, Resource.RESERVATIONS)
        assert pages[-1].doubt is None
        assert set_up.calls("GET /reservations") == 5 + 2
        assert set_up.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("effect", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_does_not_pass_is_an_error_after_five_attempts(effect: Effect) -> None:
    """Never an endless loop, never an empty list."""
    with stage(reservations=3) as set_up:
        client = set_up.client()
        set_up.sandbox.faults.add(effect, route="GET /reservations", times=None)
        with pytest.raises(SourceUnavailable):
            list(client.walk(Resource.RESERVATIONS))
        assert set_up.calls("GET /reservations") == 5


def test_the_number_of_attempts_is_a_setting() -> None:
    """As is the first wait."""
    with stage(reservations=3) as set_up:
        client = set_up.client(attempts=2, backoff=timedelta(seconds=8))
        client.check()
        set_up.clock.slept.clear()
        set_up.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
        with pytest.raises(SourceUnavailable):
            list(client.walk(Resource.RESERVATIONS))
        assert set_up.clock.slept == [4.0]


def test_a_refusal_is_not_tried_again() -> None:
    """400 says no and means it."""
    with stage(reservations=3) as set_up:
        set_up.sandbox.faults.add(faults.status(400), route="GET /reservations", times=None)
        with pytest.raises(RequestRejected):
            list(set_up.client().walk(Resource.RESERVATIONS))
        assert set_up.calls("GET /reservations") == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"retry_at": 8.0}, 8), ({}, 10), ({"retry_at": -900.0}, 1), ({"retry_at": 900.0}, 60)],
    ids=["unix time", "no headers", "skewed into the past", "skewed into the future"],
)
def test_a_429_waits_for_its_window_and_is_no_attempt(headers: dict[str, Any], wait: float) -> None:
    """Ten of them in a row are survived, and the budget is told of each."""
    with stage(reservations=3) as set_up:
        client = set_up.client()
        client.check()
        set_up.clock.slept.clear()
        set_up.clock.now = now = START + TEN

        def refuse(request: Request, reply: Reply | None) -> Reply:
            when = {name: set_up.clock.time() + offset for name, offset in headers.items()}
            return faults.rate_limited(**when, limit=15).spoil(request, reply)

        set_up.sandbox.faults.add(faults.Effect(refuse), route="GET /reservations", times=10)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3
        assert set_up.clock.slept == [wait] * 10
        assert set_up.clock.now - now == timedelta(seconds=wait * 10)
        hit, limit = (("account:70001",), 15) if headers else (("ip:office", "account:70001"), None)
        assert set_up.budget.penalties == [(hit, timedelta(seconds=wait), limit)] * 10


def test_a_429_that_does_not_end_is_an_error_after_ten_minutes() -> None:
    """Waited for in whole windows, and not a window longer."""
    with stage(reservations=3) as set_up:
        client = set_up.client()
        client.check()
        set_up.clock.slept.clear()
        set_up.sandbox.faults.add(faults.rate_limited(), route="GET /reservations", times=None)
        with pytest.raises(RateLimited):
            list(client.walk(Resource.RESERVATIONS))
        assert sum(set_up.clock.slept) == 600


def test_a_token_is_used_again_by_the_next_run() -> None:
    """One request for it in its whole life, and none before it works."""
    with stage(reservations=3, token_delay=1.0) as set_up:
        for _ in range(3):
            set_up.client().check()
        assert set_up.calls("POST /accessTokens") == 1
        assert set_up.clock.slept == [1.1]
        assert {logged.status for logged in set_up.sandbox.requests} == {200}
        assert set_up.vault.token is not None
        assert set_up.vault.token.expires_at - set_up.vault.token.issued_at == timedelta(seconds=63_072_000)
        set_up.clock.now += timedelta(days=700)
        set_up.client().check()
        assert set_up.calls("POST /accessTokens") == 2


def test_a_token_that_is_too_young_is_renewed_like_any_other_refused_one() -> None:
    """Whoever kept it did not wait."""
    with stage(reservations=3, token_delay=1.0) as set_up:
        set_up.client().check()
        token = set_up.sandbox.tokens.issue(70001, set_up.clock.time(), 1e6)
        set_up.vault.token = Token(SecretStr(token), START, START + timedelta(days=9))
        set_up.client().check()
        assert set_up.vault.token.value.get_secret_value() != token


def test_failures_of_the_token_route_are_survived() -> None:
    """It may be asked again as a list may."""
    with stage(reservations=3) as set_up:
        set_up.sandbox.faults.add(faults.bad_gateway(), route="POST /accessTokens", times=2)
        set_up.sandbox.faults.add(faults.rate_limited(), route="POST /accessTokens", times=1)
        set_up.client().check()
        assert set_up.clock.slept == [0.5, 1.0, 10.0, 1.1]


@pytest.mark.parametrize("wrong", [{"account_id": 70002}, {"client_secret": SecretStr("hunter2")}])
def test_wrong_credentials_are_one_clear_sentence(wrong: dict[str, Any]) -> None:
    """Asked once, and nothing is kept."""
    with stage(reservations=1) as set_up:
        client = set_up.client(**wrong)
        with pytest.raises(CredentialsRejected, match=r"does not know account 7000\d with this secret") as caught:
            client.check()
        assert "hunter2" not in str(caught.value)
        assert (client.api_calls, set_up.vault.token) == (1, None)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_revoked_in_the_middle_is_renewed_once(status: int) -> None:
    """The walk goes on where it was."""
    with stage(switches=Switches(bad_bearer=status)) as set_up:  # type: ignore[arg-type]
        walk = set_up.client().walk(Resource.RESERVATIONS)
        pages = [next(walk)]
        set_up.sandbox.revoke_tokens()
        pages += walk
        assert ids_of(pages) == truth(set_up.sandbox, Resource.RESERVATIONS)
        assert set_up.calls("POST /accessTokens") == 2
        assert set_up.calls("GET /reservations") == 6


@pytest.mark.parametrize("inbox", ["closed_threads", "closed"])
def test_an_account_without_inbox_rights_renews_once_for_all_threads(inbox: str) -> None:
    """Every thread is forbidden, one renewal and one request find that out, and other lists are read."""
    with stage(accounts=[AccountSpec(reservations=30, inbox=inbox)]) as set_up:  # type: ignore[arg-type]
        client = set_up.client()
        client.check()
        parents = sorted(truth(set_up.sandbox, Resource.CONVERSATIONS))
        listings = set_up.calls("GET /listings")

        def sentence(parent: int) -> str:
            with pytest.raises(Forbidden) as caught:
                list(client.walk(Resource.MESSAGES, parent=parent))
            return str(caught.value)

        with ThreadPoolExecutor(8) as pool:
            sentences = list(pool.map(sentence, parents))
        assert all("does not let account 70001 read" in found for found in sentences)
        assert set_up.calls("POST /accessTokens") == 2
        assert set_up.calls("GET /listings") == listings + 1
        assert ids_of(list(client.walk(Resource.RESERVATIONS))) == truth(set_up.sandbox, Resource.RESERVATIONS)


def test_an_account_that_is_refused_everywhere_has_bad_credentials() -> None:
    """Neither the object nor the age of the token is the reason."""
    with stage(reservations=3) as set_up:
        set_up.sandbox.faults.add(faults.denied(), method="GET", times=None)
        with pytest.raises(CredentialsRejected, match="refuses account 70001 even with a new token"):
            list(set_up.client().walk(Resource.RESERVATIONS))
        assert set_up.calls("POST /accessTokens") == 2


def test_a_refusal_is_looked_into_again_after_a_while() -> None:
    """A key that is deleted later in the run is not mistaken for one object's rights."""
    with stage(accounts=[AccountSpec(reservations=3, inbox="closed")]) as set_up:
        client = set_up.client()
        with pytest.raises(Forbidden):
            list(client.walk(Resource.CONVERSATIONS))
        set_up.clock.now += timedelta(minutes=2)
        set_up.sandbox.revoke_tokens()
        with pytest.raises(CredentialsRejected):
            list(client.walk(Resource.RESERVATIONS))


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    """A silent request ends by its timeout and is made again."""
    with stage(reservations=3) as set_up:
        client = set_up.client(read_timeout=timedelta(seconds=0.2))
        client.check()
        set_up.sandbox.faults.add(faults.silence(Event()), route="GET /reservations", times=1)
        set_up.sandbox.faults.add(faults.slow(Event()), route="GET /reservations", times=1)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3


def test_a_body_that_never_ends_is_given_up_on() -> None:
    """However steadily it drips."""
    with stage(reservations=3) as set_up:
        late: list[float] = []
        client = set_up.client(seconds=lambda: sum(late), attempts=1)
        client.check()
        set_up.sandbox.after_request(lambda *_: late.append(1e6))
        with pytest.raises(SourceUnavailable, match="took longer than 300 s"):
            list(client.walk(Resource.RESERVATIONS))


def test_a_body_that_is_too_large_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fills the memory."""
    with stage() as set_up:
        monkeypatch.setattr(module, "LARGEST_BODY", 10_000)
        with pytest.raises(SourceUnavailable, match="larger than"):
            list(set_up.client().walk(Resource.RESERVATIONS))


def test_closing_ends_a_request_that_waits_for_its_answer() -> None:
    """From another thread, without waiting for a timeout."""
    with stage(reservations=3) as set_up:
        client = set_up.client()
        client.check()
        arrived = Event()
        set_up.sandbox.on_request(lambda _: arrived.set())
        set_up.sandbox.faults.add(faults.silence(Event()), times=None)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(list, client.walk(Resource.RESERVATIONS))
            assert arrived.wait(30)
            client.close()
            with pytest.raises(SourceError, match="was closed"):
                reading.result(30)


def test_closing_ends_a_wait() -> None:
    """Also the wait for a slot in the budget."""
    with stage(reservations=3) as set_up:
        asked = Event()

        class Far(OpenBudget):
            def reserve(self, buckets: Sequence[Bucket]) -> Grant:
                asked.set()
                return Grant(super().reserve(buckets).granted_at, timedelta(hours=1))

        client = set_up.client(budget=Far(set_up.clock), sleep=None)
        with ThreadPoolExecutor(1) as pool:
            checking = pool.submit(client.check)
            assert asked.wait(30)
            client.close()
            with pytest.raises(SourceError, match="was closed"):
                checking.result(30)
        assert client.api_calls == 0


def test_a_request_that_would_leave_late_takes_another_slot() -> None:
    """The page was observed at the moment of the last grant."""
    with stage(reservations=3) as set_up:
        jumps = iter([0.0] * 1 + [5.0] * 1000)
        client = set_up.client(seconds=lambda: next(jumps))
        client.check()
        assert set_up.budget.reserved.count(("ip:office", "account:70001")) == client.api_calls + 1


def test_an_api_that_cannot_be_reached_is_one_clear_sentence() -> None:
    """Refused connections pass, perhaps; an address that is none does not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with stage(reservations=1) as set_up:
            with pytest.raises(SourceUnavailable, match="cannot be reached at http://127"):
                set_up.client(api_url=closed).check()
            for address in ("ftp://127.0.0.1/v1", "http://127.0.0.1:x", "127.0.0.1/v1"):
                with pytest.raises(SourceError, match="check the API's address"):
                    set_up.client(api_url=address).check()
            assert set_up.client().api_calls == 0


def test_every_exception_of_the_library_means_a_source_error() -> None:
    """None of them is let through, and none shows the request."""
    request = httpx.Request("GET", "http://127.0.0.1", headers={"Authorization": "Bearer hunter2"})
    made = {
        httpx.HTTPStatusError: lambda: httpx.HTTPStatusError("", request=request, response=httpx.Response(500)),
        httpx.StreamConsumed: httpx.StreamConsumed,
        httpx.StreamClosed: httpx.StreamClosed,
        httpx.ResponseNotRead: httpx.ResponseNotRead,
        httpx.RequestNotRead: httpx.RequestNotRead,
    }
    kinds = [kind for kind in vars(httpx).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 20
    for kind in kinds:
        error = made.get(kind, lambda kind=kind: kind("why"))()
        assert isinstance(error, HTTPX_ERRORS)
        meant = as_source_error(error, "http://127.0.0.1")
        assert isinstance(meant, SourceError)
        assert "hunter2" not in str(meant)


def test_secrets_are_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level, with renewals and failures."""
    caplog.set_level(logging.DEBUG)
    with stage(reservations=3) as set_up:
        client = set_up.client()
        client.check()
        first = set_up.vault.token
        set_up.sandbox.revoke_tokens()
        set_up.sandbox.faults.add(faults.bad_gateway(), times=1)
        list(client.walk(Resource.RESERVATIONS))
        assert "GET /reservations: 200" in caplog.text
        for token in (first, set_up.vault.token):
            assert token is not None
            assert token.value.get_secret_value() not in caplog.text
        assert set_up.sandbox.client_secret not in caplog.text


def test_rows_that_are_no_records_do_not_take_their_page_along() -> None:
    """They come as records without an id, with their bytes; a lone surrogate is cleaned."""
    with stage(reservations=20) as set_up:
        world = set_up.sandbox.world
        odd = max(truth(set_up.sandbox, Resource.RESERVATIONS))
        world.corrupt("reservations", odd, b'{"id":%d,"comment":"\\ud83d"}' % odd)
        world.append_raw("reservations", b'{"id":"none"}')
        pages = list(set_up.client().walk(Resource.RESERVATIONS))
        records = {record.id: record for page in pages for record in page.records}
        assert len(records) == 21
        assert records[None].exact == b'{"id":"none"}'
        assert records[odd].reason == "lone surrogate"


def test_a_walk_may_be_left_in_the_middle() -> None:
    """What was fetched ahead is forgotten."""
    with stage(listings=400, reservations=1) as set_up:
        walk = set_up.client().walk(Resource.LISTINGS)
        next(walk)
        walk.close()  # type: ignore[attr-defined]
        assert set_up.calls("GET /listings") <= 5


def test_pages_ahead_are_not_asked_for_twice() -> None:
    """A quiet list takes as many requests as it has pages."""
    with stage(listings=400, reservations=1, switches=Switches(max_limit=20)) as set_up:
        pages = list(set_up.client().walk(Resource.LISTINGS))
        assert len(ids_of(pages)) == 400
        assert set_up.calls("GET /listings") == 1 + -(-380 // 17)


IRRELEVANT = {"sent_status", "invalid_write", "webhook_ports", "delivery_nesting", "token_counts"}
RELEVANT = sorted(set(Switches.choices()) - IRRELEVANT)
SWITCHES = st.fixed_dictionaries({name: st.sampled_from(Switches.choices()[name]) for name in RELEVANT})
HAPPENINGS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["touch", "delete", "create", "message", "touch cursor", "delete cursor"]),
            st.integers(0, 10**6),
        ),
        max_size=2,
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(switches=SWITCHES)
def test_a_quiet_account_is_read_whole_under_every_switch(switches: dict[str, Any]) -> None:
    """All rows, no doubt, whatever is not known of Hostaway."""
    with stage(reservations=230, listings=70, switches=Switches(**switches)) as set_up:
        client = set_up.client()
        for resource in LISTED:
            pages = list(client.walk(resource))
            assert ids_of(pages) == truth(set_up.sandbox, resource)
            assert pages[-1].doubt is None
        thread = min(truth(set_up.sandbox, Resource.CONVERSATIONS))
        pages = list(client.walk(Resource.MESSAGES, parent=thread))
        expected = {
            row for row, message in set_up.sandbox.world.truth("messages") if message["conversationId"] == thread
        }
        assert ids_of(pages) == expected
        assert pages[-1].doubt is None


@settings(max_examples=400, deadline=None)
@given(switches=SWITCHES, happenings=HAPPENINGS, resource=st.sampled_from(LISTED))
def test_a_busy_account_is_read_whole_or_in_doubt_under_every_switch(
    switches: dict[str, Any], happenings: list[list[tuple[str, int]]], resource: Resource
) -> None:
    """Every row that nobody touched comes, or the last page says that some may be missing."""
    with stage(reservations=120, listings=70, switches=Switches(**{**switches, "max_limit": 20})) as set_up:
        world = set_up.sandbox.world
        client = set_up.client(in_flight=1)
        client.check()
        expected = truth(set_up.sandbox, resource)
        touched: set[int] = set()
        script = iter(happenings)

        def change(request: Request) -> None:
            for kind, number in next(script, []):
                happen(world, kind, number, touched, request.number("afterId"))

        set_up.sandbox.on_request(change)
        pages = list(client.walk(resource))
        assert pages[-1].doubt is not None or expected - touched <= ids_of(pages)


def happen(world: World, kind: str, number: int, touched: set[int], cursor: int | None) -> None:
    """Let one thing happen to a row chosen by number, or to the cursor's, and write down which rows it touches."""
    reservations = sorted(dict(world.truth("reservations")))
    chosen = reservations[number % len(reservations)]
    if kind.endswith("cursor") and cursor in reservations:
        chosen = cursor
    if kind == "create":
        world.create_reservation()
        return
    threads = world.conversations_of(chosen)
    touched |= {chosen, *threads}
    if kind.startswith("touch"):
        world.touch([chosen])
    elif kind.startswith("delete"):
        world.delete_reservation(chosen)
    elif threads:
        world.host_reply(threads[0])


CURSORS = [("touch", {"moved_cursor": value}) for value in Switches.choices()["moved_cursor"]]
CURSORS += [("delete", {"deleted_cursor": value}) for value in Switches.choices()["deleted_cursor"]]


@pytest.mark.parametrize(("kind", "switches"), CURSORS, ids=str)
def test_a_cursor_row_that_moves_or_vanishes_costs_a_step_back(kind: str, switches: dict[str, Any]) -> None:
    """However Hostaway answers then, the walk goes on where it was and is whole."""
    with stage(switches=Switches(**switches)) as set_up:
        world = set_up.sandbox.world
        expected = truth(set_up.sandbox, Resource.RESERVATIONS)

        def change(request: Request) -> None:
            cursor = request.number("afterId")
            if set_up.calls("GET /reservations") == 2 and cursor is not None:
                happen(world, f"{kind} cursor", 0, set(), cursor)

        set_up.sandbox.on_request(change)
        pages = list(set_up.client().walk(Resource.RESERVATIONS))
        assert pages[-1].doubt is None
        assert ids_of(pages) == expected
        assert pages[-1].total == len(expected) - (kind == "delete")
        assert set_up.calls("GET /reservations") <= 5 + 2
