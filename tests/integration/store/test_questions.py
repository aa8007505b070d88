"""The queries of the documentation and of the dashboard of stays, on what a sync of the sandbox mirrored."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.project.pages import ROOT, blocks
from tests.support.sql import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sync_env import SyncEnv

DASHBOARD = ROOT / "deploy" / "grafana" / "hostaway-sync-stays.json"
# The sandbox leaves no guest a balance.
EMPTY = {"5. Who arrives within two weeks and has not paid all?"}


def questions() -> dict[str, str]:
    """Return the query of each numbered question of the page."""
    text = (ROOT / "docs" / "how-to" / "questions.md").read_text(encoding="utf-8")
    found = re.findall(r"^### (\d+\. [^\n]+)\n\n```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == len([block for block in blocks("sql") if block.page.name == "questions.md"]) == 20
    assert [int(title.partition(".")[0]) for title, _ in found] == list(range(1, 21))
    return dict(found)


def panels() -> Iterator[tuple[str, str]]:
    """Yield title and query of each panel and variable, with what Grafana puts into its place."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    variables = [one for one in dashboard["templating"]["list"] if one["type"] == "query"]
    asked = [(one["name"], one["query"]) for one in variables]
    asked += [(one["title"], target["rawSql"]) for one in dashboard["panels"] for target in one.get("targets", ())]
    now = datetime.now(UTC)
    stands_for = {
        "${account:sqlstring}": "'70001'",
        "$__timeFrom()": f"'{now.replace(year=now.year - 1, day=1).isoformat()}'",
        "$__timeTo()": f"'{now.replace(year=now.year + 1, day=1).isoformat()}'",
    }
    for title, query in asked:
        filled = query
        for name, value in stands_for.items():
            filled = filled.replace(name, value)
        assert "$" not in filled, title
        yield title, filled


def test_every_question_and_every_panel_has_an_answer(sync_env: Callable[..., SyncEnv]) -> None:
    """Each of the twenty questions, and each query of the dashboard, runs and finds rows."""
    env = sync_env(reservations=150, listings=6, now=datetime.now(UTC), store=False)
    env.store_account()
    env.sandbox.world.create_reservation()
    env.mirror(calendar_days=60).sync.run(env.account_id)
    unanswered = {title for title, query in questions().items() if not _ask(env, query)}
    assert unanswered == EMPTY
    for title, query in panels():
        found = _ask(env, query)
        assert found, title
        assert any(value is not None for value in found[0]), title


def _ask(env: SyncEnv, query: str) -> list[tuple[Any, ...]]:
    # A colon before a word would be a parameter.
    return rows(env.database, re.sub(r":(?=:?[a-z])", r"\\:", query))
