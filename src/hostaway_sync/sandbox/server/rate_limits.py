"""Hostaway's rate limits as true sliding windows, and a record of how close clients came (API notes, 3)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Profile = Literal["off", "old", "new"]
SENDS: Final = "POST /conversations/{id}/messages"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in any `seconds`; None: as many as come."""

    requests: int | None
    seconds: float = 10.0


PROFILES: Final[dict[Profile, dict[str, Limit]]] = {
    "off": {"ip": Limit(None), "account": Limit(None), "endpoint": Limit(None, 60.0)},
    "old": {"ip": Limit(15), "account": Limit(20), "endpoint": Limit(30, 60.0)},
    "new": {"ip": Limit(200), "account": Limit(200), "endpoint": Limit(30, 60.0)},
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request got 429: the limit (`ip`, `account`, `endpoint`), its size, and when it has room again."""

    applied: str
    limit: int
    retry_at: int


class SlidingWindows:
    """Grants requests by key (`ip:127.0.0.1`, `account:70001`, `endpoint:70001`); a refused one uses up nothing.

    A window is half open: a request is forgotten exactly `seconds` after it came.
    """

    def __init__(self, limits: dict[str, Limit]) -> None:
        self._limits = dict(limits)
        self._lock = Lock()
        self._granted: dict[str, deque[float]] = {}
        self._seen: dict[str, deque[float]] = {}
        self._most: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Number of 429 by key."""

    def admit(self, keys: Iterable[str], now: float) -> Refusal | None:
        """Count one request against every key at once; None when all have room, `now` in Unix seconds."""
        keys = tuple(keys)
        with self._lock:
            for key in keys:
                self._see(key, now)
            for key in keys:
                limit = self._limit(key)
                granted = self._recent(self._granted, key, now)
                if limit.requests is not None and len(granted) >= limit.requests:
                    self.refused[key] += 1
                    free_at = granted[-limit.requests] + limit.seconds
                    return Refusal(key.partition(":")[0], limit.requests, ceil(free_at))
            for key in keys:
                self._granted[key].append(now)
            return None

    def max_in_window(self, key: str) -> int:
        """Return the largest number of requests with this key in any window, refused ones included."""
        with self._lock:
            return self._most[key]

    def forget(self) -> None:
        """Forget all requests that were granted, seen or refused."""
        with self._lock:
            for record in (self._granted, self._seen, self._most, self.refused):
                record.clear()

    def _limit(self, key: str) -> Limit:
        return self._limits[key.partition(":")[0]]

    def _see(self, key: str, now: float) -> None:
        seen = self._recent(self._seen, key, now)
        seen.append(now)
        self._most[key] = max(self._most[key], len(seen))

    def _recent(self, record: dict[str, deque[float]], key: str, now: float) -> deque[float]:
        recent = record.setdefault(key, deque())
        while recent and recent[0] <= now - self._limit(key).seconds:
            recent.popleft()
        return recent
