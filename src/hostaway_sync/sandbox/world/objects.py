"""The other resources of an account now: seeded objects, overlaid by those that were put or deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.rows.resources.kind import HUGE, Source
from hostaway_sync.sandbox.rows.resources.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.sandbox.rows.resources.kind import Key, Kind, Payload
    from hostaway_sync.sandbox.seed.layout import Layout

_GONE: Final = object()


class Objects:
    """Objects of every kind of `KINDS`; `revision` rises with each change."""

    def __init__(self, layout: Layout, account_id: int, owner: Callable[[str, int], Payload]) -> None:
        """`owner` returns the listing or reservation whose objects are asked for; KeyError when it is not listed."""
        self.revision = 0
        self._layout = layout
        self._account_id = account_id
        self._owner = owner
        self._seeded: dict[str, dict[Key, None]] = {}
        self._changed: dict[tuple[str, int], dict[Key, Any]] = {}
        self._next = Source(layout, account_id).next_id

    def source(self, kind: Kind, owner_id: int = 0) -> Source:
        """Return what seeded objects of a kind and owner are made from; KeyError for an owner that is not listed."""
        if kind.owner == "account":
            return Source(self._layout, self._account_id)
        return Source(self._layout, self._account_id, owner_id, self._owner(kind.owner, owner_id))

    def keys(self, kind: Kind, source: Source) -> list[Key]:
        """Return the keys of the objects that are there, seeded ones first."""
        seeded = self._seeded_keys(kind, source)
        changed = self._changed.get((kind.name, source.owner_id))
        if not changed:
            return list(seeded)
        later = [key for key, value in changed.items() if value is not _GONE and key not in seeded]
        return [key for key in seeded if changed.get(key) is not _GONE] + later

    def get(self, kind: Kind, source: Source, key: Key) -> Any:  # noqa: ANN401  (an object, or the name of a code)
        """Return one object, which may be changed; KeyError when it is not there."""
        changed = self._changed.get((kind.name, source.owner_id), {})
        if key in changed:
            if changed[key] is _GONE:
                raise KeyError(key)
            return json.loads(quote(changed[key]))
        if key not in self._seeded_keys(kind, source):
            raise KeyError(key)
        return kind.write(source, key)

    def put(self, kind: Kind, source: Source, row: Mapping[str, Any], stamp: str) -> Key:
        """Add an object, or change keys of one that is there, and return its key."""
        if kind.shape == "map":
            for code, value in row.items():
                self._store(kind, source, code, value)
            return list(row)[-1]
        fields = dict(row)
        if "id" not in fields:
            fields["id"] = self._new_id(kind, source)
        keys = self.keys(kind, source)
        template = self.get(kind, source, keys[0]) if keys else {}
        key = kind.key_of(template | fields)
        known = self.get(kind, source, key) if key in keys else template
        moved = {"updatedOn": stamp} if "updatedOn" in known else {}
        self._store(kind, source, key, known | moved | fields)
        return key

    def delete(self, kind: Kind, source: Source, key: Key, stamp: str) -> None:
        """Delete an object; one of a kind that keeps its dead stays listed, with `isDeleted`."""
        known = self.get(kind, source, key)
        self._store(kind, source, key, known | {"isDeleted": 1, "updatedOn": stamp} if kind.soft_delete else _GONE)

    def _store(self, kind: Kind, source: Source, key: Key, value: Any) -> None:  # noqa: ANN401  (an object or a name)
        self.revision += 1
        self._changed.setdefault((kind.name, source.owner_id), {})[key] = value

    def _seeded_keys(self, kind: Kind, source: Source) -> dict[Key, None]:
        if kind.owner != "account":
            return dict.fromkeys(kind.keys(source))
        if kind.name not in self._seeded:
            self._seeded[kind.name] = dict.fromkeys(kind.keys(source))
        return self._seeded[kind.name]

    def _new_id(self, kind: Kind, source: Source) -> Key:
        number = self._next
        self._next += 1
        is_text = isinstance(next(iter(self._seeded_keys(kind, source)), 0), str)
        return str(HUGE + number) if is_text else number


def kind_named(name: str) -> Kind:
    """Return a kind of `KINDS`; ValueError for a misspelt name, which must not look like an empty list."""
    if name not in KINDS:
        raise ValueError(f"{name!r} is none of {', '.join(KINDS)}")
    return KINDS[name]
