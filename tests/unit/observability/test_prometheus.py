from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.prometheus_text import Samples, parse_samples

from hostaway_sync.observability import metric_catalog
from hostaway_sync.observability.meter import Meter, Sample
from hostaway_sync.observability.prometheus import TEXTFILE_NAME, render_metrics, write_textfile

if TYPE_CHECKING:
    from pathlib import Path


def one_run(seconds: float = 0.3) -> Meter:
    """Return a meter with the numbers of one run."""
    meter = Meter()
    meter.count(metric_catalog.API_REQUESTS, "GET", "/reservations/{id}", "200")
    meter.observe(metric_catalog.DATABASE_SECONDS, "select", seconds=seconds)
    return meter


def value(found: Samples, metric: metric_catalog.Metric, suffix: str = "", **labels: str) -> float | None:
    """Return one number, or None if it is missing."""
    return found.get((metric.name + suffix, frozenset(labels.items())))


def test_duration_counts_in_every_larger_bucket() -> None:
    """Also in the bucket whose bound it equals."""
    meter = Meter()
    for seconds in (0.001, 0.002, 0.0025, 99.0):
        meter.observe(metric_catalog.DELIVERY_SECONDS, seconds=seconds)
    found = parse_samples(render_metrics(meter.samples()).decode())
    buckets = {
        bound: value(found, metric_catalog.DELIVERY_SECONDS, "_bucket", le=bound)
        for bound in ("0.001", "0.0025", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.0025": 3, "+Inf": 4}
    assert value(found, metric_catalog.DELIVERY_SECONDS, "_count") == 4
    assert value(found, metric_catalog.DELIVERY_SECONDS, "_sum") == pytest.approx(99.0055)


def test_measured_numbers_grow_from_run_to_run(tmp_path: Path) -> None:
    """Counters grow as those of a permanent process would; stored values are those of the last run."""
    for accounts in (3.0, 2.0):
        write_textfile(tmp_path, one_run().samples(), [Sample(metric_catalog.ACCOUNTS, ("active",), accounts)])
    found = parse_samples((tmp_path / TEXTFILE_NAME).read_text())
    request = {"method": "GET", "route": "/reservations/{id}", "status": "200"}
    assert value(found, metric_catalog.API_REQUESTS, **request) == 2
    assert value(found, metric_catalog.DATABASE_SECONDS, "_bucket", operation="select", le="0.5") == 2
    assert value(found, metric_catalog.DATABASE_SECONDS, "_sum", operation="select") == pytest.approx(0.6)
    assert value(found, metric_catalog.ACCOUNTS, state="active") == 2


def test_textfile_is_replaced_atomically_and_readable_by_all(tmp_path: Path) -> None:
    """A reader of the old file is not disturbed, and no temporary file is left."""
    old = os.umask(0o077)
    try:
        write_textfile(tmp_path, one_run().samples(), [])
        with (tmp_path / TEXTFILE_NAME).open() as before:
            write_textfile(tmp_path, one_run().samples(), [])
            assert parse_samples(before.read())
    finally:
        os.umask(old)
    assert [path.name for path in tmp_path.iterdir()] == [TEXTFILE_NAME]
    assert stat.S_IMODE((tmp_path / TEXTFILE_NAME).stat().st_mode) == 0o644


def test_concurrent_writers_lose_no_count(tmp_path: Path) -> None:
    """The writers wait for each other."""
    threads = [threading.Thread(target=write_textfile, args=(tmp_path, one_run().samples(), [])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = parse_samples((tmp_path / TEXTFILE_NAME).read_text())
    assert value(found, metric_catalog.DATABASE_SECONDS, "_count", operation="select") == 8


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"{{{ not this format",
        b"\xff\xfe",
        b'hostaway_sync_api_requests_total{verb="GET"} 7\n',
        b'hostaway_sync_database_seconds_bucket{operation="select",le="7"} 7\n',
        b"somebody_elses 7\n",
    ],
)
def test_old_or_broken_series_are_ignored(tmp_path: Path, before: bytes) -> None:
    """Labels and buckets of earlier releases must not be beside present ones."""
    (tmp_path / TEXTFILE_NAME).write_bytes(before)
    write_textfile(tmp_path, one_run().samples(), [])
    assert parse_samples((tmp_path / TEXTFILE_NAME).read_text()) == parse_samples(
        render_metrics(one_run().samples()).decode()
    )


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """No half of a file is left."""
    (tmp_path / TEXTFILE_NAME).mkdir()
    with pytest.raises(OSError, match="directory"):
        write_textfile(tmp_path, one_run().samples(), [])
    assert [path.name for path in tmp_path.iterdir()] == [TEXTFILE_NAME]


def test_reset_starts_a_meter_from_zero() -> None:
    """No number is written to the textfile twice."""
    meter = one_run()
    assert meter.samples(reset=True)
    assert meter.samples() == []
