from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import keyring.core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backends import chainer, fail, null
from pydantic import SecretStr

from hostaway_sync.errors import KeyMissing, SecretError
from hostaway_sync.secrets import (
    KEY_FILE,
    KEYRING_ENTRY,
    KeyFile,
    KeyRing,
    Place,
    find_key_ring,
    find_keys,
    read_plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = Place("accounts", "client_secret", 1)
SECRET = SecretStr("hunter2")


def text_of(key: bytes) -> str:
    """Return a key in the form of the setting."""
    return base64.b64encode(key).decode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_sealed_value_opens_at_its_place(value: str) -> None:
    """Any text opens unchanged, and is never sealed to the same bytes twice."""
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
def test_moved_value_does_not_open(ring: KeyRing, place: Place) -> None:
    """Another row, column or table: the sentence names the present place."""
    sentence = f"{place.table}.{place.column} of {place.primary_key} does not open: it was damaged, or moved"
    with pytest.raises(SecretError, match=sentence):
        ring.open(ring.seal(SECRET, HERE), place)


def test_any_damage_is_detected(ring: KeyRing) -> None:
    """A changed or missing byte anywhere: the value does not open, and the error is ours."""
    sealed = ring.seal(SECRET, HERE)
    damaged = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for value in [*damaged, *(sealed[:at] for at in range(len(sealed))), sealed + b"x"]:
        with pytest.raises(SecretError) as caught:
            ring.open(value, HERE)
        assert "hunter2" not in str(caught.value)


def test_missing_key_is_named(ring: KeyRing) -> None:
    """The operator learns which key to restore."""
    other = KeyRing([b"x" * 32])
    sealed = other.seal(SECRET, HERE)
    sentence = f"is sealed with key {sealed[1:5].hex()}, which this key ring does not hold: restore that key"
    with pytest.raises(SecretError, match=sentence):
        ring.open(sealed, HERE)


@pytest.mark.parametrize("plain", [b"", b"hunter2", b"\x01", b"\x01kkkk" + b"n" * 12])
def test_plain_value_does_not_open(ring: KeyRing, plain: bytes) -> None:
    """The sentence does not repeat it."""
    with pytest.raises(SecretError, match="is not a sealed value: was it written by another program") as caught:
        ring.open(plain, HERE)
    assert "hunter2" not in str(caught.value)


def test_first_key_seals_and_all_keys_open() -> None:
    """A new key in front opens what the old one sealed."""
    old, new = b"o" * 32, b"n" * 32
    rotated = KeyRing([new, old])
    assert rotated.open(KeyRing([old]).seal(SECRET, HERE), HERE) == SECRET
    assert KeyRing([new]).open(rotated.seal(SECRET, HERE), HERE) == SECRET


def test_key_ring_never_shows_its_keys(ring: KeyRing) -> None:
    """Neither as text nor in its representation."""
    assert f"{ring} {ring!r}" == "KeyRing(1 keys) KeyRing(1 keys)"


@pytest.mark.parametrize("separator", [",", " ", "\n", " , "])
def test_configured_keys_come_first(tmp_path: Path, separator: str) -> None:
    """One or more, with any separators; no file is created."""
    configured = SecretStr(separator.join([text_of(b"n" * 32), text_of(b"o" * 32)]))
    found = find_key_ring(configured, tmp_path, may_create=True)
    assert repr(found) == "KeyRing(2 keys)"
    assert KeyRing([b"n" * 32]).open(found.seal(SECRET, HERE), HERE) == SECRET
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["hunter2", text_of(b"k" * 31), text_of(b"k" * 33), "ä" * 44, text_of(b"k" * 32) + "!"]
)
def test_invalid_key_is_refused(tmp_path: Path, text: str) -> None:
    """The sentence says how to create one, and repeats no part of it."""
    with pytest.raises(SecretError, match="a master key must be 32 bytes in base64: make one with") as caught:
        find_key_ring(SecretStr(text), tmp_path, may_create=True)
    assert text not in str(caught.value)


