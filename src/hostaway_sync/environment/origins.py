"""Scheme, host and port of URLs, read strictly; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from hostaway_sync.environment.host_names import is_host_name

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


def read_origin(text: str) -> Origin:
    """Read `scheme://host` or `scheme://host:port`; raise ValueError for anything else."""
    url = parse_url(text)
    if url.path not in (None, "/") or url.query is not None or url.fragment is not None or has_login(url):
        raise ValueError("has more than a scheme, a host and a port")
    return origin_of(url)


def parse_url(text: str) -> AnyHttpUrl:
    """Return a URL, normalised; raise ValueError, with words that follow its name, for anything else."""
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST:,} characters")
    try:
        url = _URL.validate_python(text)
    except ValidationError:
        raise ValueError("is not an http or https address, such as https://hooks.example.com") from None
    if not is_host_name(url.host or ""):
        raise ValueError("names a host that cannot be")
    return url


def has_login(url: AnyHttpUrl) -> bool:
    """Whether a URL has a user or a password."""
    return url.username is not None or url.password is not None


def origin_of(url: AnyHttpUrl) -> Origin:
    """Return the origin of a URL."""
    return Origin(url.scheme, url.host or "", url.port or 0)
