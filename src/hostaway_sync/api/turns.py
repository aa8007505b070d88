"""Turns: how many requests of one caller are worked on at once, so that slow ones leave the others room."""

from __future__ import annotations

import asyncio
from typing import Final
from weakref import WeakValueDictionary

MOST_AT_ONCE: Final = 4
"""Half of the connections that the API has: a caller whose questions are slow keeps no other from an answer."""


class Turns:
    """Gives each caller so many turns; a request beyond them waits for one without a thread or a connection.

    For use in one event loop.
    """

    def __init__(self) -> None:
        self._of_callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, identity: str) -> asyncio.Semaphore:
        """Return the turns of a caller, which are forgotten when no request of it is left."""
        turns = self._of_callers.get(identity)
        if turns is None:
            turns = self._of_callers[identity] = asyncio.Semaphore(MOST_AT_ONCE)
        return turns
