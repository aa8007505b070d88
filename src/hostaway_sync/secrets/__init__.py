"""Where secrets lie, and what seals those in the database: AES-256-GCM, bound to the place where the value lies.

A sealed value is `version (1 byte) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`. The header and the
value's place (table, column, primary key) are associated data, so that a value moved to another row or column does
not open.

    search → a source (setting, its file, desktop's keyring, key file) → ring → seal, open

A secret may also lie in a store outside (`stores`, `aws`); then its row keeps the version that it has there.
"""

from __future__ import annotations

from hostaway_sync.secrets.key_file import KEY_FILE, KeyFile
from hostaway_sync.secrets.ring import LEAST_BYTES, VERSION, KeyRing, KeySource, key_id_of, plain_text
from hostaway_sync.secrets.search import KEYRING_ENTRY, find_key_ring
from hostaway_sync.secrets.stores import DATABASE, Opens, Place, Seals, SecretsStore, store_of

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
