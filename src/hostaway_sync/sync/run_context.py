"""What every step of a run on one resource works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from hostaway_sync.model.records import Resource, Source
    from hostaway_sync.sync.progress import Progress

OtherT = TypeVar("OtherT")
RecorderT_co = TypeVar("RecorderT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class RunContext(Generic[RecorderT_co]):
    """One resource of one account in one run.

    Attributes:
        account_id: the account that is mirrored or verified.
        resource: the kind of object that is read.
        source: where it is read from.
        recorder: where its pages go.
        progress: is told how much was read.
    """

    account_id: int
    resource: Resource
    source: Source
    recorder: RecorderT_co
    progress: Progress

    def with_recorder(self, recorder: OtherT) -> RunContext[OtherT]:
        """Return the same with another recorder."""
        return RunContext(self.account_id, self.resource, self.source, recorder, self.progress)

    def report_progress(self, done: int, total: int | None) -> None:
        """Report that `done` of `total` (None: not known) were read."""
        self.progress.advance(self.account_id, self.resource, done, total)
