"""The client's token: kept, renewed and refused ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.client_env import START, client_env, ids_of, truth

from hostaway_sync.errors import CredentialsRejected, Forbidden
from hostaway_sync.model.records import AccessToken, Resource
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults


def test_token_is_used_again_by_the_next_run() -> None:
    """One request for it in its whole life, and none before it works."""
    with client_env(reservations=3, token_delay=1.0) as env:
        for _ in range(3):
            env.client().check_credentials()
        assert env.calls("POST /accessTokens") == 1
        assert env.clock.slept == [1.1]
        assert {logged.status for logged in env.sandbox.requests} == {200}
        assert env.vault.token is not None
        assert env.vault.token.expires_at - env.vault.token.issued_at == timedelta(seconds=63_072_000)
        env.clock.now += timedelta(days=700)
        env.client().check_credentials()
        assert env.calls("POST /accessTokens") == 2


def test_token_that_is_not_active_yet_is_renewed() -> None:
    """Another process stored it before it was active."""
    with client_env(reservations=3, token_delay=1.0) as env:
        env.client().check_credentials()
        token = env.sandbox.tokens.issue(70001, env.clock.time(), 1e6)
        env.vault.token = AccessToken(SecretStr(token), START, START + timedelta(days=9))
        env.client().check_credentials()
        assert env.vault.token.value.get_secret_value() != token


def test_failed_token_request_is_retried() -> None:
    """As a request for a list is."""
    with client_env(reservations=3) as env:
        env.sandbox.faults.add(faults.bad_gateway(), route="POST /accessTokens", times=2)
        env.sandbox.faults.add(faults.rate_limited(), route="POST /accessTokens", times=1)
        env.client().check_credentials()
        assert env.clock.slept == [0.5, 1.0, 10.0, 1.1]


@pytest.mark.parametrize("wrong", [{"account_id": 70002}, {"client_secret": SecretStr("hunter2")}])
def test_wrong_credentials_are_one_clear_sentence(wrong: dict[str, Any]) -> None:
    """One request, and no token is stored."""
    with client_env(reservations=1) as env:
        client = env.client(**wrong)
        with pytest.raises(CredentialsRejected, match=r"does not know account 7000\d with this secret") as caught:
            client.check_credentials()
        assert "hunter2" not in str(caught.value)
        assert (client.api_calls, env.vault.token) == (1, None)


@pytest.mark.parametrize("status", [401, 403])
def test_token_revoked_during_a_walk_is_renewed_once(status: int) -> None:
    """The walk continues where it was."""
    with client_env(switches=Switches(max_limit=250, bad_bearer=status)) as env:  # type: ignore[arg-type]  # a plain value where a literal is declared
        walk = env.client().walk(Resource.RESERVATIONS)
        pages = [next(walk)]
        env.sandbox.revoke_tokens()
        pages += walk
        assert ids_of(pages) == truth(env.sandbox, Resource.RESERVATIONS)
        assert env.calls("POST /accessTokens") == 2
        assert env.calls("GET /reservations") == 5


@pytest.mark.parametrize("inbox", ["closed_threads", "closed"])
def test_missing_inbox_rights_cost_one_renewal(inbox: str) -> None:
    """Every thread is forbidden, one renewal and one request find that out, and other lists are read."""
    with client_env(accounts=[AccountSpec(reservations=30, inbox=inbox)]) as env:  # type: ignore[arg-type]  # a plain value where a literal is declared
        client = env.client()
        client.check_credentials()
        parents = sorted(truth(env.sandbox, Resource.CONVERSATIONS))
        listings = env.calls("GET /listings")

        def sentence(parent: int) -> str:
            with pytest.raises(Forbidden) as caught:
                list(client.walk(Resource.MESSAGES, parent=parent))
            return str(caught.value)

        with ThreadPoolExecutor(8) as pool:
            sentences = list(pool.map(sentence, parents))
        assert all("does not let account 70001 read" in found for found in sentences)
        assert env.calls("POST /accessTokens") == 2
        assert env.calls("GET /listings") == listings + 1
        assert ids_of(list(client.walk(Resource.RESERVATIONS))) == truth(env.sandbox, Resource.RESERVATIONS)


def test_account_refused_everywhere_has_bad_credentials() -> None:
    """Neither the object nor the age of the token is the reason."""
    with client_env(reservations=3) as env:
        env.sandbox.faults.add(faults.denied(), method="GET", times=None)
        with pytest.raises(CredentialsRejected, match="refuses account 70001 even with a new token"):
            list(env.client().walk(Resource.RESERVATIONS))
        assert env.calls("POST /accessTokens") == 2


def test_refusal_is_checked_again_after_a_while() -> None:
    """A key that is deleted later in the run does not look like missing rights to one object."""
    with client_env(accounts=[AccountSpec(reservations=3, inbox="closed")]) as env:
        client = env.client()
        with pytest.raises(Forbidden):
            list(client.walk(Resource.CONVERSATIONS))
        env.clock.now += timedelta(minutes=2)
        env.sandbox.revoke_tokens()
        with pytest.raises(CredentialsRejected):
            list(client.walk(Resource.RESERVATIONS))
