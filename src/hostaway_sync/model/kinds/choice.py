"""Which of the resources beyond the first four are mirrored, as an operator chooses them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostaway_sync.model.kinds.kind import Kind

CALENDAR: Final = "calendar"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class ResourceChoice:
    """The resources beyond the first four that are mirrored."""

    kinds: tuple[Kind, ...] = ()
    has_calendar: bool = False


def choose_resources(names: Iterable[str], known: Sequence[Kind]) -> ResourceChoice:
    """Return the resources that these names choose.

    Args:
        names: of sets, or of single resources; `none` alone: no resource.
        known: all kinds of the platform; the calendar is no kind, and is part of the set `default`.

    Raises:
        ValueError: a name is unknown; the message lists those that are known.
    """
    wanted = frozenset(names)
    sets, kinds = {one.value for one in ResourceSet}, {kind.name for kind in known}
    if wanted == {NONE}:
        return ResourceChoice()
    if unknown := sorted(wanted - sets - kinds - {CALENDAR}):
        raise ValueError(
            f"names {unknown[0]!r}, but there are only the sets {', '.join(sorted(sets))}, the resources "
            f"{', '.join([CALENDAR, *sorted(kinds)])}, and `{NONE}` alone"
        )
    return choose_known_resources(wanted, known)


def choose_known_resources(names: Iterable[str], known: Sequence[Kind]) -> ResourceChoice:
    """Return the resources that stored names choose; a name that only another version knows chooses none."""
    wanted = frozenset(names)
    return ResourceChoice(
        tuple(kind for kind in known if kind.name in wanted or kind.resource_set.value in wanted),
        has_calendar=bool(wanted & {CALENDAR, ResourceSet.DEFAULT.value}),
    )
