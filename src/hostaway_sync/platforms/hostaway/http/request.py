"""One request, why it is made, and its answer, without the HTTP library."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Bucket

Params: TypeAlias = "Mapping[str, int | str]"
JsonScalar: TypeAlias = "int | float | str | None"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request is made; see `ApiCall`."""

    why: str
    step: str = ""
    attempt: int = 1

    def with_step(self, more: str) -> Cause:
        """Return the same cause with `more` added to its step."""
        return replace(self, step=", ".join(filter(None, (self.step, more))))


@dataclass(frozen=True, slots=True)
class Request:
    """One request; its repr leaves out everything secret.

    Attributes:
        method: of HTTP.
        path: below the API's address.
        buckets: what it counts against.
        cause: why it is made.
        params: of the URL.
        form: becomes a URL-encoded body.
        document: becomes a JSON body.
        secret_params: of the URL, too; kept out of logs.
        bearer: the token.
        before_send: is called the instant before its bytes leave; if it raises, they do not leave.
        is_sent_once: it is not repeated when its outcome is unknown, and gets a connection of its own.
    """

    method: str
    path: str
    buckets: tuple[Bucket, ...]
    cause: Cause
    params: Params = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    document: Mapping[str, JsonScalar] | None = field(default=None, repr=False)
    secret_params: Mapping[str, SecretStr] = field(default_factory=dict)
    bearer: SecretStr | None = None
    before_send: Callable[[], None] | None = field(default=None, repr=False, compare=False)
    is_sent_once: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request; `observed_at` is the moment that the budget granted to it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    observed_at: datetime
