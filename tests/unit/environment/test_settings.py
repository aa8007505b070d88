from __future__ import annotations

import os
import pwd
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from hostaway_sync import settings as settings_module
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.settings import RateLimit, default_data_dir, load_settings

SECRETS = ["DATABASE_URL", "MASTER_KEY", "CLIENT_SECRET"]
NO_HOSTS = ("api..hunter2", ".hunter2", "hunter2..", f"hunter2{'x' * 64}.example", "xn--ö.hunter2")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start in an empty directory and without any source of settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Set one variable of the environment."""
    monkeypatch.setenv(f"HOSTAWAY_SYNC_{name}", value)


def test_defaults_are_those_of_the_contract() -> None:
    """Without any variable: the embedded database, the public API, and its documented limits."""
    found = load_settings()
    assert (found.database_url, found.master_key, found.client_secret) == (None, None, None)
    assert found.data_dir == default_data_dir()
    assert found.api_url == "https://api.hostaway.com/v1"
    assert found.rate_limit_ip == found.rate_limit_account == RateLimit(200, timedelta(seconds=10))
    assert found.rate_limit_send == RateLimit(30, timedelta(seconds=60))
    assert found.egress == socket.gethostname()
    assert (found.log_level, found.log_format) == ("WARNING", None)
    assert (found.retry_attempts, found.retry_backoff, found.requests_in_flight) == (5, 1.0, 4)
    assert found.pool_size is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@h/d", SecretStr("postgresql://u:p@h/d")),
        ("DATA_DIR", "/srv/mirror", Path("/srv/mirror")),
        ("CORE_SCHEMA", "hostaway_core", "hostaway_core"),
        ("API_URL", "https://api.example/v2/", "https://api.example/v2"),
        ("API_URL", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("API_URL", "http://localhost:8080", "http://localhost:8080"),
        ("API_URL", "http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("MASTER_KEY", "aaa,bbb", SecretStr("aaa,bbb")),
        ("KEYRING", "true", True),
        ("KEYRING", "0", False),
        ("RATE_LIMIT_IP", "15/10", RateLimit(15, timedelta(seconds=10))),
        ("RATE_LIMIT_ACCOUNT", " 20 / 1 ", RateLimit(20, timedelta(seconds=1))),
        ("RATE_LIMIT_SEND", "9999999/99999", RateLimit(9999999, timedelta(seconds=99999))),
        ("EGRESS", "office", "office"),
        ("CLIENT_SECRET", "s", SecretStr("s")),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "json", "json"),
        ("RETRY_ATTEMPTS", "1", 1),
        ("RETRY_BACKOFF", "0", 0.0),
        ("REQUESTS_IN_FLIGHT", "8", 8),
        ("POOL_SIZE", "500", 500),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        ("SEND_ALLOWLIST", "41, 42", frozenset({41, 42})),
        ("SEND_ALLOWLIST", ",", frozenset()),
    ],
)
def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    """A variable sets the setting of its name, and no other."""
    before = load_settings().model_dump()
    setting(monkeypatch, name, text)
    after = load_settings().model_dump()
    assert after.pop(name.lower()) == value
    del before[name.lower()]
    assert after == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CORE_SCHEMA", name) for name in ("Hunter2", "pg_hunter2", "hostaway", "information_schema", "a" * 64)),
        ("API_URL", "http://hunter2.example/v1"),
        ("API_URL", "http://127.0.0.1@hunter2.example/v1"),
        ("API_URL", "ftp://u:hunter2@h"),
        ("API_URL", "https://u:hunter2@api.example/v1"),
        ("API_URL", "https://hunter2@api.example/v1"),
        ("API_URL", "https://api.example/v1?key=hunter2"),
        ("API_URL", "https://api.example/v1#hunter2"),
        ("API_URL", "https://api.example/v1?"),
        ("API_URL", 'https://api.example/v1",'),  # a whole line, copied from a JSON file
        *((name, f"https://{host}/v1") for name in ("API_URL", "PING_URL") for host in NO_HOSTS),
        ("DATA_DIR", "~hunter2/x"),
        ("DATA_DIR", "~hunter2"),
        *((name, "hunter2\udcff") for name in ("DATA_DIR", "EGRESS", "MASTER_KEY", "DATABASE_URL", "API_URL")),
        ("API_URL", "hunter2"),
        ("RATE_LIMIT_IP", "hunter2"),
        ("RATE_LIMIT_IP", "0/10"),
        ("RATE_LIMIT_ACCOUNT", "10/0"),
        ("RATE_LIMIT_ACCOUNT", "-1/10"),
        ("RATE_LIMIT_SEND", "10"),
        ("RATE_LIMIT_SEND", "10/1.5"),
        ("RATE_LIMIT_SEND", "99999999/1"),
        ("LOG_LEVEL", "hunter2"),
        ("LOG_FORMAT", "hunter2"),
        ("RETRY_ATTEMPTS", "0"),
        ("RETRY_ATTEMPTS", "hunter2"),
        ("RETRY_BACKOFF", "61"),
        ("RETRY_BACKOFF", "nan"),
        ("REQUESTS_IN_FLIGHT", "1"),
        ("REQUESTS_IN_FLIGHT", "9"),
        ("POOL_SIZE", "1"),
        ("POOL_SIZE", "501"),
        ("EGRESS", "hunter2" * 50),
        ("TRUSTED_PROXIES", "hunter2"),
        ("SEND_ALLOWLIST", "hunter2"),
        ("TRUSTED_PROXIES", "127.0.0.1,*"),
    ],
)
def test_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The sentence has the variable's name and the allowed values, never the wrong one."""
    setting(monkeypatch, name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"settings: HOSTAWAY_SYNC_{name} ")
    assert "hunter2" not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["HOSTAWAY_SYNC_DATA_DIR", "XDG_DATA_HOME"])
