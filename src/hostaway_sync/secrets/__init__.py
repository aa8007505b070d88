"""Sealing of secrets with AES-256-GCM, the search for the keys, and external secrets stores.

A sealed value is `version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The header and the
value's place (table, column, primary key) are associated data, so that a value moved to another row or column does
not open.

    find_keys → a key source (setting, its file, desktop's keyring, key file) → key_ring → seal, open

A secret may also lie in an external store (`protocols`, `aws`, `vault`); then its row holds its version there.
"""

from __future__ import annotations

from hostaway_sync.secrets.find_keys import KEYRING_ENTRY, find_key_ring
from hostaway_sync.secrets.key_file import KEY_FILE, KeyFile
from hostaway_sync.secrets.key_ring import (
    MIN_SEALED_BYTES,
    VERSION,
    KeyRing,
    KeySource,
    read_key_id,
    read_plain_text,
)
from hostaway_sync.secrets.protocols import DATABASE, Place, SecretReader, SecretsStore, SecretWriter, read_store_kind

__all__ = [
    "DATABASE",
    "KEYRING_ENTRY",
    "KEY_FILE",
    "MIN_SEALED_BYTES",
    "VERSION",
    "KeyFile",
    "KeyRing",
    "KeySource",
    "Place",
    "SecretReader",
    "SecretWriter",
    "SecretsStore",
    "find_key_ring",
    "read_key_id",
    "read_plain_text",
    "read_store_kind",
]
