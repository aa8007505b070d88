"""Turns exceptions of httpx into sentences that say what failed and on which way, with or without a proxy."""

from __future__ import annotations

import os
import re
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httpx

from hostaway_sync.errors import SourceError, SourceUnavailable
from hostaway_sync.safe_text import quote_safely

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRONG_ADDRESS: Final = (httpx.InvalidURL, httpx.UnsupportedProtocol)
# Sentences for exceptions without an error of the operating system; the first class that fits counts.
_BROKEN: Final = {
    httpx.ConnectTimeout: "no connection was made in time",
    httpx.ConnectError: "no connection could be made",
    httpx.RemoteProtocolError: "it was closed before a whole answer came, or what came was no HTTP",
    httpx.DecodingError: "the answer could not be unpacked",
    httpx.NetworkError: "it was closed",
    OSError: "it was closed",
}


def as_source_error(error: Exception, api_url: str, *, proxy: str | None = None) -> SourceError:
    """Return what an exception of httpx means, in a sentence without the request, whose headers are secret.

    Args:
        error: the exception.
        api_url: address of the API.
        proxy: name of the variable that holds the proxy's address; None: no proxy is used.
    """
    if isinstance(error, _WRONG_ADDRESS):
        return SourceError(f"{api_url!r} is not an address that Hostaway could have: check the API's address")
    if isinstance(error, httpx.ProxyError):
        words = f"the proxy that {proxy} names lets no request through: {_answer(error)}"
        return SourceUnavailable(f"Hostaway cannot be reached at {api_url}: {words}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        words = _cause(error)
        if proxy and not _is_of_tls(error):
            words = f"the proxy that {proxy} names cannot be reached: {words}"
        elif proxy:
            words = f"{words}, on the way through the proxy that {proxy} names"
        return SourceUnavailable(f"Hostaway cannot be reached at {api_url}: {words}")
    if isinstance(error, httpx.TimeoutException):
        return SourceUnavailable("Hostaway did not answer in time")
    through = f", which leads through the proxy that {proxy} names" if proxy else ""
    return SourceUnavailable(f"The connection to Hostaway{through} broke: {_cause(error)}")


def _cause(error: Exception) -> str:
    """Return why a connection failed, in the words of the operating system if it has any, else of our table."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({one.verify_message})"
        if isinstance(one, ssl.SSLError):
            return f"TLS fails ({(one.reason or 'no reason given').replace('_', ' ').lower()})"
        if isinstance(one, socket.gaierror):
            return f"its name is not found by DNS ({one.strerror})"
        if isinstance(one, ConnectionRefusedError):
            return "it refuses the connection: nothing listens there"
        if isinstance(one, OSError) and one.errno:
            return os.strerror(one.errno)
    fitting = (words for kind, words in _BROKEN.items() if isinstance(error, kind))
    return next(fitting, None) or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and the ones that caused it, because libraries wrap those of the system."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _is_of_tls(error: Exception) -> bool:
    return any(isinstance(one, ssl.SSLError) for one in _chain(error))


def _answer(error: httpx.ProxyError) -> str:
    """Return what a proxy answered, as its status with the standard phrase; the proxy's own words are not trusted."""
    match = re.match(r"([1-5]\d\d)\b", str(error))
    if match is None:
        return quote_safely(str(error)) or "it broke the connection"
    status = int(match[1])
    try:
        named = f"it answers {status} {HTTPStatus(status).phrase}"
    except ValueError:
        named = f"it answers {status}"
    is_login = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    return f"{named}: check the user and the password in it" if is_login else named
