"""How much of each request limit is used now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.status import BucketUsage
from hostaway_sync.store.tables import request_budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.api_calls import Bucket


def read_bucket_uses(connection: sa.Connection, buckets: Mapping[str, Bucket]) -> dict[str, BucketUsage]:
    """Return the use of request limits, by key; a limit that no request has used yet is left out."""
    wanted = sa.func.unnest(
        sa.literal(list(buckets), sa.ARRAY(sa.Text)),
        sa.literal([bucket.window for bucket in buckets.values()], sa.ARRAY(sa.Interval)),
    ).table_valued("key", sa.column("span", sa.Interval))
    wanted = wanted.render_derived(name="wanted")
    now = sa.func.clock_timestamp()
    slot = sa.func.unnest(request_budget.c.slots).table_valued(sa.column("at", sa.DateTime(timezone=True)))
    slot = slot.render_derived(name="slot")
    used = (
        sa.select(sa.func.count())
        .select_from(slot)
        .where(slot.c.at > now - wanted.c.span, slot.c.at <= now)
        .scalar_subquery()
    )
    is_lowered = request_budget.c.lowered_until > now
    query = sa.select(
        request_budget.c.key,
        used.label("used"),
        sa.case((is_lowered, request_budget.c.lowered_to)).label("lowered_to"),
        sa.case((is_lowered, request_budget.c.lowered_until)).label("lowered_until"),
        sa.case((request_budget.c.not_before > now, request_budget.c.not_before)).label("silent_until"),
    ).join_from(request_budget, wanted, wanted.c.key == request_budget.c.key)
    return {
        key: BucketUsage(key, used, buckets[key].limit, buckets[key].window, *rest)
        for key, used, *rest in connection.execute(query)
    }
