"""One request and its answer as those who ask see them, and why it is made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Bucket

Params: TypeAlias = "Mapping[str, int | str]"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request is made; see `ApiCall`."""

    why: str
    step: str = ""
    attempt: int = 1

    def also(self, more: str) -> Cause:
        """Add to the step."""
        return replace(self, step=", ".join(filter(None, (self.step, more))))


@dataclass(frozen=True, slots=True)
class Request:
    """One request, with everything secret in it kept out of its repr.

    `leaving` is called when it has its turn, the instant before its bytes leave; what that raises keeps them here.
    One that `leaves_once` is not repeated when its outcome is unknown, and takes a connection of its own.
    """

    method: str
    path: str
    buckets: tuple[Bucket, ...]
    cause: Cause
    params: Params = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    document: Mapping[str, int | str] | None = field(default=None, repr=False)
    secret_params: Mapping[str, SecretStr] = field(default_factory=dict)
    bearer: SecretStr | None = None
    leaving: Callable[[], None] | None = field(default=None, repr=False, compare=False)
    leaves_once: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """Its answer; `observed_at` is the moment for which the request was granted."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    observed_at: datetime
