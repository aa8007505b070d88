"""Counters and histograms of one process. They are cheap enough to be always on."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING

from hostaway_sync.observability import metric_catalog

if TYPE_CHECKING:
    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.observability.metric_catalog import Metric


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a metric.

    Attributes:
        metric: the metric.
        values: the values of its labels, in their order.
        value: the number.
        suffix: the series of a histogram: `_bucket`, `_sum` or `_count`.
        up_to: the upper bound of a bucket.
    """

    metric: Metric
    values: tuple[str, ...]
    value: float
    suffix: str = ""
    up_to: float | None = None


class Meter:
    """Collects the counters and histograms of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._buckets: dict[tuple[Metric, tuple[str, ...]], list[int]] = {}

    def count(self, metric: Metric, *values: str, amount: float = 1.0) -> None:
        """Add `amount` to a counter; 0 creates the counter."""
        with self._lock:
            self._sums[metric, values] = self._sums.get((metric, values), 0.0) + amount

    def observe(self, metric: Metric, *values: str, seconds: float) -> None:
        """Add a duration to a histogram."""
        key = metric, values
        with self._lock:
            buckets = self._buckets.setdefault(key, [0] * (len(metric.buckets) + 1))
            buckets[bisect_left(metric.buckets, seconds)] += 1
            self._sums[key] = self._sums.get(key, 0.0) + seconds

    def samples(self, *, reset: bool = False) -> list[Sample]:
        """Return all numbers; with `reset`, start again from zero."""
        with self._lock:
            sums = dict(self._sums)
            buckets = {key: list(counts) for key, counts in self._buckets.items()}
            if reset:
                self._sums.clear()
                self._buckets.clear()
        found: list[Sample] = []
        for (metric, values), total in sums.items():
            counts = buckets.get((metric, values))
            if counts is None:
                found.append(Sample(metric, values, total))
                continue
            bounds = (*metric.buckets, float("inf"))
            found += [
                Sample(metric, values, count, "_bucket", bound)
                for bound, count in zip(bounds, accumulate(counts), strict=True)
            ]
            found += [Sample(metric, values, sum(counts), "_count"), Sample(metric, values, total, "_sum")]
        return found


def measure_request(meter: Meter, call: ApiCall) -> None:
    """Count a finished API request, and measure its duration and its wait for the budget."""
    status = "none" if call.status is None else str(call.status)
    meter.count(metric_catalog.API_REQUESTS, call.method, call.route, status)
    meter.count(metric_catalog.API_WAIT, amount=call.waited_s)
    meter.observe(metric_catalog.API_SECONDS, call.method, call.route, seconds=call.duration_s)
