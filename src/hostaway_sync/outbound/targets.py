"""Which URLs may be asked: https ones, and those whose scheme, host and port the settings name in full; pure."""

from __future__ import annotations

from dataclasses import dataclass

from hostaway_sync.environment.origins import Origin, has_login, origin_of, parse_url
from hostaway_sync.errors import AddressRefused


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


def read_target(text: str, allowed: frozenset[Origin]) -> Target:
    """Read the URL of a consumer.

    Args:
        text: the URL.
        allowed: origins that the settings name.

    Raises:
        AddressRefused: it is no URL, or may not be asked.
    """
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
    return Target(str(url), origin, is_exempt)
