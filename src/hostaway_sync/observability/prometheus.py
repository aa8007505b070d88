"""Renders metrics in Prometheus' text format, for scraping and as a file of node_exporter's textfile collector."""

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
# Seconds to wait for another command that is writing the file.
LOCK_TIMEOUT_S: Final = 10.0
_READABLE_BY_ALL: Final = 0o644
_LONGEST: Final = 64 * 1024 * 1024
_Numbers: TypeAlias = "dict[tuple[str, tuple[tuple[str, str], ...]], float]"


def render_metrics(samples: Iterable[Sample]) -> bytes:
    """Return samples in Prometheus' text format."""
    return _render(_numbers(samples))


def write_textfile(directory: Path, measured: Iterable[Sample], stored: Iterable[Sample]) -> None:
    """Write samples to the textfile of a directory; node_exporter reads the old file or the new one, never a part.

    All commands share one file, because node_exporter refuses a series that is in two files. Measured samples are
    added to those in the file, so that counters do not restart with each run. Commands that write at the same time
    wait for each other.

    Raises:
        OSError: the file cannot be written; the old one is unchanged.
        ConfigurationError: another process keeps the directory locked; any user who can read it may do so.
    """
    path = directory / TEXTFILE_NAME
    with _locked(directory):
        numbers = _numbers(measured)
        for key, value in _read_measured(path).items():
            numbers[key] = numbers.get(key, 0.0) + value
        content = _render(numbers | _numbers(stored))
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
def _locked(directory: Path) -> Iterator[None]:
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


def _render(numbers: _Numbers) -> bytes:
    return generate_latest(_Collector(numbers))


class _Collector:
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
    """Return the names of the series of a metric."""
    is_histogram = metric.kind is metric_catalog.MetricKind.HISTOGRAM
    return {metric.name + suffix for suffix in (("_bucket", "_sum", "_count") if is_histogram else ("",))}


def _read_measured(path: Path) -> _Numbers:
    """Return the measured numbers of the textfile; a missing or unreadable file has none."""
    found: _Numbers = {}
    with suppress(OSError, ValueError, UntrustedFile):
        measured = {name: metric for metric in metric_catalog.ALL if not metric.is_stored for name in _series(metric)}
        # Other users may write into the directory, and could place a link or a pipe there.
        with os.fdopen(open_plain(path), encoding="utf-8") as file:
            text = file.read(_LONGEST)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                metric = measured.get(sample.name)
                if metric is not None and (labels := _labels(metric, sample.labels)) is not None:
                    found[sample.name, labels] = sample.value
    return found


def _labels(metric: metric_catalog.Metric, written: dict[str, str]) -> tuple[tuple[str, str], ...] | None:
    """Return labels in the metric's order, or None if an older version wrote other ones."""
    bounds = {_bound(bound) for bound in (*metric.buckets, float("inf"))}
    if "le" in written and written["le"] not in bounds:
        return None
    names = (*metric.labels, "le") if "le" in written else metric.labels
    return tuple((name, written[name]) for name in names) if set(names) == set(written) else None
