"""Where secrets are stored and the keys that seal them: status, check, move and rotation while everything runs."""

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
    """One key of the ring, or one that the ring lacks.

    Attributes:
        key: its short id.
        values: how many values it seals.
        seals: new values are sealed with it.
        is_known: it is in the key ring; otherwise its values do not open.
    """

    key: str
    values: int
    seals: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Where secrets are stored, the key ring, and what it seals.

    Attributes:
        store: where new secrets are stored: `database`, `aws` or `vault`.
        leaving: the old store of a move that is not finished; None: no move is.
        kind: where the keys come from: `variable`, `file`, `keyring` or `key_file`; None: no secret is in the database,
            and no key is needed.
        source: the place of the keys, or the store outside the database, as an operator calls it.
        keys: the keys of the ring, the one that seals first; then keys that the ring lacks.
        plain: values that should be sealed and are not.
        outside: values that are stored outside the database.
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
    """The result of opening every secret, and how many secrets outside the database belong to no row."""

    passed: PassResult
    orphans: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        made: the short id of the key that it created; None: no key.
        seals: the short id of the key that seals everything now.
        resealed: how many values were sealed anew.
        retired: short ids of the keys that it removed from the key file.
        unused: short ids of the keys that seal nothing any more, and are still in the ring.
        troubles: values that do not open, and were left as they are.
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
        container: finds the key ring, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @property
    def wanted_store(self) -> str:
        """The store that the settings name."""
        return self._container.settings.secrets_store

    def status(self) -> KeyStatus:
        """Return the keys, where they come from, and how many values each seals.

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
        """Open every secret in every store, and report those that do not open.

        Raises:
            SecretError: there is no key, or it may not be used.
            SecretsUnavailable: the store outside the database does not answer.
        """
        placement = self._database.transaction(secret_placement.read_placement)
        if placement.store == DATABASE:
            self._ring(may_create=False)
        vault = self._container.vault(any_placement=True)
        orphans = sum(len(secret_transfer.find_orphans(self._database, vault, kind)) for kind in _outside(placement))
        return Checked(sealing.check_secrets(self._database, vault), orphans)

    def move(self, target: str) -> TransferResult:
        """Move all secrets to `target` (`database`, `aws`, `vault`) while everything runs, or continue a move.

        Raises:
            LeaseHeld: another move is under way.
            ConfigurationError: one of the stores cannot be used from here.
            SecretsUnavailable: one of the stores does not answer.
        """
        if target == DATABASE:
            self._ring(may_create=True)
        return secret_transfer.move_secrets(self._database, self._container.vault(any_placement=True), target)

    def rotate(self, *, retire: bool = False) -> Rotation:
        """Seal everything with the first key; if it does already and comes from the key file, with a new key.

        So the next call finishes a rotation that was killed, and creates no second key. `retire` removes keys that seal
        nothing any more from the key file: older backups of the database do not open without them.

        Raises:
            UsageError: `retire` with keys from elsewhere than the key file; or secrets are not in the database.
            SecretError: there is no key; or only one, and it is not in the key file.
        """
        placement = self._database.transaction(secret_placement.read_placement)
        if placement.store != DATABASE:
            raise UsageError(
                f"secrets are stored in {placement.store}, which seals them with keys of its own: change those there; "
                f"`hostaway-sync keys move --to {placement.store}` moves what is still in the database"
            )
        ring, source = self._ring(may_create=True)
        if retire and not isinstance(source, KeyFile):
            raise UsageError(
                f"--retire changes the key file, but the keys come from {source.name}: remove the old key there"
            )
        passed = self._reseal(ring)
        made = None
        if not passed.resealed and isinstance(source, KeyFile):
            before = ring.ids[0]
            self._database.transaction(lambda connection: _put_new_first(connection, ring, source, before))
            made = ring.ids[0]
            passed = self._reseal(ring)
        elif not passed.resealed and len(ring.ids) == 1:
            raise SecretError(
                f"the only key comes from {source.name}: put a new key before it, separated by a comma, "
                "and run this command again; then remove the old key"
            )
        retired: tuple[str, ...] = ()
        if retire and isinstance(source, KeyFile):
            retired = self._database.transaction(lambda connection: _retire_unused(connection, ring, source))
        counts = self._database.transaction(sealing.values_by_key)
        unused = tuple(key for key in ring.ids[1:] if not counts[key])
        return Rotation(made, ring.ids[0], passed.resealed, retired, unused, passed.troubles)

    def _ring(self, *, may_create: bool) -> tuple[KeyRing, KeySource]:
        ring = self._container.key_ring(may_create=may_create)
        return ring, ring.source

    def _reseal(self, ring: KeyRing) -> PassResult:
        """Seal everything with the first key, values that are stored meanwhile, too."""
        self._database.transaction(lambda connection: _hold_keys(connection, ring))
        whole = PassResult()
        while True:
            passed = sealing.reseal_secrets(self._database, ring)
            whole = PassResult(passed.seen, whole.resealed + passed.resealed, 0, passed.troubles)
            if not passed.resealed and not passed.overtaken:
                return whole


def _outside(placement: Placement) -> list[str]:
    return [kind for kind in (placement.store, placement.leaving) if kind not in (None, DATABASE)]


def _hold_keys(connection: sa.Connection, ring: KeyRing) -> None:
    """Wait for processes that seal with keys read before; every later one reads the keys anew."""
    sealing.lock_keys_exclusively(connection)
    ring.refresh()


def _put_new_first(connection: sa.Connection, ring: KeyRing, key_file: KeyFile, before: str) -> None:
    _hold_keys(connection, ring)
    if ring.ids[0] == before:  # otherwise another rotation was first, and its key is new enough
        key_file.prepend_new_key()
        ring.refresh()


def _retire_unused(connection: sa.Connection, ring: KeyRing, key_file: KeyFile) -> tuple[str, ...]:
    _hold_keys(connection, ring)
    counts = sealing.values_by_key(connection)
    unused = tuple(key for key in ring.ids[1:] if not counts[key])
    if unused:
        key_file.remove_keys(unused)
        ring.refresh()
    return unused
