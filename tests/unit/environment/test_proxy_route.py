from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import certifi
import httpx
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.support.examples import examples

from hostaway_sync.environment.proxy_route import find_proxy, is_this_machine, load_certificates
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.platforms.hostaway.http.transport import _http_client

API = "https://api.hostaway.com/v1"
PROXY = "http://proxy.example:3128"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
SECONDS = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own proxies and certificates from the environment."""
    for name in [*VARIABLES, *map(str.lower, VARIABLES), "SSLKEYLOGFILE"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("exceptions", "url", "is_excepted"),
    [
        ("", API, False),
        ("fe80::/10", API, False),
        ("[::1]", API, False),
        ("[::1]:8080,fe80::/10,[fd00::]/8,::1", API, False),
        ("localhost,127.0.0.1,*", API, True),
        ("*.hostaway.com", API, True),
        ("*.hostaway.com", "https://hostaway.com", False),
        (".hostaway.com", API, True),
        (".hostaway.com", "https://hostaway.com", False),
        ("hostaway.com", API, True),
        ("HOSTAWAY.com.", API, True),
        ("away.com", API, False),
        ("api.hostaway.com:443", API, True),
        ("api.hostaway.com:8443", API, False),
        ("api.hostaway.com:8443", "https://api.hostaway.com:8443/v1", True),
        ("https://api.hostaway.com", API, True),
        ("all://api.hostaway.com", API, True),
        ("http://api.hostaway.com", API, False),
        ("other.example api.hostaway.com", API, True),
        ("10.0.0.0/8", "https://10.1.2.3/v1", True),
        ("10.0.0.1/8", "https://10.1.2.3/v1", True),
        ("10.0.0.0/8", "https://11.1.2.3/v1", False),
        ("10.1.2.3", "https://10.1.2.3/v1", True),
        ("10.1.2.3:8443", "https://10.1.2.3/v1", False),
        ("2.3", "https://10.1.2.3/v1", False),
        ("fd00::/8", "https://[fd12::1]/v1", True),
        ("[fd00::]/8", "https://[fd12::1]/v1", True),
        ("[fd12::1]", "https://[fd12:0::1]/v1", True),
        ("fd12::1", "https://[fd12::1]/v1", True),
        ("[fd12::1]:443", "https://[fd12::1]/v1", True),
        ("fe80::1%eth0", "https://[fe80::1]/v1", True),
        ("[", API, False),
        ("://,/,:,:::,[]:,]/8,%,\t", API, False),
    ],
)
def test_no_proxy_matches_as_in_other_programs(exceptions: str, url: str, is_excepted: bool) -> None:  # noqa: FBT001
    """Names and their subdomains, ports, addresses and networks, with brackets and without."""
    found = find_proxy(url, {"https": PROXY, "no": exceptions})
    assert (found is None) == is_excepted


@pytest.mark.parametrize(
    ("proxies", "url", "proxy"),
    [
        ({"https": PROXY, "all": "http://other"}, API, (PROXY, "HTTPS_PROXY")),
        ({"all": PROXY}, API, (PROXY, "ALL_PROXY")),
        ({"http": PROXY}, API, None),
        ({"http": PROXY}, "http://monitor.example", (PROXY, "HTTP_PROXY")),
        ({"https": " proxy.example:3128\n"}, API, (PROXY, "HTTPS_PROXY")),
        ({"https": "http://someone:hunter2@[fd00::1]:1"}, API, ("http://someone:hunter2@[fd00::1]:1", "HTTPS_PROXY")),
        ({"all": PROXY}, "http://127.0.0.1:80/v1", None),
        ({"all": PROXY}, "https://[::1]/v1", None),
        ({"all": PROXY}, "https://127.0.0.1.example/v1", (PROXY, "ALL_PROXY")),
    ],
)
def test_proxy_is_found_with_its_variable(proxies: dict[str, str], url: str, proxy: tuple[str, str] | None) -> None:
    """The scheme's variable comes before that of all schemes; this machine has no proxy."""
    assert find_proxy(url, proxies) == proxy
    if proxy:
        httpx.Proxy(proxy[0])


