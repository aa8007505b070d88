from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.model.callers.claims import TokenRules, read_caller

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = TokenRules("https://id.example.com", "mirror")
EXP = int((NOW + timedelta(minutes=5)).timestamp())
GOOD: dict[str, Any] = {
    "iss": "https://id.example.com",
    "aud": "mirror",
    "sub": "desk",
    "exp": EXP,
    "scope": "read openid",
    "accounts": [70001, "70002"],
}
CUSTOMER = UUID("84c06cb4-cdef-4916-a7d5-1a2b3c4d5e6f")


def without(*names: str, **more: object) -> dict[str, Any]:
    """Return good claims less some, and with others."""
    return {name: value for name, value in GOOD.items() if name not in names} | more


def test_claims_name_a_caller_its_scopes_and_its_accounts() -> None:
    """Or a customer; what other programs call a scope is passed over, and two subjects are two callers."""
    found = read_caller(GOOD, RULES, NOW)
    assert found is not None
    assert (found.name, found.scopes, found.access) == (
        "desk",
        frozenset({Scope.READ}),
        Access.of_accounts({70001, 70002}),
    )
    assert found.until == NOW + timedelta(minutes=5)
    other = read_caller(without(sub="crm", exp=1e300), RULES, NOW)
    assert other is not None
    assert other.identity != found.identity
    renamed = TokenRules(RULES.issuer, RULES.audience, scope="permissions", customer="tenant")
    of_customer = without("accounts", permissions=["calendar"], tenant=str(CUSTOMER), aud=["x", "mirror"])
    found = read_caller(of_customer, renamed, NOW)
    assert found is not None
    assert (found.scopes, found.access) == (frozenset({Scope.CALENDAR}), Access.of_customer(CUSTOMER))
    nothing = read_caller(without("scope"), RULES, NOW)
    assert nothing is not None
    assert nothing.scopes == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        {},
        without("exp"),
        *(without(exp=value) for value in (EXP - 300, True, str(EXP), float("nan"), -1, None)),
        *(without(iss=value) for value in ("https://id.example.org", ["https://id.example.com"], None)),
        *(without(aud=value) for value in ("other", ["other"], {"mirror": 1}, None)),
        *(without(nbf=value) for value in (EXP, "now", None)),
        *(without(sub=value) for value in ("", 7, "a\nb", "x" * 201, None)),
        *(without(scope=value) for value in (7, ["read", 7], {"read": 1}, None)),
        *(
            without(accounts=value)
            for value in ("70001", 70001, [], [True], [-1], [0], [1.5], [None], [[1]], ["1 OR 1=1"], ["٣"], [2**63])
        ),
        without(accounts=None),
        without(accounts=[1] * 1001),
        without(accounts=["*"]),
        without(customer_id=str(CUSTOMER)),
        without("accounts"),
        *(without("accounts", customer_id=value) for value in ("x", 7, None, [str(CUSTOMER)])),
    ],
    ids=repr,
)
def test_claims_of_wrong_kinds_prove_nobody(claims: dict[str, Any]) -> None:
    """Least of all are they taken for claims that are not there."""
    assert read_caller(claims, RULES, NOW) is None


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    """That of an issuer; not to the end of a token."""
    begin = NOW.timestamp()
    assert read_caller(without(nbf=begin + 29), RULES, NOW) is not None
    assert read_caller(without(nbf=begin + 31), RULES, NOW) is None
