"""Seal and open values with a key ring: AES-256-GCM, bound to the place where the value lies.

A sealed value is `version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The header and the
value's place (table, column, primary key) are associated data, so that a value moved to another row or column does
not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from hostaway_sync.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_VERSION = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES

KEY_FILE = "master.key"
KEYRING_ENTRY = ("hostaway-sync", "master-key")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lies; a value opens nowhere else."""

    table: str
    column: str
    primary_key: int

    def __bytes__(self) -> bytes:
        """Give the place as associated data."""
        return f"{self.table}:{self.column}:{self.primary_key}".encode()


class KeyRing:
    """One or more 256-bit keys; the first seals, all open."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = {_key_id(key): key for key in keys}
        if not self._keys:
            raise SecretError("the key ring is empty: set HOSTAWAY_SYNC_MASTER_KEY or HOSTAWAY_SYNC_MASTER_KEY_FILE")
        self._first = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Encrypt `value` so that it opens at `place` only."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header = _VERSION + self._first
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._first]).encrypt(
            nonce, value.get_secret_value().encode(), header + bytes(place)
        )
        return header + nonce + sealed

    def open(self, sealed: bytes, place: Place) -> SecretStr:
        """Decrypt a value sealed for `place`.

        Raises:
            SecretError: its key is not in the ring, or the value was damaged or moved.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        where = f"{place.table}.{place.column} of {place.primary_key}"
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if header[:1] != _VERSION or len(rest) <= _NONCE_BYTES:
            raise SecretError(f"{where} is not a sealed value: was it written by another program?")
        key = self._keys.get(header[1:])
        if key is None:
            raise SecretError(
                f"{where} is sealed with key {header[1:].hex()}, which this key ring does not hold: "
                "restore that key (HOSTAWAY_SYNC_MASTER_KEY or its file); a new one cannot open it"
            )
        try:
            opened = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + bytes(place))
        except InvalidTag:
            raise SecretError(f"{where} does not open: it was damaged, or moved from another row") from None
        return SecretStr(opened.decode())


def find_key_ring(configured: SecretStr | None, data_dir: Path, *, may_create: bool) -> KeyRing:
    """Give the key ring: from the settings, else the desktop's keyring on a terminal, else the key file.

    Args:
        configured: one or more keys in base64, separated by commas or white space; the first one seals.
        data_dir: where the key file lies.
        may_create: whether a missing key file may be created; never once something is sealed.

    Raises:
        SecretError: no key, or one that is not what it should be.
    """
    if configured is not None:
        return KeyRing(_decode(text) for text in configured.get_secret_value().replace(",", " ").split())
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            stored = _from_keyring()
            if stored is not None:
                return KeyRing([_decode(stored)])
            if not may_create:
                raise SecretError(
                    f"secrets are sealed in this database, but there is no key at {path} and HOSTAWAY_SYNC_MASTER_KEY "
                    "is not set: restore the key from your backup; a new one cannot open them"
                )
            _create(path)
        return KeyRing([_read(path)])
    except OSError as error:
        raise SecretError(
            f"the key file {path} cannot be used ({error.strerror}): make it readable, or set HOSTAWAY_SYNC_MASTER_KEY"
        ) from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"hostaway-sync key id" + key).digest()[:_KEY_ID_BYTES]


def _decode(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SecretError("a master key must be 32 bytes in base64: make one with `openssl rand -base64 32`")
    return key


def _from_keyring() -> str | None:
    """Ask the desktop's keyring, only where a person sits: its back ends may prompt, which would hang a cron run."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    with suppress(Exception):  # a broken back end raises anything; the key file is the answer then
        import keyring

        return keyring.get_password(*KEYRING_ENTRY)
    return None


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not named for the process: one that was killed here left its draft, and containers number theirs alike.
    descriptor, draft = tempfile.mkstemp(prefix=f"{KEY_FILE}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
            sys.stderr.write(
                f"hostaway-sync: created the master key {path}. Back it up: without it the stored secrets are lost.\n"
            )
    finally:
        os.unlink(draft)  # noqa: PTH108  (mkstemp names it as text)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> bytes:
    status = path.stat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise SecretError(f"{path} must belong to you and be readable by nobody else: chown it and `chmod 600 {path}`")
    return _decode(path.read_text(encoding="ascii", errors="replace"))
