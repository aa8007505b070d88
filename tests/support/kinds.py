"""What the mirror and the sandbox hold of the other kinds of objects, and where they differ."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.support import sql

from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.platforms.hostaway.kinds.records import NEVER_STORED, as_kind_record
from hostaway_sync.platforms.hostaway.kinds.spec import Form
from hostaway_sync.platforms.hostaway.kinds.table import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

OWN_TABLES = ("reviews", "tasks")
# The lists of the sandbox that are one kind of ours, and how the ids of each begin.
CHANNEL_POLICIES = {f"{one}_cancellation_policies": f"{one}:" for one in ("airbnb", "booking", "marriott", "vrbo")}
SETTINGS = {"resources": ("default", "finance", "texts", "people")}


def filled(sync_env: Callable[..., SyncEnv], **options: Any) -> tuple[SyncEnv, Mirror]:
    """Return an environment whose kinds were mirrored once, and its mirror."""
    env = sync_env(**{"listings": 4, "reservations": 120, "conversations": False, **options})
    return env, env.mirrored(resources=("default",))


def make_due(env: SyncEnv, kind: str, *, age: str = "2 days") -> None:
    """Move the last readings of a kind so far back that its lists are due."""
    sql.execute(
        env.database,
        f"UPDATE resource_readings SET due_at = now(), read_at = read_at - interval '{age}',"
        f" whole_at = whole_at - interval '{age}' WHERE kind = '{kind}'",
    )
    for table in ("resources", "reviews", "tasks"):
        sql.execute(
            env.database,
            f"UPDATE {table} SET unlisted_since = unlisted_since - interval '{age}',"
            f" observed_at = observed_at - interval '{age}'",
        )


def is_shared(kind: str) -> bool:
    """Whether the objects of a kind belong to no account."""
    return KINDS[kind].scope is Scope.INSTALLATION


def stored(env: SyncEnv, kind: str, *, listed: bool = False) -> dict[str, Any]:
    """Return the stored payloads of a kind by id, without those marked missing; `listed`: without unlisted ones."""
    table = "reference_data" if is_shared(kind) else kind if kind in OWN_TABLES else "resources"
    name = {"reference_data": "code", "resources": "source_id"}.get(table, "id::text")
    which = "true" if kind in OWN_TABLES else f"kind = '{kind}'"
    if listed:
        which += " AND unlisted_since IS NULL"
    query = f"SELECT {name}, raw_payload FROM {table} WHERE {which} AND missing_since IS NULL"
    return dict(sql.rows(env.database, query))


def true(env: SyncEnv, kind: str) -> dict[str, Any]:
    """Return the sandbox's objects of a kind, by id, without keys that are never stored."""
    spec, world = KINDS[kind], env.sandbox.world
    owners = world.listing_ids if "{parent}" in spec.path else [0]
    parts = CHANNEL_POLICIES if kind == "channel_cancellation_policies" else {kind: ""}
    found: dict[str, Any] = {}
    for owner, (part, prefix) in product(owners, parts.items()):
        for code, row in world.objects(part, owner).items():
            text = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
            record = as_kind_record(text, spec, str(code) if spec.form is Form.MAP else None, prefix=prefix)
            found[str(record.source_id)] = without_keys(json.loads(record.payload), NEVER_STORED)
    return found


def without_keys(value: Any, dropped: frozenset[str]) -> Any:
    """Return a value without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without_keys(one, dropped) for key, one in value.items() if key not in dropped}
    return [without_keys(one, dropped) for one in value] if isinstance(value, list) else value


def wrong_kinds(env: SyncEnv, kinds: list[str], *, listed: bool = False) -> dict[str, list[str]]:
    """Return the ids of objects that differ, by kind; empty: the mirror equals the source; see `stored`."""
    wrong: dict[str, list[str]] = {}
    for kind in kinds:
        here, there = stored(env, kind, listed=listed), true(env, kind)
        differing = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
        if differing:
            wrong[kind] = differing
    return wrong


def asked_paths(env: SyncEnv) -> list[str]:
    """Return the paths of all requests that are for none of the first four resources, in order."""
    first = ("/listings", "/reservations", "/conversations", "/accessTokens")
    paths = [one.path for one in env.sandbox.requests]
    return [path for path in paths if path == "/reservations/paymentMethods" or not path.startswith(first)]
