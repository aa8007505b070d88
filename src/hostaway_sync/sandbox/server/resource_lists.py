"""The other resources as a request asks for them: filtered, sorted, and the refusals of filters that are too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import DAY, day_text, parse_day

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.sandbox.rows.resources.kind import Key, Kind, Source
    from hostaway_sync.sandbox.server.request import Request
    from hostaway_sync.sandbox.world.world import World

Test = tuple[str, str, tuple[str, ...]]
"""(how, key, wanted) of one filter that a request sets."""


class ResourceLists:
    """The keys of one account's lists; the last answer of each kind is kept until an object changes.

    Callers hold the `lock` of the world.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._kept: dict[str, tuple[tuple[object, ...], list[Key]]] = {}
        self._asked = 0

    def keys(self, kind: Kind, source: Source, request: Request) -> list[Key]:
        """Return the keys of the objects that a request asks for, in its order."""
        sort = request.query.get("sortBy", "")
        sort = sort if sort in kind.sorts and self.world.switches.sort_parameters == "honoured" else ""
        down = bool(sort) and request.query.get("sortOrder", "desc") != "asc"
        today = int(request.time) // DAY
        tests = filter_tests(kind, request)
        asked = (self.world.others.revision, source.owner_id, sort, down, today, *tests)
        kept = self._kept.get(kind.name)
        if kept is None or kept[0] != asked or kind.owner != "account":
            # Objects of a reservation follow it without a change of their own: they are read each time.
            kept = (asked, self._read(kind, source, tests, sort or kind.order, day_text(today), down=down))
            self._kept[kind.name] = kept
        moves = self.world.switches.moves_default_order and kind.sorts and not sort
        return self._moved(kept[1]) if moves else kept[1]

    def _read(self, kind: Kind, source: Source, tests: list[Test], sort: str, today: str, *, down: bool) -> list[Key]:
        others = self.world.others
        keys = others.keys(kind, source)
        if sort == "id" and not tests:
            return sorted(keys, key=_id_rank, reverse=down)
        rows = [(key, others.get(kind, source, key)) for key in keys]
        chosen = [(key, row) for key, row in rows if all(_passes(row, *test) for test in tests)]
        chosen.sort(key=lambda entry: _id_rank(entry[0]), reverse=down)
        _sort(chosen, sort, today, down=down)
        return [key for key, _ in chosen]

    def _moved(self, keys: list[Key]) -> list[Key]:
        self._asked += 1
        places = sorted(range(len(keys)), key=lambda place: mix(place + (self._asked << 32)))
        return [keys[place] for place in places]


def _id_rank(key: Key) -> tuple[int, str]:
    text = str(key)
    return len(text) if text.isdigit() else 0, text


def _rank(value: object) -> tuple[int, float, str]:
    """Return a place among values of any type; nothing stands first."""
    if value is None:
        return 0, 0, ""
    return (1, value, "") if isinstance(value, int | float) else (2, 0, str(value))


def _sort(rows: list[tuple[Key, Any]], sort: str, today: str, *, down: bool) -> None:
    """Sort rows in place; equal ones keep their order."""
    if sort.startswith("upcoming:"):
        name = sort.removeprefix("upcoming:")
        rows.sort(key=lambda entry: str(entry[1].get(name) or ""), reverse=True)
        coming = [entry for entry in rows if str(entry[1].get(name) or "")[:10] >= today]
        rows[:] = coming[::-1] + rows[len(coming) :]
    elif sort != "id":
        name = sort.removeprefix("-")
        rows.sort(key=lambda entry: _rank(entry[1].get(name)), reverse=down or sort.startswith("-"))


def filter_tests(kind: Kind, request: Request) -> list[Test]:
    """Return the filters of a kind that a request sets; those that are malformed are ignored."""
    tests: list[Test] = []
    for parameter, how, key in kind.filters:
        value = request.query.get(parameter)
        if how in ("in", "any"):
            wanted = request.values(parameter)
            if how == "any" and value:
                wanted = [*wanted, *value.split(",")]
            if wanted:
                tests.append(("in", key, tuple(wanted)))
        elif value and (how not in ("from", "until") or parse_day(value[:10]) is not None):
            tests.append((how, key, (value,)))
    return tests


def filter_refusal(kind: Kind, tests: Iterable[Test]) -> str:
    """Return why filters are too large for a kind; "" when they are not."""
    ends: dict[str, dict[str, int]] = {}
    for how, key, wanted in tests:
        if how == "in" and kind.most_values and len(wanted) > kind.most_values:
            return f"{key}: {kind.most_values} values at most"
        if how in ("from", "until"):
            ends.setdefault(key, {})[how] = parse_day(wanted[0][:10]) or 0
    for key, pair in ends.items():
        if kind.longest_days and len(pair) > 1 and pair["until"] - pair["from"] > kind.longest_days:
            return f"{key}: {kind.longest_days} days at most"
    return ""


def _passes(row: Any, how: str, key: str, wanted: tuple[str, ...]) -> bool:  # noqa: ANN401  (any object)
    value = row.get(key)
    text = "" if value is None else str(value)
    if how in ("is", "in"):
        return text in wanted
    if how == "text":
        return wanted[0].casefold() in text.casefold()
    if how == "filled":
        return bool(text) == (wanted[0] == "1")
    day = text[: len(wanted[0])]
    return day >= wanted[0] if how == "from" else bool(day) and day <= wanted[0]
