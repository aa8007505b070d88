"""A barrier that holds back one request while the test does something else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PATIENCE = 30


class Watched(Protocol):
    """A sandbox, or anything else whose requests have a `route`."""

    def on_request(self, look: Callable[[Any], None], /) -> object:
        """Call `look` before each request is answered."""

    def after_request(self, look: Callable[[Any, Any], None], /) -> object:
        """Call `look` when the answer of a request is computed."""


class Barrier:
    """Holds back the n-th request of a route until the end of the block, and tells when it came.

    With `answered` the answer is computed first, so that it is outdated when it arrives.
    """

    def __init__(self, sandbox: Watched, route: str, number: int = 1, *, answered: bool = False) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._route = route
        self._left = number
        self._lock = threading.Lock()
        if answered:
            sandbox.after_request(self._hold_answer)
        else:
            sandbox.on_request(self._hold)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open.set()

    def wait(self) -> None:
        """Wait until the request is held."""
        assert self.reached.wait(PATIENCE)

    def _hold_answer(self, request: Any, reply: Any) -> None:
        del reply
        self._hold(request)

    def _hold(self, request: Any) -> None:
        if request.route != self._route:
            return
        with self._lock:
            self._left -= 1
            is_it = self._left == 0
        if is_it:
            self.reached.set()
            self.open.wait(PATIENCE)
