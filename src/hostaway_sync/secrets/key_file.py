"""The key file in the data directory: created with the first secret, and changed only by `keys rotate`."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hostaway_sync.environment.trusted_files import open_plain
from hostaway_sync.environment.whole_files import flush_directory
from hostaway_sync.errors import SecretError, UntrustedFile
from hostaway_sync.secrets.key_ring import KeyRing, format_keys, generate_key, read_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

KEY_FILE: Final = "master.key"
_LONGEST: Final = 1024 * 1024


class KeyFile:
    """A file with the master keys of this machine, one per line, which only its owner may read.

    Args:
        path: its path.
    """

    kind = "key_file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def exists(self) -> bool:
        """Whether the file exists; raises SecretError if that cannot be checked."""
        with self._translated():
            return self.path.exists()

    def read(self) -> tuple[bytes, ...]:
        """Return its keys.

        Raises:
            SecretError: the file cannot be read, or other users may read it too.
        """
        # The file is opened before it is checked, because the name may lead elsewhere a moment later. A link is
        # allowed, as a way to keep the file elsewhere; the file that it leads to must be as private.
        with self._translated(), os.fdopen(self._open(), encoding="ascii", errors="replace") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise SecretError(
                    f"{self.path} must belong to you, and no other user may read it: "
                    f"chown it and `chmod 600 {self.path}`"
                )
            return read_keys(file.read(_LONGEST))

    def _open(self) -> int:
        try:
            return open_plain(self.path, follow=True)
        except UntrustedFile as error:
            raise SecretError(str(error)) from None

    def create(self) -> None:
        """Create the file with a new key, unless another process creates it first.

        Raises:
            SecretError: the file cannot be created.
        """
        with self._translated():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._draft(self.path, (generate_key(),)) as draft, suppress(FileExistsError):
                os.link(draft, self.path)
                _warn(f"created the master key {self.path}. Back it up: without it the stored secrets are lost.")

    def prepend_new_key(self) -> None:
        """Add a new key before the existing ones.

        Raises:
            SecretError: the file cannot be read or written.
        """
        self._replace((generate_key(), *self.read()))
        _warn(f"put a new key in front of {self.path}. Back it up: without it the stored secrets are lost.")

    def remove_keys(self, ids: Collection[str]) -> None:
        """Remove the keys with these short ids.

        Raises:
            SecretError: the file cannot be read or written.
        """
        self._replace(tuple(key for key in self.read() if KeyRing([key]).ids[0] not in ids))

    def _replace(self, keys: tuple[bytes, ...]) -> None:
        with self._translated():
            real = self.path.resolve()
            with self._draft(real, keys) as draft:
                os.replace(draft, real)  # noqa: PTH105  (mkstemp names it as text)

    @contextmanager
    def _draft(self, path: Path, keys: tuple[bytes, ...]) -> Iterator[str]:
        """Write a temporary file beside `path` and flush it to the disk; then flush the block's link or rename, too."""
        # A random name, because a killed process leaves its file behind, and process ids repeat in containers.
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(format_keys(keys))
                file.flush()
                os.fsync(file.fileno())
            yield draft
        finally:
            Path(draft).unlink(missing_ok=True)
        flush_directory(path.parent)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SecretError(
                f"the key file {self.path} cannot be used ({error.strerror}): "
                "make it readable, or set HOSTAWAY_SYNC_MASTER_KEY"
            ) from None


def _warn(sentence: str) -> None:
    sys.stderr.write(f"hostaway-sync: {sentence}\n")