def test_setting_without_a_key_is_refused(tmp_path: Path) -> None:
    """A variable of nothing but separators holds no key."""
    with pytest.raises(SecretError, match="the key ring is empty: set HOSTAWAY_SYNC_MASTER_KEY"):
        find_key_ring(SecretStr(" , "), tmp_path, may_create=True)


def test_key_file_is_created_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Readable by its owner alone, with a note on stderr that says what to do; later programs read it in silence."""
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
    """The first process creates the key and reports it; each opens what any of them seals."""
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


def test_leftover_temporary_file_does_no_harm(tmp_path: Path) -> None:
    """A container's process may have the same number as the dead one."""
    (tmp_path / f"{KEY_FILE}.{os.getpid()}").write_text("torn", encoding="ascii")
    find_key_ring(None, tmp_path, may_create=True)


def test_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """Once a value is sealed, a new key would only hide the loss."""
    with pytest.raises(
        SecretError,
        match=r"there is no key at .*: if secrets are sealed in this database, restore the key from your backup",
    ):
        find_key_ring(None, tmp_path, may_create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence has the command that repairs it."""
    find_key_ring(None, tmp_path, may_create=True)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(
        SecretError, match=rf"must belong to you, and no other user may read it: .*`chmod 600 {tmp_path}"
    ):
        find_key_ring(None, tmp_path, may_create=False)


def test_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That user could read every secret."""
    find_key_ring(None, tmp_path, may_create=True)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(SecretError, match="must belong to you"):
        find_key_ring(None, tmp_path, may_create=False)


def test_damaged_key_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are no base64 give a sentence, not a traceback."""
    find_key_ring(None, tmp_path, may_create=True)
    (tmp_path / KEY_FILE).write_bytes(b"\xff\x00")
    with pytest.raises(SecretError, match="a master key must be 32 bytes in base64"):
        find_key_ring(None, tmp_path, may_create=False)


def test_unusable_key_path_is_a_configuration_error(tmp_path: Path) -> None:
    """A data directory that is a file, or a key that is a directory."""
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(SecretError, match=r"the key file .* cannot be used \(File exists\)"):
        find_key_ring(None, tmp_path / "file", may_create=True)
    (tmp_path / KEY_FILE).mkdir(mode=0o700)
    with pytest.raises(SecretError, match=r"cannot be used \(Is a directory\)"):
        find_key_ring(None, tmp_path, may_create=True)


class Desktop:
    """A keyring as on a desktop, which counts its calls."""

    priority: float = 5

    def __init__(self, stored: str | None, *, broken: bool = False) -> None:
        self.stored = stored
        self.broken = broken
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        """Return the entry of this program."""
        self.asked += 1
        if self.broken:
            raise RuntimeError("no bus")
        return self.stored if (service, username) == KEYRING_ENTRY else None


class Prompting(Desktop):
    """A keyring that asks for a password, and waits for it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.typed = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        """Wait for a password that never comes."""
        self.typed.wait(60)
        return super().get_password(service, username)


class Plaintext(Desktop):
    """A keyring that keyring itself does not recommend."""

    priority = 0.5


class Terminal(io.StringIO):
    """A stdin that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def sit_at(monkeypatch: pytest.MonkeyPatch, desktop: object, stdin: io.StringIO | None) -> None:
    """Use a desktop's keyring and a stdin."""
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(keyring.core, "_keyring_backend", desktop)


def test_keyring_is_used_on_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its entry is the key, and no file is created."""
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, Terminal())
    found = find_key_ring(None, tmp_path, may_create=False)
    assert KeyRing([b"d" * 32]).open(found.seal(SECRET, HERE), HERE) == SECRET
    assert (desktop.asked, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize("stdin", [io.StringIO(), None])
def test_keyring_is_not_used_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stdin: io.StringIO | None
) -> None:
    """Under cron a prompt would block for ever; the key file is used."""
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, stdin)
    find_key_ring(None, tmp_path, may_create=True)
    assert desktop.asked == 0
    assert (tmp_path / KEY_FILE).is_file()


@pytest.mark.parametrize("desktop", [Desktop(None), Desktop("x", broken=True)])
def test_empty_or_broken_keyring_falls_back_to_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, desktop: Desktop
) -> None:
    """With a file the keyring is not asked any more."""
    sit_at(monkeypatch, desktop, Terminal())
    find_key_ring(None, tmp_path, may_create=True)
    asked = desktop.asked
    assert (tmp_path / KEY_FILE).is_file()
    find_key_ring(None, tmp_path, may_create=False)
    assert desktop.asked == asked


@pytest.mark.parametrize("back_end", [null.Keyring, fail.Keyring, lambda: Plaintext(text_of(b"d" * 32))])
def test_unsafe_keyring_back_ends_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, back_end: Callable[[], object]
) -> None:
    """Some lose or expose entries: the key file is used, on a terminal and where a keyring is configured."""
    sit_at(monkeypatch, back_end(), Terminal())
    for use_keyring in (None, True):
        found = find_key_ring(None, tmp_path, may_create=True, use_keyring=use_keyring)
        assert (found.source.kind, found.source.name) == ("key_file", str(tmp_path / KEY_FILE))


@pytest.mark.parametrize("back_end", [null.Keyring, fail.Keyring])
def test_missing_keyring_is_not_reported_as_a_lost_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, back_end: Callable[[], object]
) -> None:
    """Without D-Bus the key still exists: the sentence says what is missing, and names no backup."""
    sit_at(monkeypatch, back_end(), None)
    with pytest.raises(KeyMissing, match="KEYRING is on, but this process has no keyring that can be used") as caught:
        find_key_ring(None, tmp_path, may_create=False, use_keyring=True)
    assert "backup" not in str(caught.value)
    sit_at(monkeypatch, Desktop(None), None)
    with pytest.raises(KeyMissing, match="restore the key from your backup"):
        find_key_ring(None, tmp_path, may_create=False, use_keyring=True)


def test_chain_of_keyrings_is_asked_member_by_member(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unsafe members are skipped."""
    exposed, empty, desktop = Plaintext(text_of(b"x" * 32)), Desktop(None), Desktop(text_of(b"d" * 32))
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [exposed, empty, desktop])
    sit_at(monkeypatch, chainer.ChainerBackend(), None)  # type: ignore[no-untyped-call]  # keyring leaves it untyped
    found = find_key_ring(None, tmp_path, may_create=True, use_keyring=True)
    assert found.ids == KeyRing([b"d" * 32]).ids
    assert (exposed.asked, empty.asked, desktop.asked) == (0, 1, 1)


