"""Tokens of an identity provider: whom the claims of one prove, once its signature was found to be right.

A claim of the wrong type proves no caller: it is never taken for one that is not there.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from hostaway_sync.model.callers.caller import Access, Caller, Scope
from hostaway_sync.model.ids import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

LEEWAY: Final = timedelta(seconds=30)
"""How far ahead of ours the clock of an issuer may be."""

_LONGEST_SUBJECT: Final = 200
_MOST_ACCOUNTS: Final = 1000
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_SCOPES: Final = {scope.value: scope for scope in Scope}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Which tokens prove a caller, and how their claims are called.

    Attributes:
        issuer: `iss` of each.
        audience: one of `aud`.
        scope: the claim with scopes, as text with spaces or as a list.
        accounts: the claim with a list of ids of accounts.
        customer: the claim with the id of a customer.
    """

    issuer: str
    audience: str
    scope: str = "scope"
    accounts: str = "accounts"
    customer: str = "customer_id"


def read_caller(claims: Mapping[str, Any], rules: TokenRules, now: datetime) -> Caller | None:
    """Return the caller whom claims prove now; None: no caller."""
    subject, until = claims.get("sub"), _moment(claims.get("exp"))
    access, scopes = _read_access(claims, rules), _read_scopes(claims.get(rules.scope, ""))
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        return None
    if claims.get("iss") != rules.issuer or not _is_for(claims.get("aud"), rules.audience):
        return None
    if until is None or now >= until or access is None or scopes is None:
        return None
    if "nbf" in claims and not _has_begun(claims["nbf"], now):
        return None
    digest = hashlib.sha256(f"{rules.issuer}\n{subject}".encode()).hexdigest()
    return Caller(subject, scopes, access, f"token:{digest}", until)


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        return None
    return datetime.fromtimestamp(min(value, _LATEST), UTC)


def _has_begun(value: object, now: datetime) -> bool:
    begin = _moment(value)
    return begin is not None and begin <= now + LEEWAY


def _is_for(value: object, audience: str) -> bool:
    return value == audience or (isinstance(value, list) and audience in value)


def _read_scopes(value: object) -> frozenset[Scope] | None:
    """Return the scopes that are known here; others are of other programs."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return frozenset(_SCOPES[name] for name in names if name in _SCOPES)


def _read_access(claims: Mapping[str, Any], rules: TokenRules) -> Access | None:
    """Return the accounts of a token; one that names none, or both ways, may see nothing."""
    has_accounts, has_customer = rules.accounts in claims, rules.customer in claims
    if has_accounts == has_customer:
        return None
    if has_customer:
        return _read_customer(claims[rules.customer])
    given = claims[rules.accounts]
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_ACCOUNTS:
        return None
    ids = [_read_id(one) for one in given]
    return None if None in ids else Access.of_accounts(one for one in ids if one is not None)


def _read_customer(value: object) -> Access | None:
    try:
        return Access.of_customer(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _read_id(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str) or not _ID.fullmatch(str(value)):
        return None
    return int(value) if int(value) <= LARGEST_ID else None
