r"""The Protocols of secrets stores, and the bytes that a row holds for a secret in an external store.

The first byte of a sealed column tells where the secret lies, whatever the settings say:

    \x01 …              sealed with a key of the ring: the value itself
    \x02 store:version  in an external store: its version there; the place gives the rest of its name

A version is written once and never changed: a row names the version that it was committed with, and a secret that was
read once stays valid. Another store needs one more file like `aws`, and a line in `outside_stores`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

DATABASE: Final = "database"
_POINTER: Final = b"\x02"
_VERSION_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a sealed value; it opens at this place only."""

    table: str
    column: str
    primary_key: int

    def __bytes__(self) -> bytes:
        """Return the place as associated data."""
        return f"{self.table}:{self.column}:{self.primary_key}".encode()

    def __str__(self) -> str:
        """Return the place as error messages name it."""
        return f"{self.table}.{self.column} of {self.primary_key}"


class SecretReader(Protocol):
    """Reads secrets."""

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Return the secret for the bytes `kept` in a row.

        Raises:
            SecretGone: the store does not hold the secret.
            SecretError: the secret cannot be opened, or access is denied.
            SecretsUnavailable: the store is down.
        """
        ...


class SecretWriter(SecretReader, Protocol):
    """Writes and reads secrets."""

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Store a secret as a new version; return the bytes for its row. Raises the errors of `open`."""
        ...


class SecretsStore(SecretWriter, Protocol):
    """A secrets store: the database, with the key ring, or an external one.

    Attributes:
        kind: its name in the setting.
        name: its name for an operator.
    """

    kind: str
    name: str

    def discard(self, kept: bytes, place: Place) -> None:
        """Delete a version if it exists. Raises SecretError, SecretsUnavailable."""
        ...

    def list_versions(self) -> Iterator[tuple[Place, bytes]]:
        """Yield all versions in an external store, as rows hold them. Raises SecretError, SecretsUnavailable."""
        ...


def generate_version() -> str:
    """Return a random name for a version."""
    return secrets.token_hex(_VERSION_BYTES)


def format_pointer(kind: str, version: str) -> bytes:
    """Return the bytes that a row holds for a secret in an external store."""
    return _POINTER + f"{kind}:{version}".encode()


def read_store_kind(kept: bytes) -> str:
    """Return the kind of the store that holds a secret, from the bytes in its row."""
    return _parts(kept)[0] if kept.startswith(_POINTER) else DATABASE


def read_version(kept: bytes) -> str:
    """Return the version in an external store, from the bytes in a row."""
    return _parts(kept)[1]


def format_path(place: Place, version: str) -> str:
    """Return the name of a version, without the store's prefix."""
    return f"{place.table}/{place.primary_key}/{place.column}/{version}"


def parse_path(path: str) -> tuple[Place, str] | None:
    """Return the place and the version of a name from `format_path`, or None for any other name."""
    parts = path.split("/")
    if len(parts) != len(("table", "primary key", "column", "version")) or not parts[1].isdecimal():
        return None
    return Place(parts[0], parts[2], int(parts[1])), parts[3]


def _parts(kept: bytes) -> tuple[str, str]:
    kind, _, version = kept[len(_POINTER) :].decode(errors="replace").partition(":")
    return kind, version
