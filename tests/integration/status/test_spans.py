from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route
from tests.support import sql
from tests.support.api_rows import fill_accounts
from tests.support.deliveries import ONE_RETRY, QUICK, deliver
from tests.support.servers.api import running_api
from tests.support.servers.http_server import running_server
from tests.support.servers.otlp_collector import OtlpCollector
from tests.support.servers.receiver import event, login_of, path_of, renew, running_receiver
from tests.support.servers.recording_server import serving

from hostaway_sync.errors import ConfigurationError, SourceUnavailable
from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.http_server.request_id import assign_request_ids
from hostaway_sync.http_server.request_span import trace_requests
from hostaway_sync.model.callers import Access
from hostaway_sync.model.records import OBJECTS, Resource
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.observability.log_redaction import hide_private
from hostaway_sync.observability.tracing import current_span, start_span, stop_tracing, switch
from hostaway_sync.observability.tracing.setup import start_tracing
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from tests.support.servers.otlp_collector import ReceivedSpan
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

PATIENCE = 30.0
# No test waits so long: an end that waited for it would never come.
AN_HOUR = 3600.0
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def switched_on(monkeypatch: pytest.MonkeyPatch, url: str, *, within: float = PATIENCE) -> Iterator[None]:
    """Record spans during the block, and export them at its end."""
    monkeypatch.setenv(ENDPOINT, url)
    start_tracing(os.environ, hide_private)
    try:
        yield
    finally:
        stop_tracing(within)


@pytest.fixture(autouse=True)
def no_exporting_threads() -> Iterator[None]:
    """Wait for threads that still try to reach a collector: their warnings would appear in another test."""
    yield
    for thread in threading.enumerate():
        if thread.name in {"spans", "OtelBatchSpanRecordProcessor"}:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    """Return a collector that listens."""
    with serving(OtlpCollector()) as opened:
        yield opened


def requests_of(env: SyncEnv) -> Counter[str]:
    """Return how many requests the sandbox received, by method and route."""
    return Counter({route: number for route, number in env.sandbox.calls.items() if number})


