"""Whether the receiver can take deliveries, as `/ready` answers."""

from __future__ import annotations

from dataclasses import dataclass

from hostaway_sync.http_server.readiness import Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReadiness(Readiness):
    """Whether deliveries can be taken, and how far behind the workers are.

    Attributes:
        waiting_s: age of the oldest delivery that waits, in seconds; None: not known.
    """

    waiting_s: float | None = None

    @classmethod
    def failed(cls, trouble: str) -> DeliveryReadiness:
        """Return that the database takes no deliveries, and why."""
        return cls(has_database=False, has_schema=False, trouble=trouble)
