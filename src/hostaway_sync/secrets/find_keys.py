"""Finds the master keys: in the settings, in the desktop's keyring, or in the key file."""

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
# A locked keyring waits for a password, which no person types under cron.
KEYRING_TIMEOUT_S: Final = 5.0
# Below 1, `keyring` does not recommend a back end: it stores nothing, loses its entries, or asks at a prompt.
_LEAST_PRIORITY: Final = 1


class _NoKey(Enum):
    """Why a keyring gave no key."""

    ENTRY = "it holds none"
    KEYRING = "there is none that can be used"


class ConfiguredKeys:
    """Keys from the settings.

    Args:
        text: the value of the setting.
        file: the file of the setting, which is read again because it may change; None: the value is of a variable.
    """

    def __init__(self, text: SecretStr, file: Path | None) -> None:
        self._text = text
        self._file = file
        self.kind = "file" if file else "variable"
        self.name = str(file) if file else "HOSTAWAY_SYNC_MASTER_KEY"

    def read(self) -> tuple[bytes, ...]:
        """Return the keys; raises SecretError."""
        if self._file is None:
            return read_keys(self._text.get_secret_value())
        try:
            return read_keys(self._file.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise SecretError(f"the keys in {self._file} cannot be read any more ({error.strerror})") from None


class KeyringKeys:
    """Keys from the desktop's keyring, which is asked once per process.

    Args:
        text: the keyring's entry.
    """

    kind = "keyring"
    name = "the keyring's entry {} for {}".format(*KEYRING_ENTRY)

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> tuple[bytes, ...]:
        """Return the keys; raises SecretError."""
        return read_keys(self._text)


def find_key_ring(
    configured: SecretStr | None,
    data_dir: Path,
    *,
    may_create: bool,
    configured_file: Path | None = None,
    use_keyring: bool | None = None,
) -> KeyRing:
    """Return the key ring: from the settings, else the desktop's keyring, else the key file.

    Args:
        configured: one or more keys in base64, separated by commas or white space; the first one seals.
        data_dir: the directory of the key file.
        may_create: whether a missing key file may be created; never once a secret is sealed.
        configured_file: the file that `configured` was read from; None: a variable.
        use_keyring: True: prefer the keyring to the key file; False: never use it. None: use it only on a terminal
            without a key file, so that a run under cron does not depend on an earlier one of a person.

    Raises:
        KeyMissing: there is no key.
        SecretError: a key is invalid, or cannot be read.
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
    answer = _ask_keyring_in_time() if use_keyring else _NoKey.ENTRY
    if isinstance(answer, str):
        return KeyringKeys(answer)
    if key_file.exists():
        return key_file
    if use_keyring is None and _is_terminal() and (stored := _ask_keyring_on_terminal()) is not None:
        return KeyringKeys(stored)
    if not may_create and answer is _NoKey.KEYRING:
        raise KeyMissing(
            "HOSTAWAY_SYNC_KEYRING is on, but this process has no keyring that can be used (outside a desktop's "
            f"session there is no D-Bus), and there is no key at {key_file.path}: run it in that session, or set "
            "HOSTAWAY_SYNC_MASTER_KEY or HOSTAWAY_SYNC_MASTER_KEY_FILE"
        )
    if not may_create:
        raise KeyMissing(
            f"there is no key at {key_file.path}, and HOSTAWAY_SYNC_MASTER_KEY is not set: "
            "if secrets are sealed in this database, restore the key from your backup: a new one cannot open them"
        )
    key_file.create()
    return key_file


def _is_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty())


def _ask_keyring_on_terminal() -> str | None:
    """Return the keyring's entry, for which it may prompt the person; None if there is none or the keyring fails."""
    try:
        stored = _read_keyring()
    except Exception:  # noqa: BLE001  (back ends raise anything; the key file is the answer then)
        return None
    return stored if isinstance(stored, str) else None


def _ask_keyring_in_time() -> str | _NoKey:
    """Return the keyring's entry within `KEYRING_TIMEOUT_S`.

    Raises:
        SecretError: the keyring failed, or did not answer in time.
    """
    answer: list[str | _NoKey] = []
    failure: list[str] = ["it did not answer within seconds: is it locked?"]

    def ask() -> None:
        try:
            answer.append(_read_keyring())
        except Exception as error:  # noqa: BLE001  (back ends raise anything)
            failure[0] = type(error).__name__

    # A daemon thread: if it waits for a password forever, it ends with the process.
    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_TIMEOUT_S)
    if not answer:
        raise SecretError(
            f"HOSTAWAY_SYNC_KEYRING is on, but the keyring cannot be used ({failure[0]}): "
            "unlock it, or set HOSTAWAY_SYNC_MASTER_KEY"
        )
    return answer[0]


def _read_keyring() -> str | _NoKey:
    import keyring

    chosen = keyring.get_keyring()
    usable = [back_end for back_end in getattr(chosen, "backends", (chosen,)) if back_end.priority >= _LEAST_PRIORITY]
    for back_end in usable:
        if (stored := back_end.get_password(*KEYRING_ENTRY)) is not None:
            return str(stored)
    return _NoKey.ENTRY if usable else _NoKey.KEYRING
