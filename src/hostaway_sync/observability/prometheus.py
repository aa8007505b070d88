"""Numbers in Prometheus' text format: for whoever scrapes, and as a file for node_exporter's textfile collector."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from hostaway_sync.environment.file_locks import lock_open_file
from hostaway_sync.environment.trusted_files import open_plain
from hostaway_sync.errors import UntrustedFile
from hostaway_sync.observability import metric_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hostaway_sync.observability.meter import Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
TEXTFILE_NAME: Final = "hostaway_sync.prom"
# Seconds to wait for another command that writes.
LOCK_TIMEOUT_S: Final = 10.0
_READABLE_BY_ALL: Final = 0o644
_LONGEST: Final = 64 * 1024 * 1024
_Numbers: TypeAlias = "dict[tuple[str, tuple[tuple[str, str], ...]], float]"


def render_metrics(samples: Iterable[Sample]) -> bytes:
    """Give the text of these numbers."""
    return _rendered(_numbers(samples))


def write_textfile(directory: Path, measured: Iterable[Sample], stored: Iterable[Sample]) -> None:
    """Put the numbers into the directory, where node_exporter reads either the old file or the whole new one.

    There is one file for all commands, because node_exporter refuses a series that stands in two. What is measured is
    added to what the file says already: a run is over before anybody asks, and counters must not begin anew with each.
    Two that write at the same time take turns.

    Raises:
        OSError: that could not be done; the file is as it was.
        ConfigurationError: another process keeps the directory locked, which every user may do who can read it.
    """
    path = directory / TEXTFILE_NAME
    with _alone(directory):
        numbers = _numbers(measured)
        for key, value in _counted_before(path).items():
            numbers[key] = numbers.get(key, 0.0) + value
        content = _rendered(numbers | _numbers(stored))
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=f".{TEXTFILE_NAME}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), _READABLE_BY_ALL)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock_open_file(descriptor, directory, LOCK_TIMEOUT_S)
        yield
    finally:
        os.close(descriptor)


def _numbers(samples: Iterable[Sample]) -> _Numbers:
    numbers: _Numbers = {}
    for sample in samples:
        labels = tuple(zip(sample.metric.labels, sample.values, strict=True))
        bound = () if sample.up_to is None else (("le", _bound(sample.up_to)),)
        numbers[sample.metric.name + sample.suffix, labels + bound] = sample.value
    return numbers


def _rendered(numbers: _Numbers) -> bytes:
    return generate_latest(_Collected(numbers))


class _Collected:
    def __init__(self, numbers: _Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Family]:
        for metric in metric_catalog.ALL:
            family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
            series = _series(metric)
            for (name, labels), value in self._numbers.items():
                if name in series:
                    family.add_sample(name, dict(labels), value)
            if family.samples:
                yield family


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else str(seconds)


def _series(metric: metric_catalog.Metric) -> set[str]:
    """Give the names under which a metric is exposed."""
    is_histogram = metric.kind is metric_catalog.MetricKind.HISTOGRAM
    return {metric.name + suffix for suffix in (("_bucket", "_sum", "_count") if is_histogram else ("",))}


def _counted_before(path: Path) -> _Numbers:
    """Read what was measured before; a file that cannot be understood counts for nothing, like one that is gone."""
    found: _Numbers = {}
    with suppress(OSError, ValueError, UntrustedFile):
        measured = {name: metric for metric in metric_catalog.ALL if not metric.is_stored for name in _series(metric)}
        # Others may write into the directory, too, and a link or a pipe there leads anywhere.
        with os.fdopen(open_plain(path), encoding="utf-8") as file:
            text = file.read(_LONGEST)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                metric = measured.get(sample.name)
                if metric is not None and (labels := _labels(metric, sample.labels)) is not None:
                    found[sample.name, labels] = sample.value
    return found


def _labels(metric: metric_catalog.Metric, written: dict[str, str]) -> tuple[tuple[str, str], ...] | None:
    """Give labels in their order; None when an older version wrote others."""
    bounds = {_bound(bound) for bound in (*metric.buckets, float("inf"))}
    if "le" in written and written["le"] not in bounds:
        return None
    names = (*metric.labels, "le") if "le" in written else metric.labels
    return tuple((name, written[name]) for name in names) if set(names) == set(written) else None
