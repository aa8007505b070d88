from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from hostaway_sync.errors import SecretError, StoreUnavailable
from hostaway_sync.store.webhooks.credentials import Credentials
from hostaway_sync.webhooks.server.auth import (
    READ_DISTANCE_S,
    TRUSTED_FOR_S,
    Authenticator,
    AuthLevel,
    hash_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.webhooks.server.auth import AccountCredentials

ACCOUNT = 70001


class Desk:
    """An authenticator whose time passes during sleeps and with every look at the clock; and its stored credentials."""

    def __init__(self) -> None:
        self.now = 100.0
        self.readings: list[float] = []
        self.keys: dict[int, AccountCredentials | None] = {}
        self.failure: Exception | None = None
        self.keeper = Authenticator(self._read, seconds=self._seconds, sleep=self._sleep)

    async def _read(self) -> Mapping[int, AccountCredentials | None]:
        self.readings.append(self.now)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return dict(self.keys)

    def _seconds(self) -> float:
        self.now += 0.001
        return self.now

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds

    def admits(self, path: str, login: str | None = None, account_id: int | None = ACCOUNT) -> AuthLevel:
        """Return the answer of the authenticator."""
        return asyncio.run(self.keeper.authenticate(account_id, path, login))


def credentials(number: int) -> Credentials:
    """Return credentials."""
    return Credentials(SecretStr(f"path{number}"), f"login{number}", SecretStr(f"word{number}"))


def basic(pair: str) -> str:
    """Return a value of Authorization."""
    return f"Basic {b64encode(pair.encode()).decode()}"


@pytest.fixture
def desk() -> Desk:
    """Return a desk with one account that has two valid credentials."""
    made = Desk()
    made.keys[ACCOUNT] = hash_credentials([credentials(1), credentials(2)], is_active=True)
    return made


@pytest.mark.parametrize(
    ("path", "login", "entry"),
    [
        ("path1", basic("login1:word1"), AuthLevel.EVERYTHING),
        ("path2", basic("login2:word2"), AuthLevel.EVERYTHING),
        ("path2", basic("login2:word2").replace("Basic", "bASIC"), AuthLevel.EVERYTHING),
        ("path1", None, AuthLevel.PATH),
        ("path1", basic("login2:word2"), AuthLevel.NOTHING),
        ("path1", basic("login1:word2"), AuthLevel.NOTHING),
        ("path1", basic("login1"), AuthLevel.NOTHING),
        ("path1", basic(""), AuthLevel.NOTHING),
        ("path1", "", AuthLevel.NOTHING),
        ("path1", "Basic ***", AuthLevel.NOTHING),
        ("path1", "Digest abc", AuthLevel.NOTHING),
        ("path3", basic("login1:word1"), AuthLevel.NOTHING),
        ("path3", None, AuthLevel.NOTHING),
        ("", None, AuthLevel.NOTHING),
        ("\udcff", None, AuthLevel.NOTHING),
    ],
)
def test_path_and_login_must_belong_together(desk: Desk, path: str, login: str | None, entry: AuthLevel) -> None:
    """With a login both must match; without, the path counts."""
    assert desk.admits(path, login) is entry


def test_credentials_are_trusted_for_a_while(desk: Desk) -> None:
    """Valid deliveries cost one reading every few seconds."""
    for _ in range(3):
        assert desk.admits("path1") is AuthLevel.PATH
    desk.now += TRUSTED_FOR_S + 0.1
    desk.admits("path1")
    assert len(desk.readings) == 2


def test_refusal_needs_credentials_read_after_the_request(desk: Desk) -> None:
    """Credentials that changed since the last reading are accepted at once."""
    assert desk.admits("path1") is AuthLevel.PATH
    desk.now += 1
    desk.keys[ACCOUNT] = hash_credentials([credentials(3)], is_active=True)
    assert desk.admits("path3") is AuthLevel.PATH
    desk.now += 1
    desk.keys[70002] = hash_credentials([credentials(4)], is_active=False)
    assert desk.admits("path4", account_id=70002) is AuthLevel.PATH
    assert not desk.keeper.is_active(70002)
    assert desk.keeper.is_active(ACCOUNT)
    assert not desk.keeper.is_active(70003)


def test_readings_keep_a_distance(desk: Desk) -> None:
    """However many logins are guessed."""
    for number in range(20):
        assert desk.admits(f"guess{number}", account_id=number) is AuthLevel.NOTHING
    gaps = [later - sooner for sooner, later in zip(desk.readings, desk.readings[1:], strict=False)]
    assert min(gaps) >= READ_DISTANCE_S - 1e-9


def test_waiting_requests_share_a_reading(desk: Desk) -> None:
    """Fifty guesses at once cost one or two readings."""

    async def guess() -> list[AuthLevel]:
        return await asyncio.gather(
            *(desk.keeper.authenticate(ACCOUNT, f"guess{number}", None) for number in range(50))
        )

    assert set(asyncio.run(guess())) == {AuthLevel.NOTHING}
    assert len(desk.readings) <= 2


def test_waiting_requests_share_a_failure(desk: Desk) -> None:
    """Without the database no request waits for fifty failures, and afterwards none gets an old one."""
    desk.failure = StoreUnavailable("away")

    async def ask() -> list[AuthLevel | BaseException]:
        asked = (desk.keeper.authenticate(ACCOUNT, "path1", None) for _ in range(50))
        return await asyncio.gather(*asked, return_exceptions=True)

    assert {type(outcome) for outcome in asyncio.run(ask())} == {StoreUnavailable}
    assert len(desk.readings) <= 2
    desk.failure = None
    assert desk.admits("path1") is AuthLevel.PATH


def test_trusted_credentials_authenticate_while_the_database_is_away(desk: Desk) -> None:
    """A refusal needs a reading, and is not given without one."""
    desk.admits("path1")
    desk.failure = StoreUnavailable("away")
    assert desk.admits("path1") is AuthLevel.PATH
    with pytest.raises(StoreUnavailable):
        desk.admits("guess")


def test_unopenable_credentials_raise_instead_of_refusing(desk: Desk) -> None:
    """They may be right; other accounts are accepted as usual."""
    desk.keys[70002] = None
    with pytest.raises(SecretError):
        desk.admits("path1", account_id=70002)
    assert desk.admits("path1") is AuthLevel.PATH
    assert desk.admits("path1", account_id=None) is AuthLevel.NOTHING
