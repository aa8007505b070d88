from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from hostaway_sync.errors import SecretError
from hostaway_sync.secrets import KEY_FILE, KEYRING_ENTRY, KeyRing, Place, find_key_ring

if TYPE_CHECKING:
    from pathlib import Path

HERE = Place("accounts", "client_secret", 1)
SECRET = SecretStr("hunter2")


def text_of(key: bytes) -> str:
    """Give a key as settings hold it."""
    return base64.b64encode(key).decode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens_where_it_lies(value: str) -> None:
    """Any text comes back as it was, and never twice as the same bytes."""
    ring = KeyRing([b"k" * 32])
    sealed = ring.seal(SecretStr(value), HERE)
    assert ring.open(sealed, HERE).get_secret_value() == value
    assert sealed != ring.seal(SecretStr(value), HERE)


@pytest.mark.parametrize(
    "place",
    [
        Place("accounts", "client_secret", 2),
        Place("accounts", "access_token", 1),
        Place("others", "client_secret", 1),
        Place("accounts", "client_secret", 11),
    ],
)
def test_a_moved_value_does_not_open(ring: KeyRing, place: Place) -> None:
    """Another row, column or table: the sentence names the place where it lies now."""
    sentence = f"{place.table}.{place.column} of {place.primary_key} does not open: it was damaged, or moved"
    with pytest.raises(SecretError, match=sentence):
        ring.open(ring.seal(SECRET, HERE), place)


def test_no_damage_goes_unnoticed(ring: KeyRing) -> None:
    """Whichever byte was changed or cut off, the value does not open, and the error is ours."""
    sealed = ring.seal(SECRET, HERE)
    damaged = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for value in [*damaged, *(sealed[:at] for at in range(len(sealed))), sealed + b"x"]:
        with pytest.raises(SecretError) as caught:
            ring.open(value, HERE)
        assert "hunter2" not in str(caught.value)


def test_a_key_that_the_ring_does_not_hold_is_named(ring: KeyRing) -> None:
    """The operator learns which key to restore."""
    other = KeyRing([b"x" * 32])
    sealed = other.seal(SECRET, HERE)
    sentence = f"is sealed with key {sealed[1:5].hex()}, which this key ring does not hold: restore that key"
    with pytest.raises(SecretError, match=sentence):
        ring.open(sealed, HERE)


@pytest.mark.parametrize("plain", [b"", b"hunter2", b"\x01", b"\x01kkkk" + b"n" * 12])
def test_a_plain_value_is_told_from_a_sealed_one(ring: KeyRing, plain: bytes) -> None:
    """The sentence does not repeat it."""
    with pytest.raises(SecretError, match="is not a sealed value: was it written by another program") as caught:
        ring.open(plain, HERE)
    assert "hunter2" not in str(caught.value)


def test_the_first_key_seals_and_all_open() -> None:
    """A new key put in front opens what the old one sealed."""
    old, new = b"o" * 32, b"n" * 32
    rotated = KeyRing([new, old])
    assert rotated.open(KeyRing([old]).seal(SECRET, HERE), HERE) == SECRET
    assert KeyRing([new]).open(rotated.seal(SECRET, HERE), HERE) == SECRET


def test_a_ring_never_shows_its_keys(ring: KeyRing) -> None:
    """Neither in text nor in representation."""
    assert f"{ring} {ring!r}" == "KeyRing(1 keys) KeyRing(1 keys)"


@pytest.mark.parametrize("separator", [",", " ", "\n", " , "])
def test_configured_keys_come_first(tmp_path: Path, separator: str) -> None:
    """One or more, however they are separated; no file is made."""
    configured = SecretStr(separator.join([text_of(b"n" * 32), text_of(b"o" * 32)]))
    found = find_key_ring(configured, tmp_path, may_create=True)
    assert repr(found) == "KeyRing(2 keys)"
    assert KeyRing([b"n" * 32]).open(found.seal(SECRET, HERE), HERE) == SECRET
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["hunter2", text_of(b"k" * 31), text_of(b"k" * 33), "ä" * 44, text_of(b"k" * 32) + "!"]
)
def test_a_key_of_another_make_is_refused(tmp_path: Path, text: str) -> None:
    """The sentence says how to make one, and repeats nothing."""
    with pytest.raises(SecretError, match="a master key must be 32 bytes in base64: make one with") as caught:
        find_key_ring(SecretStr(text), tmp_path, may_create=True)
    assert text not in str(caught.value)


def test_no_key_at_all_is_refused(tmp_path: Path) -> None:
    """A variable of nothing but separators holds no key."""
    with pytest.raises(SecretError, match="the key ring is empty: set HOSTAWAY_SYNC_MASTER_KEY"):
        find_key_ring(SecretStr(" , "), tmp_path, may_create=True)


