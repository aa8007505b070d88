"""The door to the keys that stored secrets are sealed with: which there are, and changing them while all runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import SecretError, UsageError
from hostaway_sync.secrets import KeyFile
from hostaway_sync.store import sealing
from hostaway_sync.store.sealing import Passed

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hostaway_sync.secrets import KeyRing, KeySource
    from hostaway_sync.store.sealing import Trouble
    from hostaway_sync.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        key: its short id.
        values: how many are sealed with it.
        seals: it is the one that new values are sealed with.
        is_known: it is in the key ring; without it its values do not open.
    """

    key: str
    values: int
    seals: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The key ring, and what is sealed with it.

    Attributes:
        kind: where the keys come from: `variable`, `file`, `keyring` or `key_file`.
        source: the same, by the name an operator knows it by.
        keys: the ring's, the one that seals first, then those that it lacks.
        plain: values that should be sealed and are not.
    """

    kind: str
    source: str
    keys: tuple[Key, ...]
    plain: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        made: the short id of the key that it made; None: it made none.
        seals: the short id of the key that everything is sealed with now.
        resealed: values that were sealed anew.
        retired: short ids of the keys that it took out of the key file.
        unused: short ids of the keys that nothing is sealed with any more, and that are still there.
        troubles: values that do not open, and are as they were.
    """

    made: str | None
    seals: str
    resealed: int
    retired: tuple[str, ...]
    unused: tuple[str, ...]
    troubles: tuple[Trouble, ...]


class Keys:
    """The keys of one mirror.

    Args:
        wiring: finds the key ring; names the database.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._database = wiring.database

    def status(self) -> KeyStatus:
        """Say which keys there are, where they come from, and how much is sealed with each.

        Raises:
            SecretError: there is no key, or it may not be used.
        """
        ring, source = self._ring(may_create=False)
        counts = self._database.transaction(sealing.values_by_key)
        unknown = sorted(key for key in counts if key is not None and key not in ring.ids)
        keys = [Key(key, counts[key], key == ring.ids[0], is_known=True) for key in ring.ids]
        keys += [Key(key, counts[key], seals=False, is_known=False) for key in unknown]
        return KeyStatus(source.kind, source.name, tuple(keys), counts[None])

    def check(self) -> Passed:
        """Open everything that is sealed, and name what does not open.

        Raises:
            SecretError: there is no key, or it may not be used.
        """
        ring, _ = self._ring(may_create=False)
        return sealing.check(self._database, ring)

    def rotate(self, *, retire: bool = False) -> Rotation:
        """Seal everything with the first key; where that is so already and the key file is used, with a new one.

        So a rotation that was killed is finished by the next, which makes no further key. With `retire` the keys that
        nothing is sealed with any more are taken out of the key file: no backup of the database opens without them.

        Raises:
            UsageError: keys that do not come from the key file are to be retired.
            SecretError: there is no key; or there is but one, and it is not in the key file.
        """
        ring, source = self._ring(may_create=True)
        if retire and not isinstance(source, KeyFile):
            raise UsageError(f"--retire changes the key file, but the keys come from {source.name}: take it away there")
        passed = self._resealed(ring)
        made = None
        if not passed.resealed and isinstance(source, KeyFile):
            before = ring.ids[0]
            self._database.transaction(lambda connection: _put_new_first(connection, ring, source, before))
            made = ring.ids[0]
            passed = self._resealed(ring)
        elif not passed.resealed and len(ring.ids) == 1:
            raise SecretError(
                f"the one key there is comes from {source.name}: put a new one before it, separated by a comma, "
                "and run this again; then the old one may go"
            )
        retired: tuple[str, ...] = ()
        if retire and isinstance(source, KeyFile):
            retired = self._database.transaction(lambda connection: _retired(connection, ring, source))
        counts = self._database.transaction(sealing.values_by_key)
        unused = tuple(key for key in ring.ids[1:] if not counts[key])
        return Rotation(made, ring.ids[0], passed.resealed, retired, unused, passed.troubles)

    def _ring(self, *, may_create: bool) -> tuple[KeyRing, KeySource]:
        ring = self._wiring.key_ring(may_create=may_create)
        return ring, ring.source

    def _resealed(self, ring: KeyRing) -> Passed:
        """Seal everything with the first key, whatever else is stored meanwhile."""
        self._database.transaction(lambda connection: _hold(connection, ring))
        whole = Passed()
        while True:
            passed = sealing.reseal(self._database, ring)
            whole = Passed(passed.seen, whole.resealed + passed.resealed, 0, passed.troubles)
            if not passed.resealed and not passed.overtaken:
                return whole


def _hold(connection: sa.Connection, ring: KeyRing) -> None:
    """Wait for those who may have read the keys before they were changed; whoever seals later has read them anew."""
    sealing.hold_keys_alone(connection)
    ring.refresh()


def _put_new_first(connection: sa.Connection, ring: KeyRing, key_file: KeyFile, before: str) -> None:
    _hold(connection, ring)
    if ring.ids[0] == before:  # else another rotation was first: its key will do
        key_file.put_new_first()
        ring.refresh()


def _retired(connection: sa.Connection, ring: KeyRing, key_file: KeyFile) -> tuple[str, ...]:
    _hold(connection, ring)
    counts = sealing.values_by_key(connection)
    unused = tuple(key for key in ring.ids[1:] if not counts[key])
    if unused:
        key_file.drop(unused)
        ring.refresh()
    return unused
