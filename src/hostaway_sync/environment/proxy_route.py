"""Reads from the environment which proxy leads to a server, and which certificates are trusted on that route.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR. The HTTP client could read these itself, but
fails at entries of NO_PROXY that other programs understand. So this module reads them and passes the result to it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from hostaway_sync.environment.host_names import is_host_name
from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_THIS_MACHINE: Final = {"127.0.0.1", "localhost", "::1"}
_PROXY_SCHEMES: Final = {"http", "https"}
_SOCKS: Final = re.compile("socks[45].?")
_PORTS: Final = {"http": 80, "https": 443}
# OpenSSL finds a certificate in a directory only by the hash of its subject.
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")


class Proxy(NamedTuple):
    """A proxy, and the variable that names it."""

    url: str
    variable: str


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine, which needs no proxy."""
    try:
        return urlsplit(url).hostname in _THIS_MACHINE
    except ValueError:
        return False


def find_proxy(url: str, proxies: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for a URL, or None if it needs none.

    Args:
        url: the URL of the request.
        proxies: proxies by scheme, `all` and `no`, as `urllib.request.getproxies` returns them; None: call it.

    Raises:
        ConfigurationError: the variable for this URL does not name a usable proxy.
    """
    found = getproxies() if proxies is None else proxies
    try:
        target = urlsplit(url)
        host, port = target.hostname or "", target.port or _PORTS.get(target.scheme)
    except ValueError:
        return None  # the request itself will fail with a better error
    if is_this_machine(url) or _is_excepted(host, port, target.scheme, found.get("no", "")):
        return None
    for scheme in (target.scheme, "all"):
        value = found.get(scheme, "").strip()
        if value:
            variable = f"{scheme.upper()}_PROXY"
            return Proxy(_proxy_url(value, variable), variable)
    return None


def tls_trust_for(url: str) -> ssl.SSLContext | bool:
    """Return the trusted certificates for a URL, as httpx's `verify` takes them; True: httpx's own.

    Raises:
        ConfigurationError: the environment names certificates that cannot be read.
    """
    if not is_this_machine(url):
        return load_certificates() or True
    return url.startswith("https:")  # without TLS, loading certificates would waste 40 ms


def load_certificates(variables: Mapping[str, str] | None = None) -> ssl.SSLContext | None:
    """Return a context that trusts the certificates of SSL_CERT_FILE, or else SSL_CERT_DIR; None if neither is set.

    Raises:
        ConfigurationError: no certificate can be read there.
    """
    found = os.environ if variables is None else variables
    file, directories = found.get("SSL_CERT_FILE"), found.get("SSL_CERT_DIR")
    if file:
        _require_file(file)
        return _context("SSL_CERT_FILE", cafile=file)
    if directories:
        _require_hashed(directories)
        return _context("SSL_CERT_DIR", capath=directories)
    return None


def _context(variable: str, *, cafile: str | None = None, capath: str | None = None) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=cafile, capath=capath)
    except ssl.SSLError:
        pass  # it found no certificate, which the check below reports
    except OSError as error:
        raise ConfigurationError(f"{variable} {cafile or capath!r} cannot be read: {error.strerror}") from None
    if cafile and not context.cert_store_stats()["x509"]:
        raise ConfigurationError(f"{variable} {cafile!r} holds no certificates in PEM form")
    return context


def _require_file(file: str) -> None:
    try:
        is_file = stat.S_ISREG(os.stat(file).st_mode)  # noqa: PTH116  (a Path hides that a name holds a zero byte)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is no name of a file"
        raise ConfigurationError(f"SSL_CERT_FILE {file!r} cannot be read: {why}") from None
    if not is_file:
        raise ConfigurationError(f"SSL_CERT_FILE {file!r} is not a file: SSL_CERT_DIR names directories")


def _require_hashed(directories: str) -> None:
    for directory in directories.split(os.pathsep):
        try:
            if any(_HASHED.fullmatch(path.name) for path in Path(directory).iterdir()):
                return
        except (OSError, ValueError):
            continue
    raise ConfigurationError(
        f"SSL_CERT_DIR {directories!r} holds no certificates that can be found: name a directory that `openssl rehash` "
        "was run on, or a file in SSL_CERT_FILE"
    )


def _proxy_url(value: str, variable: str) -> str:
    """Return the URL of a proxy. It may hold a password, so no error message repeats it."""
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        is_good = (
            bool(parts.hostname)
            and is_host_name(parts.hostname or "")
            and parts.port != 0
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        is_good = False
    if is_good and _SOCKS.fullmatch(parts.scheme):
        raise ConfigurationError(f"{variable} names a SOCKS proxy, which this program cannot use: name an HTTP proxy")
    if not is_good or parts.scheme not in _PROXY_SCHEMES:
        raise ConfigurationError(f"{variable} is not the URL of a proxy, such as http://proxy.example:3128") from None
    return url


def _is_excepted(host: str, port: int | None, scheme: str, exceptions: str) -> bool:
    """Whether NO_PROXY has an entry for a host: its name, a parent domain, its address or its network.

    An entry that cannot be parsed is ignored, as other programs do: each has a dialect of its own.
    """
    return any(_matches(entry.lower(), host, port, scheme) for entry in re.split(r"[,\s]+", exceptions) if entry)


def _matches(entry: str, host: str, port: int | None, scheme: str) -> bool:
    of_scheme, separator, rest = entry.rpartition("://")
    name, only_port = _split_port(rest)
    if (separator and of_scheme not in {scheme, "all"}) or only_port not in {None, port}:
        return False
    address, network = _address(host), _network(name)
    if network is not None:
        return address is not None and address in network
    if address is not None or _address(name) is not None:
        return address == _address(name)
    return _is_below(host.rstrip("."), name.rstrip("."))


def _is_below(host: str, name: str) -> bool:
    ending = name.removeprefix("*")
    if ending.startswith("."):
        return host.endswith(ending)
    return name == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that an entry names, with brackets or without, or None if it names none."""
    if "/" not in entry:
        return None
    try:
        return ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*):(\d{1,5})", entry)
    return (match[1], int(match[2])) if match else (entry, None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
