"""The fields that every log line and span of a block has: run, account, resource, request, job.

    with log_context(account_id=70001):
        add_log_context(run_id=…)                  for all further lines of the block
        pool.submit(in_current_context(work), …)   in another thread, too

Standard library only: structlog's own module takes a tenth of a second to import, and most runs write no line.
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

_innermost: ContextVar[dict[str, object] | None] = ContextVar("hostaway_sync_log_context", default=None)


@contextmanager
def log_context(**facts: object) -> Iterator[None]:
    """Add fields to every log line of the block."""
    token = _innermost.set({**current_log_context(), **facts})
    try:
        yield
    finally:
        _innermost.reset(token)


def add_log_context(**facts: object) -> None:
    """Add fields to all further log lines of the innermost block, also in threads that run in its context."""
    innermost = _innermost.get()
    if innermost is not None:
        innermost.update(facts)


def current_log_context() -> Mapping[str, object]:
    """Return the fields of the current context."""
    return _innermost.get() or {}


def in_current_context(work: Callable[P, T]) -> Callable[P, T]:
    """Return a callable that runs `work` in a copy of the current context, in any thread; call it only once."""
    return partial(copy_context().run, work)
