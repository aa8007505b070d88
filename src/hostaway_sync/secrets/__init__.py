"""How a secret is sealed, bound to the place where it lies, and where the keys are found.

A sealed value is `version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The header and the
value's place (table, column, primary key) are associated data, so that a value moved to another row or column does
not open.

    search → a source (setting, its file, desktop's keyring, key file) → ring → seal, open

A secret may also lie in a store outside (`stores`, `aws`); then its row keeps the version that it has there.
"""

from __future__ import annotations

from hostaway_sync.secrets.find_keys import KEYRING_ENTRY, find_key_ring
from hostaway_sync.secrets.key_file import KEY_FILE, KeyFile
from hostaway_sync.secrets.key_ring import (
    LEAST_BYTES,
    VERSION,
    KeyRing,
    KeySource,
    key_id_of,
    plain_text,
)
from hostaway_sync.secrets.protocols import DATABASE, Opens, Place, Seals, SecretsStore, store_of

__all__ = [
    "DATABASE",
    "KEYRING_ENTRY",
    "KEY_FILE",
    "LEAST_BYTES",
    "VERSION",
    "KeyFile",
    "KeyRing",
    "KeySource",
    "Opens",
    "Place",
    "Seals",
    "SecretsStore",
    "find_key_ring",
    "key_id_of",
    "plain_text",
    "store_of",
]
