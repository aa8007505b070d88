from __future__ import annotations

import pytest
from tests.support import secret_scan

from hostaway_sync.sandbox import CLIENT_SECRET


@pytest.mark.parametrize(("text", "outcome"), [("all is well", "passed"), (f"tried {CLIENT_SECRET}", "failed")])
def test_a_test_that_prints_a_secret_fails(text: str, outcome: str) -> None:
    """Also when it logs the secret, and whether or not its assertions hold."""
    sections = [("Captured stderr call", text)]
    report = pytest.TestReport("a test", ("a file", 1, "a test"), {}, "passed", None, "call", sections)
    secret_scan.fail_on_secrets(report)
    assert report.outcome == outcome
