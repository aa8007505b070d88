"""Which objects a whole reading of their list shows to be gone.

One reading proves nothing: an object is gone when two whole readings, some time apart, left it out. Of many that are
gone at once none is marked, unless a person accepts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

UNLISTED_FOR: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class LiveObject:
    """A row that is not marked as gone.

    Attributes:
        id: the platform's id, as text.
        unlisted_since: start of the first whole reading that left it out; None: the last one listed it.
        is_older: its row was written before the reading began; one that was written since is there.
    """

    id: str
    unlisted_since: datetime | None = None
    is_older: bool = True


@dataclass(frozen=True, slots=True)
class Absences:
    """What a whole reading shows of the objects that it left out, by their ids.

    Attributes:
        first: left out for the first time.
        gone: to be marked.
        again: left out before, and listed now.
        are_doubted: suspiciously many are gone at once, so none is to be marked.
        unlisted: how many were left out, of all lists of the kind.
        live: how many there are in them.
    """

    first: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    are_doubted: bool = False
    unlisted: int = 0
    live: int = 0


def judge_absences(
    live: Iterable[LiveObject],
    met: Collection[str],
    began_at: datetime,
    *,
    unread: Iterable[str] = (),
    elsewhere: tuple[int, int] = (0, 0),
    is_sudden: Callable[[int, int], bool],
    accept: bool = False,
) -> Absences:
    """Return which live objects are gone, after a whole reading.

    Args:
        live: the objects of the list.
        met: the ids that the reading met.
        began_at: when its first answer was asked for.
        unread: how the ids of objects begin of which the reading shows nothing.
        elsewhere: of the kind's other lists, how many objects are unlisted, and how many live; a failure of the
            platform empties many short lists, each of which alone would be believed.
        is_sudden: whether so many unlisted of so many live objects are suspicious.
        accept: a person accepts that so many are gone at once: all are marked.
    """
    objects, unknown = list(live), tuple(unread)
    unlisted = [one for one in objects if one.id not in met and one.is_older and not one.id.startswith(unknown)]
    left_out, known = len(unlisted) + elsewhere[0], len(objects) + elsewhere[1]
    is_doubtful = bool(unlisted) and is_sudden(left_out, known)
    gone = [one.id for one in unlisted if (accept and is_doubtful) or _is_long_unlisted(one, began_at)]
    return Absences(
        first=tuple(one.id for one in unlisted if one.unlisted_since is None),
        gone=() if is_doubtful and not accept else tuple(gone),
        again=tuple(one.id for one in objects if one.id in met and one.unlisted_since is not None),
        are_doubted=is_doubtful and not accept,
        unlisted=left_out,
        live=known,
    )


def _is_long_unlisted(one: LiveObject, began_at: datetime) -> bool:
    return one.unlisted_since is not None and began_at - one.unlisted_since >= UNLISTED_FOR
