"""How a consumer answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """How a consumer answered.

    Attributes:
        error: why it does not count as told; None: it does.
        status: of HTTP, or the exit code; None: none came.
        output: the end of what a command wrote; None: it wrote nothing, or the consumer is no command.
        is_gone: it asked never to be told again.
        is_away: it fails as a whole, not at this event.
        shown: the beginning of the body of an answer, for the person who tests; never stored.
    """

    error: str | None = None
    status: int | None = None
    output: str | None = None
    is_gone: bool = False
    is_away: bool = False
    shown: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the consumer was told."""
        return self.error is None
