from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_sync.model.deliveries import REQUEST_ID, read_request_id
from hostaway_sync.observability.log_context import (
    add_log_context,
    current_log_context,
    in_current_context,
    log_context,
)


def test_nested_blocks_add_and_remove_fields() -> None:
    """An inner block has the fields of the outer one, and removes its own at its end."""
    with log_context(account_id=1):
        with log_context(resource="listings"):
            add_log_context(run_id="a")
            assert current_log_context() == {"account_id": 1, "resource": "listings", "run_id": "a"}
        assert current_log_context() == {"account_id": 1}
    add_log_context(nobody="listens")
    assert current_log_context() == {}


def test_only_work_in_the_current_context_has_its_fields() -> None:
    """A thread that carries the block has fields added later; a thread without it has none."""
    with ThreadPoolExecutor(1) as pool, log_context(account_id=1):
        known = in_current_context(current_log_context)
        add_log_context(run_id="a")
        assert pool.submit(known).result() == {"account_id": 1, "run_id": "a"}
        assert pool.submit(current_log_context).result() == {}


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11", True),
        ("9f86d081884c7d659a2feaa0c55ad015", True),
        ("1-67891233-abcdef012345678912345678", True),
        ("Root=1-67891233-abcdef012345678912345678", True),
        ("short", False),
        ("x" * 101, False),
        ("", False),
        ("0b9fdf4c 1d0a 4f0e", False),
        ("0b9fdf4c\n1d0a4f0e", False),
        ("0b9fdf4c1d0a, 0b9fdf4c1d0a", False),
        ("<script>alert</script>", False),
        ("\u0663\u0663\u0663\u0663\u0663\u0663\u0663\u0663", False),
    ],
)
def test_only_a_well_formed_request_id_is_accepted(given: str, accepted: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """Log lines and headers have it, and operators search for it."""
    assert read_request_id({REQUEST_ID: given}) == (given if accepted else None)
    assert read_request_id({}) is None
