r"""Where secrets lie: what every store of them can do, and what a row keeps of a secret that lies outside the database.

A row keeps bytes in each sealed column, and their beginning says where the secret lies, whatever the settings say:

    \x01 …              sealed with a key of the ring: the value itself
    \x02 store:version  in a store outside: which version there; the place makes up the rest of its name

A version is written once and never changed, so a row names what it was committed with or nothing, and what was read
once needs no second look. Another store is one more file like `aws`, and a line in the container.
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
    """Where a sealed value lies; a value opens nowhere else."""

    table: str
    column: str
    primary_key: int

    def __bytes__(self) -> bytes:
        """Give the place as associated data."""
        return f"{self.table}:{self.column}:{self.primary_key}".encode()

    def __str__(self) -> str:
        """Give the place as sentences name it."""
        return f"{self.table}.{self.column} of {self.primary_key}"


class SecretReader(Protocol):
    """Whatever gives secrets back."""

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Give the secret that a row keeps these bytes of.

        Raises:
            SecretGone: it is not there (any more).
            SecretError: it cannot be opened, or we may not.
            SecretsUnavailable: the store is away.
        """
        ...


class SecretWriter(SecretReader, Protocol):
    """Whatever takes secrets, and gives them back."""

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Keep a secret, as a version of its own; give what its row is to keep. Raises as `open`."""
        ...


class SecretsStore(SecretWriter, Protocol):
    """One kind of place for secrets: the key ring for the database, others outside of it.

    Attributes:
        kind: as the setting names it.
        name: what an operator knows it by.
    """

    kind: str
    name: str

    def discard(self, kept: bytes, place: Place) -> None:
        """Delete a version; one that is not there is no error. Raises SecretError, SecretsUnavailable."""
        ...

    def list_versions(self) -> Iterator[tuple[Place, bytes]]:
        """Give every version there is outside, as rows keep it. Raises SecretError, SecretsUnavailable."""
        ...


def generate_version() -> str:
    """Draw the name of a version."""
    return secrets.token_hex(_VERSION_BYTES)


def format_pointer(kind: str, version: str) -> bytes:
    """Give what a row keeps of a secret that lies in a store outside."""
    return _POINTER + f"{kind}:{version}".encode()


def read_store_kind(kept: bytes) -> str:
    """Say in which store a secret lies, by what its row keeps of it."""
    return _parts(kept)[0] if kept.startswith(_POINTER) else DATABASE


def read_version(kept: bytes) -> str:
    """Give the version that a row names in a store outside."""
    return _parts(kept)[1]


def format_path(place: Place, version: str) -> str:
    """Give the name of a version, below whatever the store's names begin with."""
    return f"{place.table}/{place.primary_key}/{place.column}/{version}"


def parse_path(path: str) -> tuple[Place, str] | None:
    """Give place and version of a name that `format_path` made; None: it did not."""
    parts = path.split("/")
    if len(parts) != len(("table", "primary key", "column", "version")) or not parts[1].isdecimal():
        return None
    return Place(parts[0], parts[2], int(parts[1])), parts[3]


def _parts(kept: bytes) -> tuple[str, str]:
    kind, _, version = kept[len(_POINTER) :].decode(errors="replace").partition(":")
    return kind, version