def private_words(env: SyncEnv) -> set[str]:
    """Return names, texts, mail addresses and telephone numbers of all guests in the sandbox."""
    found: set[str] = set()

    def look(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, one in value.items():
                look(one, key)
        elif isinstance(value, list):
            for one in value:
                look(one, name)
        elif (
            isinstance(value, str)
            and len(value) > 3
            and ("guest" in name or name in {"body", "phone", "recipientName"})
        ):
            found.add(value)

    for resource in OBJECTS:
        look(list(env.truth(resource).values()), "")
    return found


def require_discreet(collector: OtlpCollector, *secrets: str, words: set[str]) -> None:
    """Fail if any sent byte holds a secret or a private word, or a span has an event such as a traceback."""
    sent = b"".join(post.body for post in collector.posts).decode("utf-8", errors="replace")
    assert words
    assert [
        word for word in {*words, *secrets, "sandbox-secret", "eyJ", "SELECT", "Traceback", "limit="} if word in sent
    ] == []
    assert not any(one.own.events for one in collector.spans)


def rows(one: ReceivedSpan) -> dict[str, int]:
    """Return the row counts of a span by change."""
    return {name.removeprefix("rows_"): fact for name, fact in one.facts.items() if name.startswith("rows_") and fact}


def test_sync_is_a_tree_of_spans(sync_env: Build, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has resources, these have pages and writes, and a page has its requests, whichever threads did it."""
    env = sync_env(reservations=9, listings=2)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mirror of ours")
    with switched_on(monkeypatch, collector.url):
        report = env.mirror().sync.run(70001)
    (run,) = collector.roots()
    ((run_id,),) = sql.rows(env.database, "SELECT run_id FROM sync_runs")
    assert (run.name, run.kind, run.failure) == ("run", "internal", None)
    assert (run.service["service.name"], run.service["service.version"]) == ("mirror of ours", "0.1.0")
    assert run.facts.items() >= {"account_id": 70001, "mode": "full", "state": "success", "run_id": str(run_id)}.items()
    assert run.facts["api_calls"] == report.api_calls
    assert {one.own.trace_id for one in collector.spans} == {run.own.trace_id}
    parts = {one.facts["resource"]: one for one in collector.below(run) if one.name.startswith("resource ")}
    assert set(parts) == set(OBJECTS)
    for name, part in parts.items():
        assert part.name == f"resource {name}"
        assert part.facts["run_id"] == str(run_id)
        counts = report.resources[Resource(name)].counts
        assert rows(part) == {"seen": counts.seen, "inserted": counts.inserted}
        below = Counter(one.name for one in collector.below(part))
        assert set(below) == {f"page {name}", f"write {name}"}
        written = [one for one in collector.below(part) if one.name == f"write {name}"]
        assert sum(one.facts.get("rows_inserted", 0) for one in written) == counts.inserted
    pages = {one.place for one in collector.spans if one.name.startswith("page ")}
    sent = [one for one in collector.spans if one.kind == "client"]
    # The run itself checks the webhook.
    assert {one.name for one in sent if (one.own.trace_id, one.own.parent_span_id) not in pages} <= {
        "GET /webhooks/unifiedWebhooks"
    }
    assert Counter(one.name for one in sent) == requests_of(env)
    for one in sent:
        assert one.facts["http.request.method"] in {"GET", "POST"}
        assert one.name == f"{one.facts['http.request.method']} {one.facts['url.template']}"
        assert one.facts["http.response.status_code"] == 200
        assert env.sandbox.url.startswith(f"http://{one.facts['server.address']}:{one.facts['server.port']}/")
        assert one.own.end_time_unix_nano >= one.own.start_time_unix_nano
    require_discreet(collector, words=private_words(env))


def test_delivery_and_its_job_are_linked(
    sync_env: Build, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver's span is a trace of its own; the job that reads the object has a link to it."""
    env = sync_env(reservations=3, listings=1)
    mirror = env.mirror()
    number = min(env.truth("reservations"))
    with switched_on(monkeypatch, collector.url):
        with running_receiver(env.database, container=mirror._container) as receiver:  # noqa: SLF001  (as `serve-webhooks` has it)
            credentials = renew(env.database)
            body = event(id=number, guestName="Wilhelmina Placeholder")
            assert receiver.deliver(credentials, body).status == 200
            assert receiver.deliver(credentials, event("called from +49 170 1234567")).status == 200
            assert receiver.post(path_of(credentials), b"{}", login="Basic wrong").status == 401
        with mirror.jobs.start_worker(drain=True, timings=QUICK) as worker:
            worker.wait()
    ((delivery_id,),) = sql.rows(env.database, "SELECT id FROM webhook_log WHERE status = 'processed'")
    stored, strange, refused = collector.named("POST /webhooks/hostaway/{account_id}/{path_secret}")
    assert stored.kind == "server"
    assert (
        stored.facts.items()
        >= {
            "account_id": 70001,
            "delivery_id": str(delivery_id),
            "event": "reservation.updated",
            "outcome": "stored",
            "http.request.method": "POST",
            "http.route": "/webhooks/hostaway/{account_id}/{path_secret}",
            "http.response.status_code": 200,
        }.items()
    )
    # The sender names the event: a text that is no name of an event is left out.
    assert (strange.facts["outcome"], strange.facts["event"]) == ("ignored", "")
    assert [one.name for one in collector.below(stored)] == ["write delivery"]
    assert (refused.facts["outcome"], refused.facts["http.response.status_code"], refused.failure) == (
        "refused",
        401,
        None,
    )
    (job,) = collector.named("job refresh")
    assert (job.kind, job.facts["attempt"], job.failure) == ("consumer", 1, None)
    assert job.facts["job"] == f"refresh:70001:reservations:{number}"
    assert job.facts["delivery_ids"] == [str(delivery_id)]
    assert [(link.trace_id, link.span_id) for link in job.own.links] == [stored.place]
    assert {"page reservations", "write reservations"} <= {one.name for one in collector.below(job)}
    read = next(one for one in collector.below(job) if one.name == "page reservations")
    assert [one.name for one in collector.below(read)] == ["GET /reservations/{id}"]
    secrets = (credentials.path_secret.get_secret_value(), login_of(credentials).split()[1], "Wilhelmina")
    require_discreet(collector, *secrets, "1234567", words=private_words(env))


def test_request_span_has_the_route_and_the_status(collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of an answer that an exception makes; the path itself, with whatever it holds, is nowhere."""

    async def answer(request: Request) -> Response:
        if request.path_params["id"] != "a-secret":
            raise HTTPException(404)
        return Response("found")

    route = Route("/things/{id}", answer, middleware=[Middleware(trace_requests, "/things/{id}")])
    app = assign_request_ids(Starlette(routes=[route]))
    with switched_on(monkeypatch, collector.url), running_server(app, ServerConfig("api")) as server:
        answers = [server.get(path) for path in ("/things/a-secret", "/things/another-secret")]
    found, missing = collector.named("GET /things/{id}")
    assert [answer.status for answer in answers] == [200, 404]
    assert [span.facts["http.response.status_code"] for span in (found, missing)] == [200, 404]
    for span, answer_ in zip((found, missing), answers, strict=True):
        assert (span.kind, span.failure, span.facts["http.route"]) == ("server", None, "/things/{id}")
        assert span.facts["request_id"] == answer_.headers["x-request-id"]
    require_discreet(collector, words={"a-secret", "another-secret"})


def test_requests_to_the_api_are_spans_with_their_routes(
    sync_env: Build, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused ones, too; no id and no key is in them."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1)
    with switched_on(monkeypatch, collector.url), running_api(env.mirror()) as api:
        key = api.issue_key("desk", Access.everything())
        with api.client(key) as client, api.client(None) as stranger:
            answers = [one.get("/api/v1/reservations/7654321") for one in (client, stranger)]
    assert [answer.status_code for answer in answers] == [404, 401]
    spans = collector.named("GET /api/v1/reservations/{reservation_id}")
    assert [span.facts["http.response.status_code"] for span in spans] == [404, 401]
    require_discreet(collector, key, words={"7654321"})


def test_failed_spans_tell_what_failed_and_why(
    sync_env: Build, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests have their status, the page has class and sentence, resource and run say that they were not whole."""
    env = sync_env(accounts=[AccountSpec(70001, reservations=2, listings=1)])
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    env.sandbox.faults.add(faults.torn_connection(), route="GET /listings", times=1)
    with switched_on(monkeypatch, collector.url):
        report = env.mirror(retry_attempts=2).sync.run(70001)
        with start_span("run"):
            current_span().record_error(SourceUnavailable("guest@example.org is away"))
        with pytest.raises(ZeroDivisionError), start_span("run"):
            raise ZeroDivisionError("a guest of ours")
    run, said, unexpected = collector.named("run")
    assert report.error is not None
    assert (run.facts["state"], run.failure, run.facts["error.type"]) == ("partial", report.error, "RunIncomplete")
    (part,) = collector.named("resource reservations")
    (page,) = collector.named("page reservations")
    assert part.failure == page.failure == report.resources[Resource.RESERVATIONS].error
    assert page.facts["error.type"] == part.facts["error.type"] == "SourceUnavailable"
    tries = collector.below(page)
    assert [one.facts["http.response.status_code"] for one in tries] == [502, 502]
    assert [one.facts.get("http.request.resend_count") for one in tries] == [None, 1]
    assert all(one.facts["error.type"] == "502" and one.failure == "" for one in tries)
    torn = collector.named("GET /listings")[0]
    assert (torn.failure, torn.facts["error.type"]) == ("no whole answer", "RemoteProtocolError")
    assert "http.response.status_code" not in torn.facts
    assert (unexpected.failure, unexpected.facts["error.type"]) == ("unexpected ZeroDivisionError", "ZeroDivisionError")
    assert said.failure == "[hidden] is away"
    require_discreet(collector, "a guest of ours", "guest@example.org", words=private_words(env))


def test_each_attempt_of_a_job_has_a_span(
    sync_env: Build, collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why the attempt failed and what follows; a verification is a trace of its own."""
    env = sync_env(reservations=2, listings=1)
    mirror = env.mirror(retry_attempts=1)
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations/{id}", times=None)
    deliver(env.database, 70001, object_id=min(env.truth("reservations")))
    mirror.jobs.enqueue_syncs()
    with switched_on(monkeypatch, collector.url):
        with mirror.jobs.start_worker(drain=True, timings=QUICK, policy=ONE_RETRY) as worker:
            worker.wait()
        mirror.sync.verify(70001)
    first, last = collector.named("job refresh")
    assert [one.facts["attempt"] for one in (first, last)] == [1, 2]
    assert [one.facts["verdict"] for one in (first, last)] == ["retry", "dead"]
    assert first.failure == last.failure != ""
    assert first.facts["error.type"] == "SourceUnavailable"
    (sync,) = collector.named("job sync")
    assert [one.name for one in collector.below(sync) if one.kind == "internal"] == ["run"]
    (verify,) = collector.named("verify")
    assert {"page listings", "page reservations"} <= {one.name for one in collector.below(verify)}
    assert {one.name for one in collector.roots()} == {"job refresh", "job sync", "verify"}


@pytest.mark.parametrize("trouble", ["away", "slow", "broken", "busy"])
def test_failing_collector_costs_one_warning(
    sync_env: Build,
    collector: OtlpCollector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    """The run is whole, no error is raised, and its end waits for silence for a limited time, for refusals not."""
    env = sync_env(reservations=2, listings=1)
    within = 0.5 if trouble == "slow" else AN_HOUR
    if trouble == "slow":
        collector.release.clear()
    collector.status = {"broken": 500, "busy": 503}.get(trouble, 200)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    with switched_on(monkeypatch, "http://127.0.0.1:1" if trouble == "away" else collector.url, within=within):
        assert env.mirror().sync.run(70001).error is None
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    why = {
        "away": "it cannot be reached (ConnectionError)",
        "slow": "it does not answer in time",
        "broken": "it answered 500",
        "busy": "it answered 503",
    }
    assert warning.getMessage() == f"spans are lost: the collector at 127.0.0.1 does not take them: {why[trouble]}"
    assert warning.name.startswith("hostaway_sync")


def test_warnings_of_opentelemetry_are_repeated_without_values(
    collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A header may be a key of the collector; a valid one reaches it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=good,hunter-two-is-a-key")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "unknown")
    with switched_on(monkeypatch, collector.url), start_span("run"):
        pass
    assert [one.name for one in collector.spans] == ["run"]
    assert collector.posts[0].headers["x-key"] == "good"
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.getMessage().startswith("OpenTelemetry: ")
    assert "hunter" not in caplog.text


@pytest.mark.parametrize(
    ("environment", "warned"),
    [
        ({}, False),
        ({ENDPOINT: " "}, False),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "console"}, True),
        ({ENDPOINT: "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True),
    ],
)
def test_no_spans_are_sent_without_a_usable_endpoint(
    environment: dict[str, str],
    warned: bool,  # noqa: FBT001  (pytest gives it)
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without an endpoint, while disabled, or with an unknown protocol, which is worth a log line."""
    start_tracing(environment, hide_private)
    assert switch.tracer is None
    assert len(caplog.records) == warned
    assert not current_span().is_recording


@pytest.mark.parametrize("address", ["collector:4318", "127.0.0.1:4318", "grpc://collector", "http://", "http:///v1"])
def test_invalid_endpoint_is_named_without_its_value(address: str) -> None:
    """The sentence has the variable only."""
    with pytest.raises(ConfigurationError, match=f"{ENDPOINT} is no address") as refusal:
        start_tracing({ENDPOINT: address}, hide_private)
    assert address not in str(refusal.value).replace("write http://host:4318", "")


def test_refused_variable_gives_one_error_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the text of OpenTelemetry, and there is no traceback."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    with pytest.raises(ConfigurationError, match="refuses one of its variables: max_export_batch_size must"):
        start_tracing({ENDPOINT: "http://127.0.0.1:1"}, hide_private)
    assert switch.tracer is None


def test_attributes_after_the_end_are_ignored(
    collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry would warn of each attribute that is set after the end of a span."""
    with switched_on(monkeypatch, collector.url):
        with start_span("job refresh"):
            late = in_current_context(current_span)
        ended = late()
        ended.set_attributes(attempt=1)
        ended.record_error(SourceUnavailable("it is away"))
        ended.link_deliveries([uuid4()])
    (job,) = collector.spans
    assert (job.facts, job.failure, caplog.records) == ({}, None, [])
