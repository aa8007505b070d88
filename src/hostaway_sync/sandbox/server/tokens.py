"""Access tokens and their route: outside the envelope, valid one second later, refused with 403 (API notes, 1)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.server.request import Reply, Request, success_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.sandbox.server.account import Account

TOKENS: Final = "/accessTokens"


@dataclass(slots=True)
class _Issued:
    account_id: int
    good_from: float
    good_until: float
    revoked: bool = False


class Tokens:
    """Every token that was issued; `delay` is how many seconds a new one is refused."""

    def __init__(self, *, seed: int, delay: float) -> None:
        self.delay = delay
        self._seed = seed
        self._lock = Lock()
        self._issued: dict[str, _Issued] = {}

    def issue(self, account_id: int, now: float, lifetime: float) -> str:
        """Issue a token that looks like Hostaway's JWT; its signature is worthless."""
        with self._lock:
            number = len(self._issued)
            mark = hashlib.sha256(f"{self._seed}/{account_id}/{number}".encode()).hexdigest()
            claims = {"aud": str(account_id), "jti": mark, "iat": now, "nbf": now, "exp": now + 315_360_000, "sub": ""}
            parts = ({"typ": "JWT", "alg": "RS256"}, claims | {"scopes": ["general"], "secretId": 1})
            token = ".".join(_encoded(json.dumps(part).encode()) for part in parts) + "." + _encoded(mark.encode())
            self._issued[token] = _Issued(account_id, now + self.delay, now + lifetime)
            return token

    def owner(self, token: str) -> int | None:
        """Return the account of a token, whether the token is valid or not; None for an unknown one."""
        issued = self._issued.get(token)
        return None if issued is None else issued.account_id

    def good(self, token: str, now: float) -> bool:
        """Return whether a token is valid at this moment."""
        issued = self._issued.get(token)
        return issued is not None and not issued.revoked and issued.good_from <= now < issued.good_until

    def revoke(self, token: str) -> None:
        """Revoke a token; an unknown one is ignored."""
        with self._lock:
            if token in self._issued:
                self._issued[token].revoked = True

    def revoke_all(self, account_id: int) -> None:
        """Revoke every token of an account."""
        with self._lock:
            for issued in self._issued.values():
                if issued.account_id == account_id:
                    issued.revoked = True

    @property
    def issued(self) -> int:
        """The number of tokens that were issued."""
        return len(self._issued)


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def answer_token(accounts: Mapping[int, Account], tokens: Tokens, request: Request) -> Reply:
    """Issue a token for a right client secret, or revoke one."""
    if request.method == "DELETE":
        tokens.revoke(request.query.get("token", ""))
        return success_reply(b"[]")
    form = request.form()
    if request.method != "POST" or "client_id" not in form:
        return _refused(400, "invalid_request", "The request is missing a required parameter.")
    if form.get("grant_type") != "client_credentials":
        return _refused(400, "unsupported_grant_type", "The authorization grant type is not supported.")
    account = accounts.get(request.account_id or 0)
    if account is None or not account.accepts_secret(form.get("client_secret", "")):
        return _refused(401, "invalid_client", "Client authentication failed")
    lifetime = account.world.switches.token_lifetime
    token = tokens.issue(account.spec.id, request.time, float(lifetime))
    return Reply(body=json.dumps({"token_type": "Bearer", "expires_in": lifetime, "access_token": token}).encode())


def _refused(status: int, error: str, text: str) -> Reply:
    return Reply(status, json.dumps({"error": error, "error_description": text, "message": text}).encode())
