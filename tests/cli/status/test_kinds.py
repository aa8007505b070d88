from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ON = {"RESOURCES": "default"}


def test_history_names_every_kind_that_was_read(sync_env: Build, program: Program) -> None:
    """After the first four resources, by name."""
    env = sync_env(listings=2, reservations=20)
    env.mirror(resources=("default",)).sync.run(70001)
    done = program(env, "status", "70001", "--json", **ON)
    (run,) = json.loads(done.stdout)["accounts"][0]["runs"]
    names = list(run["resources"])
    assert names[:4] == ["listings", "reservations", "conversations", "messages"]
    assert "reviews" in names
    assert names[4:] == sorted(names[4:])
    assert program(env, "status", "70001", **ON).returncode == 0
