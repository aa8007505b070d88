"""The token route: plain OAuth2, not in the envelope of everything else (API notes, 1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.server.request import Reply, Request, success_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.sandbox.server.account import Account
    from hostaway_sync.sandbox.server.tokens import Tokens

TOKENS: Final = "/accessTokens"


def answer_token(accounts: Mapping[int, Account], tokens: Tokens, request: Request) -> Reply:
    """Issue a token for a right client secret, or revoke one."""
    if request.method == "DELETE":
        tokens.revoke(request.query.get("token", ""))
        return success_reply(b"[]")
    form = request.form()
    if request.method != "POST" or "client_id" not in form:
        return _refusal(400, "invalid_request", "The request is missing a required parameter.")
    if form.get("grant_type") != "client_credentials":
        return _refusal(400, "unsupported_grant_type", "The authorization grant type is not supported.")
    account = accounts.get(request.account_id or 0)
    if account is None or not account.accepts_secret(form.get("client_secret", "")):
        return _refusal(401, "invalid_client", "Client authentication failed")
    lifetime = account.world.switches.token_lifetime
    token = tokens.issue(account.spec.id, request.time, float(lifetime))
    return Reply(body=json.dumps({"token_type": "Bearer", "expires_in": lifetime, "access_token": token}).encode())


def _refusal(status: int, error: str, text: str) -> Reply:
    return Reply(status, json.dumps({"error": error, "error_description": text, "message": text}).encode())
