"""Where a server listens: one address of this machine, or every one."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from typing import Final

from hostaway_sync.errors import UsageError

BACKLOG: Final = 1024
_LONGEST_NAME: Final = 253
_PART: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)

log = logging.getLogger(__name__)


def parse_listen_address(host: str) -> str:
    """Return the address or name in `--host`, without the brackets of IPv6.

    Raises:
        UsageError: the text is neither an address nor a name.
    """
    bare = host.removeprefix("[").removesuffix("]")
    is_bracketed = host != bare
    if _ip(bare) is not None and host in {bare, f"[{bare}]"} and (":" in bare or not is_bracketed):
        return bare
    if not is_bracketed and len(host) <= _LONGEST_NAME and _is_name(host):
        return host
    raise UsageError(
        f"--host {host!r} is no address to listen on: write an address such as 127.0.0.1 or ::1, or a name of this "
        "machine; its port stands in --port"
    )


def open_listener(host: str, port: int, *, part: str) -> socket.socket:
    """Open a listening socket; port 0 takes any free port, and `::` listens on every address, IPv4 included.

    Args:
        host: an address of this machine, or a name of it.
        port: the port.
        part: the name of the part of the program that listens, for a log line.

    Raises:
        UsageError: the host is neither an address nor a name.
        OSError: the port is taken, or this process may not take it.
    """
    address = parse_listen_address(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    is_both = family == socket.AF_INET6 and _is_every_address(address)
    if is_both and not socket.has_dualstack_ipv6():
        log.warning("%s: %s listens on IPv6 only on this system: use 0.0.0.0 for IPv4", part, host)
        is_both = False
    try:
        found = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM)[0][4]
    except socket.gaierror as error:
        raise OSError(error.errno, error.strerror, f"--host {host}") from None
    try:
        listener = socket.create_server(found, family=family, backlog=BACKLOG, dualstack_ipv6=is_both)
    except OSError as error:
        # The text of the error names the address once more, as Python writes it.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise type(error)(error.errno, reason, f"{host}:{port}") from None
    # Connections inherit it. asyncio would set it, but takes these for no TCP, because Python made them without naming
    # the protocol; the body of an answer then waits 40 ms for the caller to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """Whether this may be the name of a machine; a text whose last part is a number is an address."""
    parts = host.removesuffix(".").split(".")
    return all(_PART.fullmatch(part) for part in parts) and not parts[-1].isdigit()


def _is_every_address(address: str) -> bool:
    found = _ip(address)
    return found is not None and found.is_unspecified