def test_configured_keyring_goes_before_the_key_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under cron, too; it is asked once; without an entry, the file is used."""
    find_key_ring(None, tmp_path, may_create=True)
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, None)
    found = find_key_ring(None, tmp_path, may_create=False, use_keyring=True)
    assert found.open(found.seal(SECRET, HERE), HERE) == SECRET
    assert (found.source.kind, found.ids, desktop.asked) == ("keyring", KeyRing([b"d" * 32]).ids, 1)
    assert "hostaway-sync" in found.source.name
    desktop.stored = None
    assert find_key_ring(None, tmp_path, may_create=False, use_keyring=True).source.kind == "key_file"


def test_disabled_keyring_is_never_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even on a terminal without a key file."""
    desktop = Desktop(text_of(b"d" * 32))
    sit_at(monkeypatch, desktop, Terminal())
    assert find_key_ring(None, tmp_path, may_create=True, use_keyring=False).source.kind == "key_file"
    assert desktop.asked == 0


def test_failing_configured_keyring_gives_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No other key takes its place, and no file is created."""
    sit_at(monkeypatch, Desktop("x", broken=True), None)
    with pytest.raises(SecretError, match=r"KEYRING is on, but the keyring cannot be used \(RuntimeError\): unlock it"):
        find_key_ring(None, tmp_path, may_create=True, use_keyring=True)
    assert list(tmp_path.iterdir()) == []


def test_prompting_keyring_times_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under cron no person types the password that it waits for."""
    desktop = Prompting()
    sit_at(monkeypatch, desktop, None)
    monkeypatch.setattr(find_keys, "KEYRING_TIMEOUT_S", 0.01)
    with pytest.raises(SecretError, match="it did not answer within seconds: is it locked"):
        find_key_ring(None, tmp_path, may_create=True, use_keyring=True)
    desktop.typed.set()


