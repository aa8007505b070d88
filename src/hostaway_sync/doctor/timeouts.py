"""Questions with a time limit: one that is not answered in time is abandoned, and ends with the process."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
S = TypeVar("S")
_AT_ONCE = 8


class Question(Generic[T]):
    """One question, asked in a thread of its own.

    Args:
        ask: returns the answer; may take any time.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answers: list[T] = []
        self._error: Exception | None = None
        # A daemon: a server that lets connections hang must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="question", daemon=True)
        self._thread.start()

    def wait_for_answer(self, until: float) -> T:
        """Return the answer, or raise its error; raise TimeoutError when there is none at `until`, by `monotonic`."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise TimeoutError
        return self._answers[0]

    def _run(self) -> None:
        try:
            self._answers.append(self._ask())
        except Exception as error:  # noqa: BLE001  (raised again where the answer is waited for)
            self._error = error


def ask_each(about: Iterable[S], ask: Callable[[S], T], *, until: float) -> list[T]:
    """Ask about many things, several at once; return the answers that came before `until`."""
    waiting: queue.SimpleQueue[S] = queue.SimpleQueue()
    answers: queue.SimpleQueue[T] = queue.SimpleQueue()
    for one in about:
        waiting.put(one)

    def work() -> None:
        while time.monotonic() < until:
            try:
                answers.put(ask(waiting.get_nowait()))
            except queue.Empty:
                return

    wanted = waiting.qsize()
    for _ in range(min(_AT_ONCE, wanted)):
        threading.Thread(target=work, name="question", daemon=True).start()
    found: list[T] = []
    while len(found) < wanted and (left := until - time.monotonic()) > 0:
        try:
            found.append(answers.get(timeout=left))
        except queue.Empty:
            break
    return found
