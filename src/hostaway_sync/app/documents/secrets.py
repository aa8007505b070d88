"""Documents of `keys …`; none has a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.app.secrets import Checked, KeyStatus, Rotation
    from hostaway_sync.store.secrets.sealing import UnreadableSecret
    from hostaway_sync.store.secrets.transfer import TransferResult


def key_status_document(status: KeyStatus) -> dict[str, Any]:
    """Return where secrets lie, and what seals them."""
    return {
        "store": status.store,
        "leaving": status.leaving,
        "kind": status.kind,
        "source": status.source,
        "keys": [
            {"key": key.key, "values": key.values, "seals": key.seals, "is_known": key.is_known} for key in status.keys
        ],
        "plain": status.plain,
        "outside": status.outside,
    }


def checked_secrets_document(checked: Checked) -> dict[str, Any]:
    """Return how many secrets there are, and which do not open."""
    return {
        "values": checked.passed.seen,
        "orphans": checked.orphans,
        "troubles": _troubles(checked.passed.troubles),
    }


def moved_secrets_document(moved: TransferResult) -> dict[str, Any]:
    """Return what moving secrets did."""
    return {
        "store": moved.store,
        "moved": moved.moved,
        "orphans": moved.orphans,
        "is_whole": moved.is_whole,
        "troubles": _troubles(moved.troubles),
    }


def rotation_document(rotation: Rotation) -> dict[str, Any]:
    """Return what a rotation of keys did."""
    return {
        "made": rotation.made,
        "seals": rotation.seals,
        "resealed": rotation.resealed,
        "retired": list(rotation.retired),
        "unused": list(rotation.unused),
        "troubles": _troubles(rotation.troubles),
    }


def _troubles(troubles: Iterable[UnreadableSecret]) -> list[dict[str, Any]]:
    return [
        {
            "table": trouble.place.table,
            "column": trouble.place.column,
            "primary_key": trouble.place.primary_key,
            "is_plain": trouble.is_plain,
            "reason": trouble.reason,
        }
        for trouble in troubles
    ]
