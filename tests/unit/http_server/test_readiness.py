from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.http_server import readiness
from hostaway_sync.http_server.readiness import Readiness, ReadinessCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def failed(trouble: str) -> Readiness:
    """Return that the database is away."""
    return Readiness(has_database=False, has_schema=False, trouble=trouble)


def check(run: Callable[[], Readiness], pool: ThreadPoolExecutor, timeout_s: float) -> ReadinessCheck[Readiness]:
    """Return a check of a part that is called `api`."""
    prefix, late = "api: not ready", "the database did not answer"
    return ReadinessCheck(run, failed, pool, timeout_s=timeout_s, timeout_trouble=late, log_prefix=prefix)


def test_trouble_is_logged_once_with_the_name_of_the_part(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A probe comes every few seconds, and the second line would say nothing new."""
    monkeypatch.setattr(readiness, "CACHED_FOR_S", -1)

    def refuse() -> Readiness:
        raise StoreUnavailable("the database is away")

    async def ask_twice(pool: ThreadPoolExecutor) -> list[Readiness]:
        checked = check(refuse, pool, 30)
        return [await checked.readiness() for _ in range(2)]

    with ThreadPoolExecutor(1) as pool:
        found = asyncio.run(ask_twice(pool))
    assert {(one.is_ready, one.trouble) for one in found} == {(False, "the database is away")}
    assert caplog.messages == ["api: not ready: the database is away"]


def test_late_check_goes_on_and_no_other_one_begins(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that hangs would else fill every thread of the part with checks."""
    monkeypatch.setattr(readiness, "CACHED_FOR_S", -1)
    release, begun = threading.Event(), []

    def wait() -> Readiness:
        begun.append(1)
        release.wait(30)
        return Readiness(has_database=True, has_schema=True)

    async def ask(pool: ThreadPoolExecutor) -> list[Readiness]:
        checked = check(wait, pool, 0.01)
        late = [await checked.readiness() for _ in range(2)]
        release.set()
        while not (last := await checked.readiness()).is_ready:
            pass
        return [*late, last]

    with ThreadPoolExecutor(2) as pool:
        found = asyncio.run(ask(pool))
    assert [one.is_ready for one in found] == [False, False, True]
    assert len(begun) == 1
    assert caplog.messages == ["api: not ready: the database did not answer within 0.01 seconds"]
