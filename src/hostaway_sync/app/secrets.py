"""The door to where secrets lie and the keys that seal them: which there are, and changing both while all runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.errors import SecretError, UsageError
from hostaway_sync.secrets import DATABASE, KeyFile
from hostaway_sync.store.secrets import placement as secret_placement
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets import transfer as secret_transfer
from hostaway_sync.store.secrets.sealing import PassResult

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hostaway_sync.app.container import Container
    from hostaway_sync.secrets import KeyRing, KeySource
    from hostaway_sync.store.secrets.placement import Placement
    from hostaway_sync.store.secrets.sealing import UnreadableSecret
    from hostaway_sync.store.secrets.transfer import TransferResult


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
    """Where secrets lie; the key ring, and what is sealed with it.

    Attributes:
        store: where secrets are put: `database` or `aws`.
        leaving: where some still lie, because a move was not finished; None: none was begun.
        kind: where the keys come from: `variable`, `file`, `keyring` or `key_file`; None: nothing is in the database,
            and none are needed.
        source: the same, or the store outside, by the name an operator knows it by.
        keys: the ring's, the one that seals first, then those that it lacks.
        plain: values that should be sealed and are not.
        outside: values that lie outside the database.
    """

    store: str
    leaving: str | None
    kind: str | None
    source: str
    keys: tuple[Key, ...]
    plain: int
    outside: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What opening everything showed: `passed`, and how many secrets outside are named by no row."""

    passed: PassResult
    orphans: int


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
    troubles: tuple[UnreadableSecret, ...]


class Secrets:
    """The stored secrets of one mirror, and the keys that seal them.

    Args:
        container: finds the key ring; names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @property
    def wanted_store(self) -> str:
        """Where the settings say that secrets lie."""
        return self._container.settings.secrets_store

    def status(self) -> KeyStatus:
        """Say which keys there are, where they come from, and how much is sealed with each.

        Raises:
            SecretError: there is no key, or it may not be used.
        """
        placement = self._database.transaction(secret_placement.read_placement)
        stores = self._database.transaction(sealing.values_by_store)
        outside = stores.total() - stores[DATABASE]
        counts = self._database.transaction(sealing.values_by_key)
        if DATABASE not in (placement.store, placement.leaving):
            name = self._container.vault(any_placement=True).open_store(placement.store).name
            return KeyStatus(placement.store, placement.leaving, None, name, (), counts[None], outside)
        ring, source = self._ring(may_create=False)
        unknown = sorted(key for key in counts if key is not None and key not in ring.ids)
        keys = [Key(key, counts[key], key == ring.ids[0], is_known=True) for key in ring.ids]
        keys += [Key(key, counts[key], seals=False, is_known=False) for key in unknown]
        return KeyStatus(
            placement.store, placement.leaving, source.kind, source.name, tuple(keys), counts[None], outside
        )

    def check(self) -> Checked:
        """Open every secret wherever it lies, and name what does not open.

        Raises:
            SecretError: there is no key, or it may not be used.
            SecretsUnavailable: the store outside is away.
        """
        placement = self._database.transaction(secret_placement.read_placement)
        if placement.store == DATABASE:
            self._ring(may_create=False)
        vault = self._container.vault(any_placement=True)
        orphans = sum(len(secret_transfer.find_orphans(self._database, vault, kind)) for kind in _outside(placement))
        return Checked(sealing.check_secrets(self._database, vault), orphans)

    def move(self, target: str) -> TransferResult:
        """Bring all secrets to `target`, `database` or `aws`, while everything runs; a cut move goes on.

        Raises:
            LeaseHeld: another move is at work.
            ConfigurationError: one of the stores cannot be used from here.
            SecretsUnavailable: one of them is away.
        """
        if target == DATABASE:
            self._ring(may_create=True)
        return secret_transfer.move_secrets(self._database, self._container.vault(any_placement=True), target)

    def rotate(self, *, retire: bool = False) -> Rotation:
        """Seal everything with the first key; where that is so already and the key file is used, with a new one.

        So a rotation that was killed is finished by the next, which makes no further key. With `retire` the keys that
        nothing is sealed with any more are taken out of the key file: no backup of the database opens without them.

        Raises:
            UsageError: keys that do not come from the key file are to be retired; or no secret is sealed with ours.
            SecretError: there is no key; or there is but one, and it is not in the key file.
        """
        placement = self._database.transaction(secret_placement.read_placement)
        if placement.store != DATABASE:
            raise UsageError(
                f"secrets lie in {placement.store}, which seals them with keys of its own: change those there; "
                f"`hostaway-sync keys move --to {placement.store}` brings there what still lies in the database"
            )
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
        ring = self._container.key_ring(may_create=may_create)
        return ring, ring.source

    def _resealed(self, ring: KeyRing) -> PassResult:
        """Seal everything with the first key, whatever else is stored meanwhile."""
        self._database.transaction(lambda connection: _hold(connection, ring))
        whole = PassResult()
        while True:
            passed = sealing.reseal_secrets(self._database, ring)
            whole = PassResult(passed.seen, whole.resealed + passed.resealed, 0, passed.troubles)
            if not passed.resealed and not passed.overtaken:
                return whole


def _outside(placement: Placement) -> list[str]:
    return [kind for kind in (placement.store, placement.leaving) if kind not in (None, DATABASE)]


def _hold(connection: sa.Connection, ring: KeyRing) -> None:
    """Wait for those who may have read the keys before they were changed; whoever seals later has read them anew."""
    sealing.lock_keys_exclusively(connection)
    ring.refresh()


def _put_new_first(connection: sa.Connection, ring: KeyRing, key_file: KeyFile, before: str) -> None:
    _hold(connection, ring)
    if ring.ids[0] == before:  # else another rotation was first: its key will do
        key_file.prepend_new_key()
        ring.refresh()


def _retired(connection: sa.Connection, ring: KeyRing, key_file: KeyFile) -> tuple[str, ...]:
    _hold(connection, ring)
    counts = sealing.values_by_key(connection)
    unused = tuple(key for key in ring.ids[1:] if not counts[key])
    if unused:
        key_file.remove_keys(unused)
        ring.refresh()
    return unused
