from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.support.project.pages import REFERENCE, ROOT, rows

from hostaway_sync.observability import metric_catalog
from hostaway_sync.observability.metric_catalog import Metric, MetricKind

if TYPE_CHECKING:
    from pathlib import Path

PAGE = REFERENCE / "metrics.md"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
DASHBOARD = ROOT / "deploy" / "grafana" / "hostaway-sync.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
SERIES = {
    metric.name + suffix: metric
    for metric in metric_catalog.ALL
    for suffix in (("_bucket", "_sum", "_count") if metric.kind is MetricKind.HISTOGRAM else ("",))
}


def _row(metric: Metric) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return [f"`{metric.name}`", metric.kind.value, labels, metric.help]


def test_metrics_are_named_as_prometheus_names_them() -> None:
    """One prefix, counters end in `_total`, units are seconds, and every metric says what it is in a sentence."""
    names = [metric.name for metric in metric_catalog.ALL]
    assert len(set(names)) == len(names)
    for metric in metric_catalog.ALL:
        assert re.fullmatch(r"hostaway_sync_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
        assert metric.help.endswith(".")
        assert not re.search(r"(?<!_)(milli|micro|minutes|hours)", metric.name)


@pytest.mark.parametrize("is_stored", [True, False])
def test_documented_metrics_are_the_modules_own(is_stored: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """The page has each metric in order, with its kind, its labels and its sentence, and no other."""
    stored, _, measured = PAGE.read_text(encoding="utf-8").partition("## Measured")
    expected = [_row(metric) for metric in metric_catalog.ALL if metric.is_stored is is_stored]
    assert rows(stored if is_stored else measured) == expected


@pytest.mark.parametrize("path", [DASHBOARD, ALERTS], ids=lambda path: path.name)
def test_what_is_watched_exists(path: Path) -> None:
    """Every metric that the dashboard and the alerts name is one that the program has, with labels that it has."""
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"\bhostaway_sync_[a-z_]+\b(?!\.prom)", text))
    assert named <= SERIES.keys()
    assert len(named) > 8
    for name, inside in re.findall(r"\b(hostaway_sync_[a-z_]+)\{([^}]*)\}", text.replace('\\"', '"')):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", inside)) - {"instance"}
        assert labels <= set(SERIES[name].labels), name


def test_every_metric_is_on_the_dashboard() -> None:
    """A metric that no panel shows is of no use."""
    text = DASHBOARD.read_text(encoding="utf-8")
    assert [metric.name for metric in metric_catalog.ALL if metric.name not in text] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_dashboards_can_be_imported(path: Path) -> None:
    """Each is JSON that names no data source of its own, and no two panels lie on each other."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    assert {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel.get("targets", ())} == {
        "${datasource}"
    }
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_every_alert_says_what_happened() -> None:
    """Each rule has a name of its own, a condition, a severity, and a summary for the person on call."""
    rules = re.split(r"^      - alert: ", ALERTS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    names = [rule.partition("\n")[0] for rule in rules]
    assert len(set(names)) == len(names)
    for rule in rules:
        assert re.search(r"^        expr: \S", rule, re.MULTILINE)
        assert re.search(r"severity: (warning|critical)", rule)
        assert re.search(r"^          summary: \S", rule, re.MULTILINE)


@pytest.mark.parametrize("metric", ["missing_days", "refused_listings", "oldest_mark_seconds", "oldest_turn_seconds"])
def test_troubles_with_calendars_have_an_alert(metric: str) -> None:
    """Short and refused calendars, days of stays that wait, and turns that were left out."""
    rules = re.findall(r"^        expr: (.+)$", ALERTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [rule for rule in rules if rule.startswith(f"hostaway_sync_calendar_{metric} > ")]
