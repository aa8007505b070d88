"""Pictures that the server draws: the last runs of an account, the oldest on the left."""

from __future__ import annotations

from collections import Counter
from math import log1p
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from hostaway_sync.model.health import format_age
from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.status import RunSummary

_STEP, _WIDTH, _HEIGHT, _LEAST = 6, 4, 26, 4
_KIND: Final = {RunState.SUCCESS: "good", RunState.PARTIAL: "half"}


def draw_runs(runs: Sequence[RunSummary], places: int) -> Markup:
    """Return a bar a run, as high as it took long; a run that was not whole is as high as can be, and has a gap.

    Args:
        runs: oldest first.
        places: how many runs there is room for.
    """
    whole = places * _STEP - (_STEP - _WIDTH)
    longest = max((_seconds(run) for run in runs), default=0.0)
    bars = Markup("").join(
        _draw_bar((places - len(runs) + place) * _STEP, run, longest) for place, run in enumerate(runs)
    )
    return Markup(
        '<svg class="runs" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
        '<line x1="0" x2="{w}" y1="{base}" y2="{base}" class="ground"/>{bars}</svg>'
    ).format(w=whole, h=_HEIGHT + 2, base=_HEIGHT + 1, label=_describe(runs), bars=bars)


def _draw_bar(left: int, run: RunSummary, longest: float) -> Markup:
    kind = _KIND.get(run.state, "bad")
    share = log1p(_seconds(run)) / log1p(longest) if longest else 0
    height = _HEIGHT if kind != "good" else round(_LEAST + (_HEIGHT * 0.7 - _LEAST) * share)
    took = f", took {format_age(run.finished_at - (run.started_at or run.triggered_at))}" if run.finished_at else ""
    title = f"{run.triggered_at:%Y-%m-%d %H:%M} UTC: {run.mode} run, {run.state}{took}, {run.api_calls:,} calls"
    gap = Markup("")
    if kind != "good":
        gap = Markup('<rect class="gap" x="{}" y="{}" width="{}" height="2"/>').format(left, _HEIGHT - 8, _WIDTH)
    return Markup('<g><title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1"/>{}</g>').format(
        title, kind, left, _HEIGHT - height, _WIDTH, height, gap
    )


def _seconds(run: RunSummary) -> float:
    if run.finished_at is None:
        return 0.0
    return max(0.0, (run.finished_at - (run.started_at or run.triggered_at)).total_seconds())


def _describe(runs: Sequence[RunSummary]) -> str:
    if not runs:
        return "no run has ended yet"
    counted = Counter(run.state.value for run in runs)
    states = ", ".join(f"{number} {state}" for state, number in counted.most_common())
    return f"the last {len(runs)} runs: {states}" if len(runs) > 1 else f"the only run: {states}"
