"""Tokens of an identity provider: their signatures, and the keys that the provider publishes."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from joserfc import jwk, jws
from joserfc.errors import JoseError

from hostaway_sync.errors import ConfigurationError, HostawaySyncError, SecretsUnavailable
from hostaway_sync.model.callers.claims import TokenRules, read_caller
from hostaway_sync.outbound.client import OutboundClient, OutboundLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from joserfc.jwk import Key

    from hostaway_sync.model.callers import Caller
    from hostaway_sync.settings import Settings

# Those whose key to sign with is not the key to check with: a published key can forge nothing.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
REFETCH_AFTER_S: Final = 60.0
"""The least time between two looks for new keys, however many tokens name unknown ones."""

LONGEST_TOKEN: Final = 8192
_STALE_AFTER_S: Final = 600.0
_LIMITS: Final = OutboundLimits(connect_s=3.0, total_s=5.0, answer_bytes=262_144)
_TYPES: Final = ("RSA", "EC", "OKP")
_FAULTS: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_OK: Final = 200

log = logging.getLogger(__name__)


class PublishedKeys:
    """The keys of an issuer, kept, and read anew when they are old or a token names an unknown one.

    Args:
        fetch: returns the document of the keys; blocks.
        seconds: a monotonic clock.
    """

    def __init__(self, fetch: Callable[[], bytes], *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._lock = threading.Lock()
        self._keys: dict[str | None, Key] = {}
        self._asked_at = float("-inf")

    def find(self, key_id: str | None) -> Key | None:
        """Return a key; None: the issuer has none of this id.

        Raises:
            SecretsUnavailable: no keys were read yet, and none can be read now.
        """
        age = self._seconds() - self._asked_at
        is_due = age >= (REFETCH_AFTER_S if key_id not in self._keys else _STALE_AFTER_S)
        # Others go on with the keys that are there, unless there are none.
        if is_due and self._lock.acquire(blocking=not self._keys):
            try:
                self._refresh(key_id)
            finally:
                self._lock.release()
        if not self._keys:
            raise SecretsUnavailable("the keys of the issuer of tokens cannot be read: see HOSTAWAY_SYNC_JWT_JWKS_URL")
        return self._keys.get(key_id)

    def _refresh(self, key_id: str | None) -> None:
        if self._seconds() - self._asked_at < (REFETCH_AFTER_S if key_id not in self._keys else _STALE_AFTER_S):
            return  # another thread has just done it
        self._asked_at = self._seconds()
        try:
            self._keys = read_keys(self._fetch())
        except (HostawaySyncError, *_FAULTS) as error:
            sentence = str(error) if isinstance(error, HostawaySyncError) else "they are no JSON Web Key Set"
            log.warning("api: the keys of the issuer of tokens could not be read: %s", sentence)


class ApiTokens:
    """Finds the callers of tokens.

    Args:
        rules: which tokens are accepted.
        find_key: returns the key of an id; None: there is none.
    """

    def __init__(self, rules: TokenRules, find_key: Callable[[str | None], Key | None]) -> None:
        self._rules = rules
        self._find_key = find_key

    def authenticate(self, token: str, now: datetime) -> Caller | None:
        """Return the caller whom a token proves; None: whatever it is, it proves no caller.

        Raises:
            SecretsUnavailable: the keys of the issuer cannot be read.
        """
        claims = self._read_claims(token) if len(token) <= LONGEST_TOKEN else None
        return None if claims is None else read_caller(claims, self._rules, now)

    def _read_claims(self, token: str) -> Mapping[str, Any] | None:
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("alg") not in ALGORITHMS:
                return None
            key_id = header.get("kid")
        except _FAULTS:
            return None
        key = self._find_key(key_id) if key_id is None or isinstance(key_id, str) else None
        if key is None:
            return None
        try:
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=ALGORITHMS).payload)
        except _FAULTS:
            return None
        return claims if isinstance(claims, dict) else None


def read_keys(document: bytes) -> dict[str | None, Key]:
    """Return the public keys of a JSON Web Key Set by id; a single key is that of tokens without an id, too."""
    found: dict[str | None, Key] = {}
    for one in json.loads(document)["keys"]:
        if one.get("kty") in _TYPES and one.get("use", "sig") == "sig":
            found[one.get("kid")] = jwk.import_key(one)
    return {**found, None: next(iter(found.values()))} if len(found) == 1 else found


def read_public_key(pem: str) -> Key:
    """Return the key of a PEM.

    Raises:
        ConfigurationError: it is no public key.
    """
    text = pem.replace("\\n", "\n")
    for kind in _TYPES if "PUBLIC KEY" in text else ():
        try:
            return jwk.import_key(text, kind)
        except _FAULTS:
            continue
    raise ConfigurationError("HOSTAWAY_SYNC_JWT_PUBLIC_KEY is no public key: give one in PEM, of RSA, EC or Ed25519")


def open_tokens(settings: Settings) -> ApiTokens | None:
    """Return what finds the callers of tokens; None: the settings name no issuer.

    Raises:
        ConfigurationError: the key is none.
        AddressRefused: the URL of the keys may not be asked.
    """
    if settings.jwt_issuer is None or settings.jwt_audience is None:
        return None
    names = (settings.jwt_scope_claim, settings.jwt_accounts_claim, settings.jwt_customer_claim)
    rules = TokenRules(settings.jwt_issuer, settings.jwt_audience, *names)
    if settings.jwt_public_key is not None:
        key = read_public_key(settings.jwt_public_key)
        return ApiTokens(rules, lambda _: key)
    client, url = OutboundClient(frozenset(settings.automation_hosts or ()), _LIMITS), settings.jwt_jwks_url or ""
    client.check(url)
    return ApiTokens(rules, PublishedKeys(lambda: _fetch(client, url)).find)


def _fetch(client: OutboundClient, url: str) -> bytes:
    reply = client.get(url, {"Accept": "application/json"})
    if reply.status != _OK:
        raise SecretsUnavailable(f"{client.check(url).origin} answered {reply.status}")
    return reply.body
