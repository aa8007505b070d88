"""Sessions of people who signed in with an API key: a text that proves it, and that no row is kept of.

    <which key>.<when it ends>.<proof>

The proof is keyed by the pepper, and of the hash of the key's secret: it says nothing of the secret, and is worth
nothing as soon as that hash is not the one of a valid key.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.callers.keys import ID_LENGTH

if TYPE_CHECKING:
    from hostaway_sync.model.callers.caller import Caller
    from hostaway_sync.model.callers.keys import StoredKey

LASTS: Final = timedelta(hours=12)
_SESSION: Final = re.compile(rf"([A-Za-z0-9]{{{ID_LENGTH}}})\.([0-9]{{1,11}})\.([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """What a text says of a session; it proves nothing before `accept_session`."""

    key_id: str
    ends_at: datetime
    proof: str


def begin_session(pepper: bytes, key_id: str, secret_hash: bytes, now: datetime) -> str:
    """Return a session of a key, whose secret was just proved."""
    ends = int((now + LASTS).timestamp())
    return f"{key_id}.{ends}.{_prove(pepper, key_id, ends, secret_hash)}"


def read_session(text: str) -> Session | None:
    """Return what a text says; None: it is no session, whatever is in it."""
    found = _SESSION.fullmatch(text)
    if found is None:
        return None
    return Session(found[1], datetime.fromtimestamp(int(found[2]), UTC), found[3])


def accept_session(pepper: bytes, session: Session, stored: StoredKey | None, now: datetime) -> Caller | None:
    """Return the caller of a session; None: it has ended, it is forged, or its key is not valid any more."""
    if stored is None or not stored.key.is_valid(now) or now >= session.ends_at:
        return None
    hashes = [stored.secret_hash]
    if stored.previous_hash is not None and stored.key.previous_until is not None and now < stored.key.previous_until:
        hashes.append(stored.previous_hash)
    ends = int(session.ends_at.timestamp())
    proofs = (_prove(pepper, session.key_id, ends, one) for one in hashes)
    return stored.key.caller() if any(hmac.compare_digest(session.proof, proof) for proof in proofs) else None


def seal_form(pepper: bytes, session: str) -> str:
    """Return what proves that a form was made for a session."""
    return _digest(pepper, f"form of a session\n{session}".encode())


def _prove(pepper: bytes, key_id: str, ends: int, secret_hash: bytes) -> str:
    # No key begins like this: what is stored of keys is keyed by the same pepper.
    return _digest(pepper, f"session\n{key_id}\n{ends}\n".encode() + secret_hash)


def _digest(pepper: bytes, message: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(pepper, message, "sha256")).rstrip(b"=").decode()
