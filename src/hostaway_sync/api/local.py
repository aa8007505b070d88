"""Whether a request comes from this machine, and not through a proxy of it; pure."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_PROXIES: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def is_local(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request comes from loopback and was addressed to it.

    A page of the web could have a browser of this machine ask for a name of its own that leads here: such a name is in
    the header `Host`, and none but `localhost` is accepted there.

    Args:
        address: from which it came; None: unknown.
        headers: by name, in small letters.
    """
    if address is None or any(name in headers for name in _OF_PROXIES):
        return False
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    return _is_loopback(address) and (host == "localhost" or _is_loopback(host.strip("[]")))


def _is_loopback(text: str) -> bool:
    with suppress(ValueError):
        return ip_address(text).is_loopback
    return False
