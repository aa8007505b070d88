"""Which URLs may be asked: https ones, and those whose scheme, host and port the settings name in full; pure."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hostaway_sync.environment.origins import Origin, has_login, origin_of, parse_url
from hostaway_sync.errors import AddressRefused
from hostaway_sync.outbound.addresses import is_public

# A parser of URLs drops some of these without a word, and another one does not.
_ODD: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_OF_THIS_MACHINE: Final = re.compile(r"(.+\.)?localhost\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked.

    Attributes:
        url: normalised, so that the connection and the request name the same host.
        origin: its scheme, host and port.
        is_exempt: the settings name its origin: it may have any address.
    """

    url: str
    origin: Origin
    is_exempt: bool

    @property
    def masked(self) -> str:
        """The URL with its path and query left out: both often hold a secret of the consumer's."""
        parts = urlsplit(self.url)
        return f"{self.origin}/…" if parts.path.strip("/") or parts.query else f"{self.origin}/"


def read_target(text: str, allowed: frozenset[Origin]) -> Target:
    """Read the URL of a consumer.

    Args:
        text: the URL.
        allowed: origins that the settings name.

    Raises:
        AddressRefused: it is no URL, or may not be asked.
    """
    if _ODD.search(text):
        raise AddressRefused("the URL has a space, a backslash or a control character: leave it out")
    try:
        url = parse_url(text)
    except ValueError as error:
        raise AddressRefused(f"the URL {error}") from None
    if has_login(url) or url.fragment is not None:
        raise AddressRefused("the URL has a user, a password or a number sign: leave them out")
    origin = origin_of(url)
    is_exempt = origin in allowed
    if origin.scheme != "https" and not is_exempt:
        raise AddressRefused(
            f"{origin} is not https: use https, or name {origin} in HOSTAWAY_SYNC_AUTOMATION_HOSTS"
            " if it is a host of your own network"
        )
    if not is_exempt and _is_private(origin.host):
        raise AddressRefused(
            f"{origin.host} is not public: use a host of the internet, or name {origin} in"
            " HOSTAWAY_SYNC_AUTOMATION_HOSTS if it is a host of your own network"
        )
    return Target(str(url), origin, is_exempt)


def _is_private(host: str) -> bool:
    """Whether a host that needs no resolving is not public; a name is judged when it is resolved."""
    with suppress(ValueError):
        return not is_public(host.strip("[]"))
    return _OF_THIS_MACHINE.fullmatch(host) is not None
