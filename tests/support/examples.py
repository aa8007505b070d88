"""How many examples a property test draws: a third of the full number in the default tests, all of them in `soak`."""

from __future__ import annotations

import os

# `nox -s soak` and the mutants set these.
THOROUGH = "thorough"
FIRST_FAILURE = "first failure"


def examples(full: int) -> int:
    """Return how many examples to draw now of so many."""
    return full if os.environ.get("HYPOTHESIS_PROFILE") in {THOROUGH, FIRST_FAILURE} else max(1, full // 3)
