"""Revoking a token: it is never shown, and revoked with few requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tests.support.client_env import ClientEnv, client_env

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.model.records import AccessToken

ROUTE = "DELETE /accessTokens"


def token_of(env: ClientEnv) -> AccessToken:
    """Return a token that works."""
    env.client().check_credentials()
    assert env.vault.token is not None
    return env.vault.token


def test_revoked_token_is_refused_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the requests that an observer gets nor in the DEBUG log."""
    calls: list[ApiCall] = []
    with client_env(reservations=3) as env, caplog.at_level(logging.DEBUG, logger="hostaway_sync"):
        token = token_of(env)
        env.sandbox.faults.add(faults.bad_gateway(), route=ROUTE, times=1)
        env.client(observe=calls.append).revoke_token(token)
        value = token.value.get_secret_value()
        assert not env.sandbox.tokens.good(value, env.clock.time())
    assert [(call.method, call.path, dict(call.params), call.attempt) for call in calls] == [
        ("DELETE", "/accessTokens", {}, 1),
        ("DELETE", "/accessTokens", {}, 2),
    ]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("hostaway_sync")]
    assert ours
    assert not any(value in line for line in [*ours, repr(calls)])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_token_needs_no_revoking(status: int) -> None:
    """No new token is requested for it."""
    with client_env(reservations=3) as env:
        token = token_of(env)
        env.sandbox.faults.add(faults.status(status, b'{"status":"fail"}'), route=ROUTE, times=None)
        env.client().revoke_token(token)
        assert env.calls("POST /accessTokens") == 1


def test_unknown_outcome_is_reported_without_the_token() -> None:
    """Also where the source quotes it."""
    with client_env(reservations=3) as env:
        token = token_of(env)
        value = token.value.get_secret_value()
        answer = f'{{"status":"fail","message":"{value} is broken"}}'.encode()
        env.sandbox.faults.add(faults.status(500, answer), route=ROUTE, times=None)
        with pytest.raises(SourceUnavailable, match="DELETE /accessTokens with 500") as refusal:
            env.client().revoke_token(token)
    assert value not in str(refusal.value)