def test_data_directory_must_be_utf8(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Also where its name comes from the current directory, or from that of the user's data."""
    odd = tmp_path / "hunter2\udcff"
    odd.mkdir()
    monkeypatch.chdir(odd)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv(name, "data" if name.startswith("HOST") else str(odd))
    with pytest.raises(ConfigurationError, match=r"^settings: HOSTAWAY_SYNC_DATA_DIR is in a directory") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator corrects all of them in one step."""
    setting(monkeypatch, "RETRY_ATTEMPTS", "0")
    setting(monkeypatch, "RATE_LIMIT_IP", "fast")
    sentence = "HOSTAWAY_SYNC_RATE_LIMIT_IP must be requests/seconds, for example 200/10; HOSTAWAY_SYNC_RETRY_ATTEMPTS"
    with pytest.raises(ConfigurationError, match=sentence):
        load_settings()


def test_url_is_used_as_it_was_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parsers may find two hosts in one text: the host that was checked is the host that is called."""
    setting(monkeypatch, "API_URL", "http://127.0.0.1\\@elsewhere.example/v1")
    assert load_settings().api_url == "http://127.0.0.1/@elsewhere.example/v1"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit or a compose file may leave it blank."""
    for name in ("DATABASE_URL", "LOG_LEVEL", "EGRESS", "RATE_LIMIT_IP"):
        setting(monkeypatch, name, "")
    found = load_settings()
    assert (found.database_url, found.log_level) == (None, "WARNING")


def test_sources_have_an_order_of_precedence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The caller's value, the variable, the named file, `.env`, then systemd's credentials."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert load_settings().client_secret is None
    (credentials / "hostaway_sync_client_secret").write_text("from systemd\n", encoding="utf-8")
    assert load_settings().client_secret == SecretStr("from systemd")
    (tmp_path / "named").write_text("from the file that .env names\n", encoding="utf-8")
    Path(".env").write_text(f"HOSTAWAY_SYNC_CLIENT_SECRET_FILE={tmp_path / 'named'}\n", encoding="utf-8")
    assert load_settings().client_secret == SecretStr("from the file that .env names")
    Path(".env").write_text("HOSTAWAY_SYNC_CLIENT_SECRET=from .env\nOTHER=1\n", encoding="utf-8")
    assert load_settings().client_secret == SecretStr("from .env")
    (tmp_path / "file").write_text(" from file\n\n", encoding="utf-8")
    setting(monkeypatch, "CLIENT_SECRET_FILE", str(tmp_path / "file"))
    assert load_settings().client_secret == SecretStr("from file")
    setting(monkeypatch, "CLIENT_SECRET", "from environment")
    assert load_settings().client_secret == SecretStr("from environment")
    told = SecretStr("from the caller")
    assert load_settings(client_secret=told).client_secret == told


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """A variable names the file, or it is in systemd's credentials directory."""
    credential = tmp_path / f"hostaway_sync_{name.lower()}"
    credential.write_text("from systemd", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert getattr(load_settings(), name.lower()) == SecretStr("from systemd")
    file = tmp_path / "file"
    file.write_text("from file", encoding="utf-8")
    setting(monkeypatch, f"{name}_FILE", str(file))
    assert getattr(load_settings(), name.lower()) == SecretStr("from file")


def test_file_of_the_master_key_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named by a variable, by .env, or by systemd; None where the key is in a variable or missing."""
    assert load_settings().master_key_file is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_settings().master_key_file is None
    places = {name: tmp_path / name for name in ("hostaway_sync_master_key", "in-dotenv", "in-variable")}
    for place in places.values():
        place.write_text(f"{place.name}\n", encoding="utf-8")
    assert load_settings().master_key_file == places["hostaway_sync_master_key"]
    Path(".env").write_text(f"HOSTAWAY_SYNC_MASTER_KEY_FILE={places['in-dotenv']}\n", encoding="utf-8")
    assert load_settings().master_key_file == places["in-dotenv"]
    setting(monkeypatch, "MASTER_KEY_FILE", str(places["in-variable"]))
    assert load_settings().master_key_file == places["in-variable"]
    setting(monkeypatch, "MASTER_KEY", "aaa")
    assert load_settings().master_key_file is None


def test_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing file is no missing setting: the embedded database must not be used in its place."""
    setting(monkeypatch, "DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"HOSTAWAY_SYNC_DATABASE_URL_FILE .*nowhere cannot be read: No such"):
        load_settings()
    (tmp_path / "nowhere").write_bytes(b"hunter2\xff")
    with pytest.raises(ConfigurationError, match="cannot be read: not UTF-8 text") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_env_file_that_is_no_text_is_named() -> None:
    """A sentence, not a traceback with the file's bytes."""
    Path(".env").write_bytes(b"HOSTAWAY_SYNC_CLIENT_SECRET=hunter2\xff\n")
    with pytest.raises(ConfigurationError, match=r"^settings: .env cannot be read: not UTF-8 text$"):
        load_settings()


def test_settings_are_frozen_and_never_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as text nor in their representation."""
    for name in SECRETS:
        setting(monkeypatch, name, "hunter2")
    found = load_settings()
    assert "hunter2" not in f"{found} {found!r}"
    with pytest.raises(ValidationError, match="frozen"):
        found.egress = "elsewhere"


def test_data_directory_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later change of directory does not move it, and ~ is the user's home."""
    assert load_settings(data_dir="here").data_dir == tmp_path / "here"
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load_settings(data_dir="~/there").data_dir == Path("/home/somebody/there")


def test_data_directory_is_found_without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron sets few variables: root has its own place, others XDG's directory or the one below their home."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/hostaway-sync")
    somebody = pwd.struct_passwd(("somebody", "x", 12345, 12345, "", "/home/somebody", "/bin/sh"))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: somebody)
    assert default_data_dir() == Path("/home/somebody/.local/share/hostaway-sync")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/hostaway-sync")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_data_dir() == Path("/home/somebody/.local/share/hostaway-sync")


def test_user_without_a_home_must_set_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user id has no name."""

    def nobody(user: int) -> pwd.struct_passwd:
        raise KeyError(user)

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigurationError, match="user 12345 has no home directory: set HOSTAWAY_SYNC_DATA_DIR"):
        load_settings()
    assert load_settings(data_dir="/srv").data_dir == Path("/srv")


def test_limit_may_be_passed_as_a_value() -> None:
    """Users of the library pass the value itself; other types are refused."""
    limit = RateLimit(1, timedelta(seconds=1))
    assert load_settings(rate_limit_ip=limit).rate_limit_ip == limit
    assert load_settings(trusted_proxies=("::1",)).trusted_proxies == ("::1",)
    with pytest.raises(ConfigurationError, match="HOSTAWAY_SYNC_RATE_LIMIT_IP"):
        load_settings(rate_limit_ip=5)
    assert settings_module.PREFIX == "HOSTAWAY_SYNC_"
