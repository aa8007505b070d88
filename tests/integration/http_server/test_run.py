"""What every part of the program that serves HTTP has: its name in log lines, limits, and ids of requests."""

from __future__ import annotations

import logging
import resource
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from tests.support.deliveries import eventually
from tests.support.servers.http_server import head, read_answer, running_server

from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.http_server.request_id import assign_request_ids
from hostaway_sync.observability.log_context import current_log_context

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

API = ServerConfig("api", most_connections=3)


async def _read_ids(request: Request) -> Response:
    """Answer with the ids of the request, as the application and a log line have them."""
    ids = {name: str(request.scope[name]) for name in ("request_id", "own_id")}
    return JSONResponse(ids | {"logged": current_log_context()["request_id"]})


async def _read_body(request: Request) -> Response:
    """Answer with the length of the body."""
    return PlainTextResponse(str(len(await request.body())))


APP = assign_request_ids(Starlette(routes=[Route("/ids", _read_ids), Route("/body", _read_body, methods=["POST"])]))


def test_request_id_of_a_caller_is_kept_if_well_formed() -> None:
    """At most 128 letters, digits, dots, lines; else a new one: answer, application and log lines have the same."""
    kept = ["a", "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11", "Root_1.2-3", "x" * 128]
    replaced = ["x" * 129, "", "a b", "a=b", "a,b", "<script>", "\xe9"]
    with running_server(APP, API) as server:
        answers = {given: server.get("/ids", X_Request_ID=given) for given in kept + replaced}
        twice = server.exchange(head("GET", "/ids", X_Request_ID="a", X_Request_Id="b"))
        missing = server.get("/ids")
    for given in kept:
        found = answers[given].document
        assert answers[given].headers["x-request-id"] == found["request_id"] == found["logged"] == given
        assert found["own_id"] != given
        assert UUID(found["own_id"])
    for answer in [*(answers[given] for given in replaced), twice, missing]:
        found = answer.document
        assert answer.headers["x-request-id"] == found["request_id"] == found["logged"] == found["own_id"]
        assert UUID(found["own_id"])


def test_log_lines_begin_with_the_name_of_the_part(caplog: pytest.LogCaptureFixture) -> None:
    """Both a receiver and an API may write to one journal; what a caller causes has no traceback."""
    caplog.set_level(logging.INFO)
    with running_server(APP, API) as server:
        with server.connect() as torn:
            torn.sendall(head("POST", "/body", Content_Length="9") + b"half")
        eventually(lambda: "ClientDisconnect" in caplog.text, "the torn request is logged")
        idle = [server.connect() for _ in range(2)]
        assert server.get("/ids").status == 200
        assert idle[0].recv(1) == b""
        idle[1].sendall(head("GET", "/ids"))
        assert read_answer(idle[1]).status == 200
        for connection in idle:
            connection.close()
    assert caplog.messages == [
        f"api: listening on 127.0.0.1 port {server.address[1]}",
        "api: a request was incomplete or not HTTP: ClientDisconnect",
        "api: 3 connections are open: the longest idle one is closed",
    ]
    assert "Traceback" not in caplog.text


def test_process_may_open_a_file_for_every_connection() -> None:
    """A part that keeps many connections open raises the limit of files, where the system allows it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 4096:
        pytest.skip("this system does not allow so many open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        for most, files in ((256, 1024), (1000, 3100)):
            with running_server(APP, ServerConfig("api", most_connections=most)) as server:
                assert server.get("/ids").status == 200
                assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == files
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
