"""Which URLs may be asked: https ones, and those whose scheme, host and port the settings name in full; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from hostaway_sync.environment.host_names import is_host_name
from hostaway_sync.errors import AddressRefused

_URL: Final = TypeAdapter(AnyHttpUrl)
_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Origin:
    """The scheme, host and port of a URL, the host as it is resolved."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Return the origin as it is written in a URL."""
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if self.port == usual else f":{self.port}")


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


def read_origin(text: str) -> Origin:
    """Read `scheme://host` or `scheme://host:port`; raise ValueError for anything else."""
    url = _parse(text)
    if url.path not in (None, "/") or url.query is not None or url.fragment is not None or _has_login(url):
        raise ValueError("has more than a scheme, a host and a port")
    return _origin_of(url)


def read_target(text: str, allowed: frozenset[Origin]) -> Target:
    """Read the URL of a consumer.

    Args:
        text: the URL.
        allowed: origins that the settings name.

    Raises:
        AddressRefused: it is no URL, or may not be asked.
    """
    try:
        url = _parse(text)
    except ValueError as error:
        raise AddressRefused(f"the URL {error}") from None
    if _has_login(url) or url.fragment is not None:
        raise AddressRefused("the URL has a user, a password or a number sign: leave them out")
    origin = _origin_of(url)
    is_exempt = origin in allowed
    if origin.scheme != "https" and not is_exempt:
        raise AddressRefused(
            f"{origin} is not https: use https, or name {origin} in HOSTAWAY_SYNC_AUTOMATION_HOSTS"
            " if it is a host of your own network"
        )
    return Target(str(url), origin, is_exempt)


def _parse(text: str) -> AnyHttpUrl:
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST:,} characters")
    try:
        url = _URL.validate_python(text)
    except ValidationError:
        raise ValueError("is not an http or https address, such as https://hooks.example.com/stays") from None
    if not is_host_name(url.host or ""):
        raise ValueError("names a host that cannot be")
    return url


def _has_login(url: AnyHttpUrl) -> bool:
    return url.username is not None or url.password is not None


def _origin_of(url: AnyHttpUrl) -> Origin:
    return Origin(url.scheme, url.host or "", url.port or 0)
