"""Where the keys are: in the settings, in the desktop's keyring, or in the key file."""

from __future__ import annotations

import sys
import threading
from enum import Enum
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import KeyMissing, SecretError
from hostaway_sync.secrets.key_file import KEY_FILE, KeyFile
from hostaway_sync.secrets.key_ring import KeyRing, read_keys

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from hostaway_sync.secrets.key_ring import KeySource

KEYRING_ENTRY: Final = ("hostaway-sync", "master-key")
# A locked keyring waits for somebody to type a password; under cron nobody will.
KEYRING_TIMEOUT_S: Final = 5.0
# What keyring itself does not recommend: back ends that hold nothing, lose what they are given, or ask at a prompt.
_LEAST_PRIORITY: Final = 1


class _Nothing(Enum):
    """Why a keyring gave no key."""

    ENTRY = "it holds none"
    KEYRING = "there is none that can be used"


class ConfiguredKeys:
    """Keys that the settings hold.

    Args:
        text: as the settings have it.
        file: where they have it from, which is read again: it may be replaced while we run. None: from a variable.
    """

    def __init__(self, text: SecretStr, file: Path | None) -> None:
        self._text = text
        self._file = file
        self.kind = "file" if file else "variable"
        self.name = str(file) if file else "HOSTAWAY_SYNC_MASTER_KEY"

    def read(self) -> tuple[bytes, ...]:
        """Give the keys; raises SecretError."""
        if self._file is None:
            return read_keys(self._text.get_secret_value())
        try:
            return read_keys(self._file.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise SecretError(f"the keys in {self._file} cannot be read any more ({error.strerror})") from None


class KeyringKeys:
    """Keys that the desktop's keyring gave; it is asked once a process.

    Args:
        text: its answer.
    """

    kind = "keyring"
    name = "the keyring's entry {} for {}".format(*KEYRING_ENTRY)

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> tuple[bytes, ...]:
        """Give the keys; raises SecretError."""
        return read_keys(self._text)


def find_key_ring(
    configured: SecretStr | None,
    data_dir: Path,
    *,
    may_create: bool,
    configured_file: Path | None = None,
    use_keyring: bool | None = None,
) -> KeyRing:
    """Give the key ring: from the settings, else the desktop's keyring, else the key file.

    Args:
        configured: one or more keys in base64, separated by commas or white space; the first one seals.
        data_dir: where the key file lies.
        may_create: whether a missing key file may be created; never once something is sealed.
        configured_file: the file that `configured` was read from; None: it was none.
        use_keyring: True: the keyring goes before the key file; False: it is never asked. None: it is asked where
            a person sits and there is no key file: what cron opens must not depend on who looked at it before.

    Raises:
        KeyMissing: there is none.
        SecretError: one that is not what it should be.
    """
    source = _source(configured, KeyFile(data_dir / KEY_FILE), may_create, configured_file, use_keyring)
    return KeyRing(source.read(), source)


def _source(
    configured: SecretStr | None,
    key_file: KeyFile,
    may_create: bool,  # noqa: FBT001  (as it came)
    configured_file: Path | None,
    use_keyring: bool | None,  # noqa: FBT001  (as it came)
) -> KeySource:
    if configured is not None:
        return ConfiguredKeys(configured, configured_file)
    answer = _asked_in_time() if use_keyring else _Nothing.ENTRY
    if isinstance(answer, str):
        return KeyringKeys(answer)
    if key_file.exists():
        return key_file
    if use_keyring is None and _is_terminal() and (stored := _asked_kindly()) is not None:
        return KeyringKeys(stored)
    if not may_create and answer is _Nothing.KEYRING:
        raise KeyMissing(
            "HOSTAWAY_SYNC_KEYRING is on, but this process has no keyring that can be used (outside a desktop's "
            f"session there is no D-Bus), and there is no key at {key_file.path}: run it in that session, or set "
            "HOSTAWAY_SYNC_MASTER_KEY or HOSTAWAY_SYNC_MASTER_KEY_FILE"
        )
    if not may_create:
        raise KeyMissing(
            f"there is no key at {key_file.path}, and HOSTAWAY_SYNC_MASTER_KEY is not set: "
            "restore the key from your backup; a new one cannot open what is sealed in this database"
        )
    key_file.create()
    return key_file


def _is_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty())


def _asked_kindly() -> str | None:
    """Ask where a person sits, who may be prompted; a keyring that is broken holds nothing."""
    try:
        stored = _from_keyring()
    except Exception:  # noqa: BLE001  (back ends raise anything; the key file is the answer then)
        return None
    return stored if isinstance(stored, str) else None


def _asked_in_time() -> str | _Nothing:
    """Ask a keyring that the settings name: it answers soon, or not at all.

    Raises:
        SecretError: it did not answer.
    """
    answer: list[str | _Nothing] = []
    failure: list[str] = ["it did not answer within seconds: is it locked?"]

    def ask() -> None:
        try:
            answer.append(_from_keyring())
        except Exception as error:  # noqa: BLE001  (back ends raise anything)
            failure[0] = type(error).__name__

    # A thread that waits for a password for ever ends with the process.
    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_TIMEOUT_S)
    if not answer:
        raise SecretError(
            f"HOSTAWAY_SYNC_KEYRING is on, but the keyring cannot be used ({failure[0]}): "
            "unlock it, or set HOSTAWAY_SYNC_MASTER_KEY"
        )
    return answer[0]


def _from_keyring() -> str | _Nothing:
    import keyring

    chosen = keyring.get_keyring()
    usable = [back_end for back_end in getattr(chosen, "backends", (chosen,)) if back_end.priority >= _LEAST_PRIORITY]
    for back_end in usable:
        if (stored := back_end.get_password(*KEYRING_ENTRY)) is not None:
            return str(stored)
    return _Nothing.ENTRY if usable else _Nothing.KEYRING
