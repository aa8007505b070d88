"""Documents of `database …`, `roles list`, `prune`, `forget-guest` and `status --size`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.store.database_move.relocate import MoveResult
    from hostaway_sync.store.privacy.forget import ForgetResult
    from hostaway_sync.store.schema.roles import Role
    from hostaway_sync.store.status.size import Size


def move_preview_document(rows: Mapping[str, int]) -> dict[str, Any]:
    """Return what a move of the database would copy, by table."""
    return {"dry_run": True, "tables": [{"name": name, "rows": number} for name, number in rows.items()]}


def moved_database_document(moved: MoveResult, *, seconds: float) -> dict[str, Any]:
    """Return what a move of the database copied."""
    return {
        "dry_run": False,
        "seconds": round(seconds, 1),
        "tables": [{"name": table.name, "rows": table.rows, "checksum": table.checksum} for table in moved.tables],
    }


def restored_document(looked_for: int) -> dict[str, Any]:
    """Return how many messages are looked for after a restore."""
    return {"looked_for": looked_for}


def payload_rule_document(rule: str | None) -> dict[str, Any]:
    """Return which fields of payloads are hidden."""
    return {"rule": rule}


def pruned_document(rows: Mapping[str, int], *, dry_run: bool) -> dict[str, Any]:
    """Return how many rows were deleted, or would be, by table."""
    return {"dry_run": dry_run, "rows": dict(rows)}


def role_document(role: Role) -> dict[str, Any]:
    """Return a role, and what it may see."""
    return {
        "role": role.name,
        "kind": role.kind,
        "account_ids": list(role.account_ids),
        "customer_ids": [str(customer) for customer in role.customer_ids],
    }


def erasure_document(account_id: int, erasure: ForgetResult, *, dry_run: bool) -> dict[str, Any]:
    """Return what forgetting guests did, or would do."""
    return {
        "account_id": account_id,
        "dry_run": dry_run,
        "reservations": list(erasure.reservations),
        "conversations": list(erasure.conversations),
        "rows": dict(erasure.rows),
        "unknown_reservations": list(erasure.unknown),
        "unknown_addresses": erasure.unknown_addresses,
    }


def size_document(size: Size) -> dict[str, Any]:
    """Return what takes space, in bytes."""
    return {
        "database": size.database,
        "tables": [
            {
                "name": table.name,
                "rows": table.rows,
                "heap": table.heap,
                "indexes": table.indexes,
                "toast": table.toast,
                "total": table.total,
            }
            for table in size.tables
        ],
    }
