"""Reads the Prometheus text format as a scraper does."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse_samples(text: str) -> Samples:
    """Return every series by its name and labels; a sample with a timestamp is none."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert all(sample.timestamp is None for sample in samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