@pytest.mark.parametrize(
    "value",
    ["http://", "://", "ftp://h", "socks5://h:1080", "h:99999", "http://h:hunter2", "http://a b", "http://[::1", "h:0"],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_invalid_proxy_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error does not repeat the value, which may hold a password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name.upper()} ") as caught:
        find_proxy(API)
    assert "hunter2" not in str(caught.value)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30) | st.text(
    "htps:/@[]%.*,0123456789afx -\n#?\\", max_size=25
)


@pytest.mark.parametrize("name", VARIABLES)
@given(value=TEXTS)
@example(value="fe80::/10")
@example(value="[::1]")
@example(value="http://[::1]:8080")
@example(value="/")
@example(value="/dev/null")
@example(value="http://proxy\u3002example")
@example(value="http://xn--a")
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None
)
def test_any_value_gives_a_client_or_blames_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Never a traceback, and never the name of another variable."""
    with monkeypatch.context() as changed:
        if name == "NO_PROXY":
            changed.setenv("HTTPS_PROXY", PROXY)
        changed.setenv(name, value)
        assert _blamed() in {None, None if name == "NO_PROXY" else name}


def _blamed() -> str | None:
    """Return the first word of the error that refuses a client, or None if the client is made."""
    try:
        _http_client(API, SECONDS, SECONDS, kept_alive=1).close()
    except ConfigurationError as error:
        return str(error).partition(" ")[0]
    return None


def test_certificates_come_from_a_file_or_else_a_directory(tmp_path: Path) -> None:
    """With OpenSSL's variables; without them, the program's own certificates are used."""
    assert load_certificates({}) is None
    assert load_certificates({"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}) is None
    found = load_certificates({"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": "/nonexistent"})
    assert found is not None
    assert found.cert_store_stats()["x509"] > 10
    assert found.check_hostname
    known = Path(certifi.where()).read_text(encoding="utf-8")
    (tmp_path / "ca.pem").write_text(known, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_DIR .* holds no certificates that can be found"):
        load_certificates({"SSL_CERT_DIR": str(tmp_path)})
    one = known.partition("-----END CERTIFICATE-----")
    (tmp_path / "ca.pem").write_text(one[0] + one[1] + "\n", encoding="utf-8")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)  # noqa: S607
    assert load_certificates({"SSL_CERT_DIR": f"/nonexistent{os.pathsep}{tmp_path}"}) is not None


@pytest.mark.parametrize("host", ["hunter2..b", ".hunter2", "..", "hunter2" * 10, "hunter2:x@a..b", "xn--ö.hunter2"])
@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
def test_proxy_with_an_impossible_host_is_refused(monkeypatch: pytest.MonkeyPatch, scheme: str, host: str) -> None:
    """It would end a request with an error that the HTTP client does not know."""
    for variable in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"{scheme}{host}:3128")
        with pytest.raises(ConfigurationError, match=f"^{variable} ") as caught:
            _http_client(API, SECONDS, SECONDS, kept_alive=1)
        assert "hunter2" not in str(caught.value)
        monkeypatch.delenv(variable)


@pytest.mark.parametrize("content", [None, b"", b"hunter2", b"-----BEGIN CERTIFICATE-----\nhunter2\n"])
def test_file_without_certificates_is_named(tmp_path: Path, content: bytes | None) -> None:
    """The file is missing or empty, or holds other data."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE .*ca\.pem' ") as caught:
        load_certificates({"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    assert "hunter2" not in str(caught.value)


def test_unwritable_sslkeylogfile_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python writes connection keys to that file; the certificates are not at fault."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys"))
    with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE cannot be used: No such file"):
        _http_client(API, SECONDS, SECONDS, kept_alive=1)


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://localhost:1/v1", True),
        ("http://LOCALHOST/v1", True),
        ("https://[::1]/v1", True),
        ("http://127.0.0.1.example/", False),
        ("http://localhost@example/", False),
        ("http://[", False),
    ],
)
def test_only_loopback_names_are_this_machine(url: str, is_here: bool) -> None:  # noqa: FBT001
    """A name may only look local."""
    assert is_this_machine(url) is is_here
