"""What a log line is about, whoever writes it: run, account, resource, request, job.

    with circumstances(account_id=70001):
        add(run_id=…)                        from here on, for everything in the block
        pool.submit(carried(work), …)        in another thread, too

Standard library only: what structlog has for this takes a tenth of a second to import, and most runs write no line.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

P = ParamSpec("P")
T = TypeVar("T")

_innermost: ContextVar[dict[str, object] | None] = ContextVar("hostaway_sync_circumstances", default=None)


@contextmanager
def log_context(**facts: object) -> Iterator[None]:
    """Let every line say these as well while the block runs."""
    token = _innermost.set({**current_log_context(), **facts})
    try:
        yield
    finally:
        _innermost.reset(token)


def add_log_context(**facts: object) -> None:
    """Let every line of the innermost block say these as well, also those of threads that carry it."""
    innermost = _innermost.get()
    if innermost is not None:
        innermost.update(facts)


def current_log_context() -> Mapping[str, object]:
    """Give what a line of now is about."""
    return _innermost.get() or {}


def in_current_context(work: Callable[P, T]) -> Callable[P, T]:
    """Give the same work, to be called once, in today's circumstances whichever thread calls it."""
    return partial(copy_context().run, work)
