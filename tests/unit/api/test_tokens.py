from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from hostaway_sync.app.api.tokens import REFETCH_AFTER_S, ApiTokens, PublishedKeys, read_keys, read_public_key
from hostaway_sync.errors import ConfigurationError, SecretsUnavailable, TargetUnavailable
from hostaway_sync.model.callers.claims import TokenRules

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLAIMS = {"iss": "id", "aud": "mirror", "sub": "desk", "exp": NOW.timestamp() + 60, "scope": "read", "accounts": [1]}
RSA, EC, OKP = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
RULES = TokenRules("id", "mirror")


def sign(key: Any, alg: str, claims: object = None, **header: object) -> str:
    """Return a token."""
    payload = json.dumps(CLAIMS if claims is None else claims)
    return jws.serialize_compact({"alg": alg, **header}, payload, key, algorithms=[alg])


def document(**keys: Any) -> bytes:
    """Return the keys as an issuer publishes them."""
    return json.dumps({"keys": [key.as_dict(private=False) | {"kid": name} for name, key in keys.items()]}).encode()


def code(text: str) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def head_of(**header: object) -> str:
    """Return the head of a token."""
    return code(json.dumps(header))


def sign_by_password(password: bytes, digest: str, **header: object) -> str:
    """Return a token that is signed with what everybody may know."""
    signed = f"{head_of(**header)}.{code(json.dumps(CLAIMS))}"
    signature = hmac.digest(password, signed.encode(), digest)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS384"), (EC, "ES256"), (OKP, "Ed25519")])
def test_tokens_of_the_issuers_key_prove_their_callers(key: Any, alg: str) -> None:
    """Of every asymmetric kind, from PEM and from a set; another key of the same kind signs for nobody."""
    from_pem = read_public_key(key.as_pem(private=False).decode())
    for find in (lambda _: from_pem, read_keys(document(a=key)).get):
        found = ApiTokens(RULES, find).authenticate(sign(key, alg, kid="a"), NOW)
        assert found is not None
        assert found.name == "desk"
    stranger = type(key).generate_key(2048 if key is RSA else "P-256" if key is EC else "Ed25519")
    assert ApiTokens(RULES, lambda _: from_pem).authenticate(sign(stranger, alg), NOW) is None


def test_forged_tokens_prove_nobody() -> None:
    """No signature, the public key as a password, a key of the token's own, odd and huge parts."""
    pem = RSA.as_pem(private=False)
    tokens = ApiTokens(RULES, lambda _: read_public_key(pem.decode()))
    good = sign(RSA, "RS256")
    head, body, signature = good.split(".")
    other = RSAKey.generate_key(2048)
    forged = [
        f"{head_of(alg='none')}.{body}.",
        f"{head_of(alg='None')}.{body}.{signature}",
        sign_by_password(pem, "sha256", alg="HS256"),
        sign_by_password(json.dumps(RSA.as_dict(private=False)).encode(), "sha512", alg="HS512"),
        sign(other, "RS256", jwk=other.as_dict(private=False)),
        f"{head}.{code(json.dumps({**CLAIMS, 'accounts': [2]}))}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        f"{head_of(alg=['RS256'])}.{body}.{signature}",
        f"{head_of(alg='RS256', kid={})}.{body}.{signature}",
        f"{code('[' * 5000)}.{body}.{signature}",
        f"{code('[]')}.{body}.{signature}",
        sign(RSA, "RS256", [CLAIMS]),
        sign(RSA, "RS256", "[" * 1500),
        sign(RSA, "RS256", {**CLAIMS, "more": "x" * 9000}),
        "..",
        "a.b.c",
        "é.é.é",
    ]
    assert tokens.authenticate(good, NOW) is not None
    for token in forged:
        assert tokens.authenticate(token, NOW) is None, token[:80]


class Issuer:
    """Publishes keys, and counts how often it is asked."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.now = 0.0
        self.keys = PublishedKeys(self.fetch, seconds=lambda: self.now)

    def fetch(self) -> bytes:
        """Return the keys."""
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_storm_of_unknown_keys_costs_one_request_a_minute() -> None:
    """A key that the issuer has added is found with the next one; what cannot be read leaves the keys as they are."""
    issuer = Issuer(document(a=RSA))
    assert issuer.keys.find("a") is not None
    assert {issuer.keys.find(f"unknown {number}") for number in range(100)} == {None}
    assert issuer.asked == 1
    issuer.answer = document(a=RSA, b=EC)
    issuer.now = REFETCH_AFTER_S
    assert issuer.keys.find("b") is not None
    assert issuer.asked == 2
    for broken in (b"<html>", b'{"keys": 7}', TargetUnavailable("it is away")):
        issuer.answer = broken
        issuer.now += 2000
        assert issuer.keys.find("a") is not None
    assert issuer.asked == 5


def test_without_any_key_callers_are_told_to_come_back() -> None:
    """They are not told that their tokens are wrong."""
    issuer = Issuer(TargetUnavailable("it is away"))
    for _ in range(3):
        with pytest.raises(SecretsUnavailable):
            issuer.keys.find("a")
    assert issuer.asked == 1


def test_passwords_in_a_published_set_are_no_keys() -> None:
    """With one of those, whoever reads the set could sign."""
    keys = read_keys(document(a=RSA, b=OctKey.generate_key(256)))
    assert keys.keys() == {"a", None}


@pytest.mark.parametrize("text", ["no", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", ""])
def test_a_setting_that_is_no_public_key_is_refused(text: str) -> None:
    """At the start, and not with the first token."""
    with pytest.raises(ConfigurationError, match="JWT_PUBLIC_KEY"):
        read_public_key(text)