def test_a_key_file_is_made_once_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Readable by its owner alone, announced on stderr with what to do; the next one reads it in silence."""
    directory = tmp_path / "new" / "data"
    first = find_key_ring(None, directory, may_create=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"created the master key {directory / KEY_FILE}. Back it up" in said.err
    assert [path.name for path in directory.iterdir()] == [KEY_FILE]
    assert (directory / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (directory / KEY_FILE).read_text(encoding="ascii").strip() not in said.err
    second = find_key_ring(None, directory, may_create=False)
    assert second.open(first.seal(SECRET, HERE), HERE) == SECRET
    assert capsys.readouterr() == ("", "")


FIND_A_RING = """
import sys
from pathlib import Path
from pydantic import SecretStr
from hostaway_sync.secrets import Place, find_key_ring
print("ready", flush=True)
sys.stdin.readline()
ring = find_key_ring(None, Path(sys.argv[1]), may_create=True)
print(ring.seal(SecretStr("hunter2"), Place("accounts", "client_secret", 1)).hex())
"""


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    """Whoever is first makes the key, exactly one says so, and what any of them seals all can open."""
    command = [sys.executable, "-c", FIND_A_RING, str(tmp_path)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=60) for racer in racers]
    ring = find_key_ring(None, tmp_path, may_create=False)
    assert all(ring.open(bytes.fromhex(sealed), HERE) == SECRET for sealed, _ in answers)
    assert sum("created the master key" in said for _, said in answers) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_draft_of_a_killed_process_stops_nobody(tmp_path: Path) -> None:
    """A container's process may have the very number of the one that died."""
    (tmp_path / f"{KEY_FILE}.{os.getpid()}").write_text("torn", encoding="ascii")
    find_key_ring(None, tmp_path, may_create=True)


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """Once something is sealed a new key would only hide the loss."""
    with pytest.raises(SecretError, match=r"there is no key at .*: restore the key from your backup"):
        find_key_ring(None, tmp_path, may_create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence has the command that mends it."""
    find_key_ring(None, tmp_path, may_create=True)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(
        SecretError, match=rf"must belong to you and be readable by nobody else: .*`chmod 600 {tmp_path}"
    ):
        find_key_ring(None, tmp_path, may_create=False)


def test_a_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who made the file could have made it to read along."""
    find_key_ring(None, tmp_path, may_create=True)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(SecretError, match="must belong to you"):
        find_key_ring(None, tmp_path, may_create=False)


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are no base64 give a sentence, not a traceback."""
    find_key_ring(None, tmp_path, may_create=True)
    (tmp_path / KEY_FILE).write_bytes(b"\xff\x00")
    with pytest.raises(SecretError, match="a master key must be 32 bytes in base64"):
        find_key_ring(None, tmp_path, may_create=False)


def test_a_place_where_no_key_can_lie_is_named(tmp_path: Path) -> None:
    """A data directory that is a file, or a key that is a directory, is a matter of settings."""
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(SecretError, match=r"the key file .* cannot be used \(File exists\)"):
        find_key_ring(None, tmp_path / "file", may_create=True)
    (tmp_path / KEY_FILE).mkdir(mode=0o700)
    with pytest.raises(SecretError, match=r"cannot be used \(Is a directory\)"):
        find_key_ring(None, tmp_path, may_create=True)


class Desktop:
    """A keyring as on a desktop, that counts how often it was asked."""

    def __init__(self, stored: str | None, *, broken: bool = False) -> None:
        self.stored = stored
        self.broken = broken
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        """Give what is stored for our entry."""
        self.asked += 1
        if self.broken:
            raise RuntimeError("no bus")
        return self.stored if (service, username) == KEYRING_ENTRY else None


class Terminal(io.StringIO):
    """A stdin where a person sits."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


def sit_at(monkeypatch: pytest.MonkeyPatch, desktop: Desktop, stdin: io.StringIO | None) -> None:
    """Use a desktop's keyring and a stdin."""
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(keyring, "get_password", desktop.get_password)


def test_the_keyring_is_asked_on_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a person stored there is the key, and no file is made."""
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, Terminal())
    found = find_key_ring(None, tmp_path, may_create=False)
    assert KeyRing([b"d" * 32]).open(found.seal(SECRET, HERE), HERE) == SECRET
    assert (desktop.asked, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize("stdin", [io.StringIO(), None])
def test_the_keyring_is_not_asked_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stdin: io.StringIO | None
) -> None:
    """Under cron a prompt would hang for ever; the key file is the answer."""
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, stdin)
    find_key_ring(None, tmp_path, may_create=True)
    assert desktop.asked == 0
    assert (tmp_path / KEY_FILE).is_file()


@pytest.mark.parametrize("desktop", [Desktop(None), Desktop("x", broken=True)])
def test_an_empty_or_broken_keyring_falls_back_to_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, desktop: Desktop
) -> None:
    """And once there is a file, the keyring is not asked any more."""
    sit_at(monkeypatch, desktop, Terminal())
    find_key_ring(None, tmp_path, may_create=True)
    asked = desktop.asked
    assert (tmp_path / KEY_FILE).is_file()
    find_key_ring(None, tmp_path, may_create=False)
    assert desktop.asked == asked