def test_changed_key_file_is_used_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An open key ring seals with the new key, and opens values of both keys."""
    long_ago = find_key_ring(None, tmp_path, may_create=True)
    old = long_ago.seal(SECRET, HERE)
    capsys.readouterr()
    KeyFile(tmp_path / KEY_FILE).prepend_new_key()
    assert f"put a new key in front of {tmp_path / KEY_FILE}. Back it up" in capsys.readouterr().err
    today = find_key_ring(None, tmp_path, may_create=False)
    assert len(today.ids) == 2
    assert long_ago.open(today.seal(SECRET, HERE), HERE) == SECRET
    assert long_ago.ids == today.ids
    KeyFile(tmp_path / KEY_FILE).remove_keys(today.ids[1:])
    new = long_ago.seal(SECRET, HERE)
    (left,) = KeyFile(tmp_path / KEY_FILE).read()
    assert list(long_ago.ids) == list(KeyRing([left]).ids)
    assert find_key_ring(None, tmp_path, may_create=False).open(new, HERE) == SECRET
    assert long_ago.open(old, HERE) == SECRET
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_unknown_key_makes_the_ring_read_its_source(tmp_path: Path) -> None:
    """A rotation does not stop a receiver that only opens values."""
    long_ago = find_key_ring(None, tmp_path, may_create=True)
    KeyFile(tmp_path / KEY_FILE).prepend_new_key()
    sealed = find_key_ring(None, tmp_path, may_create=False).seal(SECRET, HERE)
    assert long_ago.open(sealed, HERE) == SECRET


def test_key_file_behind_a_link_stays_where_it_is(tmp_path: Path) -> None:
    """A rotation replaces the file, not the link to it."""
    real = tmp_path / "elsewhere"
    real.mkdir()
    find_key_ring(None, real, may_create=True)
    (tmp_path / KEY_FILE).symlink_to(real / KEY_FILE)
    KeyFile(tmp_path / KEY_FILE).prepend_new_key()
    assert (tmp_path / KEY_FILE).is_symlink()
    assert len(find_key_ring(None, real, may_create=False).ids) == 2


def test_configured_key_file_is_read_again(tmp_path: Path) -> None:
    """A replaced file needs no restart; without the file, no value is sealed."""
    path = tmp_path / "keys"
    path.write_text(text_of(b"o" * 32), encoding="ascii")
    found = find_key_ring(SecretStr(text_of(b"o" * 32)), tmp_path, may_create=False, configured_file=path)
    assert (found.source.kind, found.source.name) == ("file", str(path))
    path.write_text(f"{text_of(b'n' * 32)},{text_of(b'o' * 32)}", encoding="ascii")
    assert KeyRing([b"n" * 32]).open(found.seal(SECRET, HERE), HERE) == SECRET
    path.unlink()
    with pytest.raises(SecretError, match=r"the keys in .* cannot be read any more"):
        found.seal(SECRET, HERE)


@pytest.mark.parametrize(
    ("value", "is_plain"), [(b"hunter2", True), (b'["a", "b"]', True), (b"\x01abc", False), (b"\xff\xfe", False)]
)
def test_plain_text_is_distinguished_from_damaged_values(value: bytes, is_plain: bool) -> None:  # noqa: FBT001  (an expectation)
    """Only text is ever sealed in place of a value that does not open."""
    assert (read_plain_text(value) is not None) is is_plain


def test_sealed_value_is_never_plain_text(ring: KeyRing) -> None:
    """This holds for any value."""
    assert read_plain_text(ring.seal(SECRET, HERE)) is None
