from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.api import guards
from hostaway_sync.observability.meter import Meter

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send


@pytest.mark.parametrize(
    ("pieces", "reads", "status"),
    [
        ([b""], 0, 504),  # a GET whose question takes too long
        ([b"{", b"}"], 2, 504),
        ([b"{", b"}"], 1, 504),  # what the row of the path takes, before the body is read
        ([b"{"], 2, 408),
    ],
)
def test_overtime_names_whoever_was_too_slow(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], reads: int, status: int
) -> None:
    """A client whose request is there did nothing wrong, and must not be told that it did."""
    monkeypatch.setattr(guards, "LONGEST_ANSWER_S", 0.05)
    given = iter(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        for piece in given:
            return {"type": "http.request", "body": piece, "more_body": piece not in (b"", b"}")}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    async def never_answer(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        for _ in range(reads):
            await receive()
        await asyncio.Event().wait()

    scope: dict[str, Any] = {"type": "http", "path": "/", "method": "GET", "request_id": "x"}
    asyncio.run(guards.Guards(never_answer, Meter())(scope, receive, send))
    assert sent[0]["status"] == status
