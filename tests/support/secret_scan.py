"""Searches for secrets in what tests print and log; every test report passes it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from tests.support.sync_env import MASTER_KEY

if TYPE_CHECKING:
    import pytest

# Secrets of tests: the sandbox's client secrets and tokens, the master key, Basic auth, and the password
# that tests use. A word that only names one, such as `Bearer` alone, is none.
SECRETS = re.compile(
    "|".join(
        (
            r"sandbox-secret-\d+",
            r"eyJ[\w-]{20,}\.[\w-]{20,}",
            re.escape(base64.b64encode(MASTER_KEY).decode()),
            MASTER_KEY.hex(),
            r"Basic [A-Za-z0-9+/]{12,}",
            r"hunter2",
        )
    )
)


def fail_on_secrets(report: pytest.TestReport) -> None:
    """Turn a report into a failure if its test printed or logged a secret."""
    found = [f"{title}: {match[0]}" for title, text in report.sections for match in SECRETS.finditer(text)]
    if found and report.passed:
        report.outcome = "failed"
        report.longrepr = "secrets came out:\n" + "\n".join(found)
