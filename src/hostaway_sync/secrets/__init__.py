"""What is sealed, and with which keys: AES-256-GCM, bound to the place where the value lies.

A sealed value is `version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The header and the
value's place (table, column, primary key) are associated data, so that a value moved to another row or column does
not open.

    search → a source (setting, its file, desktop's keyring, key file) → ring → seal, open
"""

from __future__ import annotations

from hostaway_sync.secrets.key_file import KEY_FILE, KeyFile
from hostaway_sync.secrets.ring import LEAST_BYTES, VERSION, KeyRing, KeySource, Place, key_id_of, plain_text
from hostaway_sync.secrets.search import KEYRING_ENTRY, find_key_ring

__all__ = [
    "KEYRING_ENTRY",
    "KEY_FILE",
    "LEAST_BYTES",
    "VERSION",
    "KeyFile",
    "KeyRing",
    "KeySource",
    "Place",
    "find_key_ring",
    "key_id_of",
    "plain_text",
]
