from __future__ import annotations

import pytest

from hostaway_sync.api.authorization import FAILURE_WINDOW_S, FAILURES, TRUSTED_FOR_S, Callers
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.model.callers import Access, Caller, Scope

CALLER = Caller("desk", frozenset({Scope.READ}), Access.of_accounts({1}))


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def refusal(callers: Callers, token: str, address: str = "192.0.2.1") -> Problem:
    """Return why a key is refused."""
    with pytest.raises(Problem) as caught:
        callers.check(token, address)
    return caught.value


def test_a_key_is_trusted_for_five_seconds_and_then_checked() -> None:
    """So that a revoked one stops working soon, and a busy caller costs the database nothing."""
    clock = Clock()
    callers = Callers({"good": CALLER}.get, seconds=clock)
    assert callers.recall("good") is None
    assert callers.check("good", "192.0.2.1") is CALLER
    clock.now += TRUSTED_FOR_S - 0.1
    assert callers.recall("good") is CALLER
    assert callers.recall("Good") is None
    clock.now += 0.1
    assert callers.recall("good") is None


def test_an_address_of_many_wrong_keys_waits_for_its_window() -> None:
    """Others do not; once the window is over it may try again."""
    clock, asked = Clock(), list[str]()
    callers = Callers(asked.append, seconds=clock)
    for number in range(FAILURES):
        assert refusal(callers, f"wrong {number}").kind is ProblemKind.UNAUTHENTICATED
        clock.now += 0.5
    limited = refusal(callers, "one more")
    assert (limited.kind, limited.headers) == (ProblemKind.TOO_MANY, {"Retry-After": "45"})
    assert "one more" not in asked
    assert refusal(callers, "other", "192.0.2.2").kind is ProblemKind.UNAUTHENTICATED
    clock.now = 1000.0 + FAILURE_WINDOW_S
    assert refusal(callers, "again").kind is ProblemKind.UNAUTHENTICATED
    assert asked[-1] == "again"


def test_addresses_of_one_ipv6_network_wait_together() -> None:
    """Whoever has one such network has an address for every guess."""
    asked: list[str] = []
    callers = Callers(asked.append)
    for number in range(FAILURES):
        assert refusal(callers, "wrong", f"2001:db8::{number:x}").kind is ProblemKind.UNAUTHENTICATED
    assert refusal(callers, "one more", "2001:db8::ffff:1").kind is ProblemKind.TOO_MANY
    for other in ("2001:db8:0:1::1", "fe80::1%eth0", "192.0.2.1", ""):
        assert refusal(callers, "other", other).kind is ProblemKind.UNAUTHENTICATED


def test_a_key_that_was_right_before_does_not_wait_for_others() -> None:
    """It may share its address with a stranger who guesses; once it is refused, it waits as all do."""
    clock, valid = Clock(), {"good": CALLER}
    callers = Callers(valid.get, seconds=clock)
    assert callers.check("good", "192.0.2.1") is CALLER
    for number in range(FAILURES):
        refusal(callers, f"wrong {number}")
    clock.now += TRUSTED_FOR_S
    assert callers.check("good", "192.0.2.1") is CALLER
    valid.clear()
    assert refusal(callers, "good").kind is ProblemKind.UNAUTHENTICATED
    assert refusal(callers, "good").kind is ProblemKind.TOO_MANY


def test_an_enormous_key_is_not_even_looked_up() -> None:
    """No key of ours is that long."""
    asked: list[str] = []
    assert refusal(Callers(asked.append), "x" * 8193).kind is ProblemKind.UNAUTHENTICATED
    assert asked == []
