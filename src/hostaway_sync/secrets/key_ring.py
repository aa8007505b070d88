"""The key ring: seals and opens values with one or more master keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import SecretStr

from hostaway_sync.errors import SecretError
from hostaway_sync.secrets.protocols import DATABASE, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION: Final = b"\x01"
_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = len(VERSION) + _KEY_ID_BYTES
MIN_SEALED_BYTES: Final = _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES


class KeySource(Protocol):
    """A source of keys.

    Attributes:
        kind: `variable`, `file`, `keyring` or `key_file`.
        name: its name for an operator.
    """

    kind: str
    name: str

    def read(self) -> tuple[bytes, ...]:
        """Return the current keys, the one that seals first; raises SecretError."""
        ...


class InMemoryKeys:
    """A source of fixed keys.

    Args:
        keys: the keys.
    """

    kind = "variable"
    name = "the caller"

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = keys

    def read(self) -> tuple[bytes, ...]:
        """Return the keys."""
        return self._keys


class KeyRing:
    """One or more 256-bit keys: the first one seals, all open. It is the secrets store of the database.

    Args:
        keys: the keys.
        source: the source of the keys. It is read again before each sealing, and to open a value of an unknown key,
            because keys may change while a process runs.
    """

    kind = DATABASE
    name = "the database"

    def __init__(self, keys: Iterable[bytes], source: KeySource | None = None) -> None:
        self._keys = _by_id(keys)
        self.source = source or InMemoryKeys(tuple(self._keys.values()))
        self._former: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"

    @property
    def ids(self) -> tuple[str, ...]:
        """The short ids of the keys, the one that seals first."""
        return tuple(key_id.hex() for key_id in self._keys)

    def refresh(self) -> None:
        """Read the keys from their source again; keys that were removed still open values.

        Raises:
            SecretError: the keys cannot be read.
        """
        found = _by_id(self.source.read())
        self._former |= self._keys
        self._keys = found

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Encrypt `value` so that it opens at `place` only.

        Raises:
            SecretError: the keys cannot be read any more.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.refresh()
        key_id, key = next(iter(self._keys.items()))
        header = VERSION + key_id
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, value.get_secret_value().encode(), header + bytes(place))
        return header + nonce + sealed

    def open(self, sealed: bytes, place: Place) -> SecretStr:
        """Decrypt a value sealed for `place`.

        Raises:
            SecretError: its key is not in the ring, or the value was damaged or moved.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if read_key_id(sealed) is None:
            raise SecretError(
                f"{place} is not a sealed value: was it written by another program? "
                "`hostaway-sync keys rotate` seals what is plain text"
            )
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        key = self._key(header[len(VERSION) :])
        if key is None:
            raise SecretError(
                f"{place} is sealed with key {read_key_id(sealed)}, which this key ring does not hold: "
                "restore that key (HOSTAWAY_SYNC_MASTER_KEY or its file); a new one cannot open it"
            )
        try:
            opened = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + bytes(place))
        except InvalidTag:
            raise SecretError(f"{place} does not open: it was damaged, or moved from another row") from None
        return SecretStr(opened.decode())

    def discard(self, kept: bytes, place: Place) -> None:
        """Do nothing: a sealed value is deleted with its row."""

    def list_versions(self) -> Iterator[tuple[Place, bytes]]:
        """Return no versions: a sealed value lies in its row alone."""
        return iter(())

    def _key(self, key_id: bytes) -> bytes | None:
        if key_id not in self._keys and key_id not in self._former:
            self.refresh()
        return self._keys.get(key_id) or self._former.get(key_id)


def read_key_id(value: bytes) -> str | None:
    """Return the short id of the key that sealed a value, or None if it is not sealed."""
    is_sealed = value.startswith(VERSION) and len(value) >= MIN_SEALED_BYTES
    return value[len(VERSION) : _HEADER_BYTES].hex() if is_sealed else None


def read_plain_text(value: bytes) -> SecretStr | None:
    """Return the text of a value that should be sealed and is plain text; None if it is sealed, or no text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return SecretStr(text) if text.isprintable() else None


def generate_key() -> bytes:
    """Return a new random key."""
    return os.urandom(_KEY_BYTES)


def format_keys(keys: Iterable[bytes]) -> str:
    """Return keys in the format of a key file, one per line."""
    return "".join(base64.b64encode(key).decode() + "\n" for key in keys)


def read_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys in a text: base64, separated by commas or white space.

    Raises:
        SecretError: there is no key, or one is invalid.
    """
    return tuple(_by_id(map(_decoded, text.replace(",", " ").split())).values())


def _by_id(keys: Iterable[bytes]) -> dict[bytes, bytes]:
    found = {_id_of(key): key for key in keys}
    if not found:
        raise SecretError("the key ring is empty: set HOSTAWAY_SYNC_MASTER_KEY or HOSTAWAY_SYNC_MASTER_KEY_FILE")
    return found


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"hostaway-sync key id" + key).digest()[:_KEY_ID_BYTES]


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SecretError("a master key must be 32 bytes in base64: make one with `openssl rand -base64 32`")
    return key
