"""Returns the certificate of each account that counts, by its verifications and the sweeps since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.model.status import Certificate
from hostaway_sync.store.tables import verifications, watermarks
from hostaway_sync.store.time_marks import is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_KINDS = ("missing", "extra", "different")


def find_effective(connection: sa.Connection, account_id: int | None = None) -> dict[int, Certificate]:
    """Return the certificate that counts of an account, or of all that have one, by account.

    A whole certificate replaces those before it that are not deeper; what is left is weighed by `choose_weightiest`.
    """
    newer = verifications.alias()
    is_whole = newer.c.certificate["error"].as_string().is_(None)
    replaced = sa.exists().where(
        newer.c.account_id == verifications.c.account_id,
        newer.c.verified_at > verifications.c.verified_at,
        is_known(newer.c.verified_at),
        newer.c.is_deep >= verifications.c.is_deep,
        is_whole,
    )
    is_counted = ~replaced & is_known(verifications.c.verified_at)
    query = sa.select(verifications).where(is_counted).order_by(verifications.c.verified_at.desc())
    swept = sa.select(watermarks.c.account_id, watermarks.c.resource, watermarks.c.swept_at)
    if account_id is not None:
        query = query.where(verifications.c.account_id == account_id)
        swept = swept.where(watermarks.c.account_id == account_id)
    marks: dict[int, dict[str, datetime]] = {}
    for row in connection.execute(swept.where(is_known(watermarks.c.swept_at))):
        marks.setdefault(row.account_id, {})[row.resource] = row.swept_at
    found: dict[int, list[Certificate]] = {}
    for row in connection.execute(query).all():
        found.setdefault(row.account_id, []).append(_certificate(row, marks.get(row.account_id, {})))
    return {number: choose_weightiest(newest_first) for number, newest_first in found.items()}


def choose_weightiest(newest_first: Iterable[Certificate]) -> Certificate:
    """Return the certificate that counts: damage, then what was left open, then depth; of equals the newest.

    One that a whole sweep has outdated counts only where there is no other.
    """
    return max(newest_first, key=lambda one: (one.damage > 0, _is_open(one), _is_deep(one), not one.is_outdated))


def _is_open(one: Certificate) -> bool:
    return one.error is not None and not one.is_outdated


def _is_deep(one: Certificate) -> bool:
    return one.is_deep and not one.is_outdated


def _certificate(row: Any, swept: Mapping[str, datetime]) -> Certificate:  # noqa: ANN401  (a row)
    parts: Mapping[str, Mapping[str, Any]] = row.certificate["resources"]
    late = {name: part["newer_at_source"] or 0 for name, part in parts.items()}
    # A conversation that is newer at the source is no difference.
    late[Resource.CONVERSATIONS.value] = 0
    differences = {name: sum(part[kind] for kind in _KINDS) for name, part in parts.items()}
    since = {name for name in parts if name in swept and swept[name] > row.verified_at}
    return Certificate(
        verified_at=row.verified_at,
        is_equal=row.is_equal,
        is_deep=row.is_deep,
        api_calls=row.api_calls,
        differences=sum(differences.values()),
        late=sum(late.values()),
        error=row.certificate["error"],
        swept=sum(differences[name] - late[name] for name in since),
        is_outdated=bool(parts) and since == set(parts),
        is_sudden=any(part.get("note") for part in parts.values()),
    )
