"""One comparison of all that the source lists with all that is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound, SourceError
from hostaway_sync.model.records import OBJECTS, ChangeCounts, Page, Resource, ResourceReport, RunState
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons
from hostaway_sync.sync.run_context import RunContext
from hostaway_sync.sync.threads import mirror_parts

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Source
    from hostaway_sync.store.records.findings import UnmetRow
    from hostaway_sync.sync.progress import Progress
    from hostaway_sync.sync.verify.certificate import Findings
    from hostaway_sync.sync.verify.recorder import VerifyRecorder


class Comparison:
    """One comparison of an account, resource after resource.

    Args:
        account_id: whose mirror.
        source: what the mirror is compared with.
        recorder: takes the pages, compares and notes.
        progress: is told how much was read.
        in_flight: how many threads are read at once.
        deep: whether every thread is read.
        began_at: now, by the database's clock.
    """

    def __init__(
        self,
        account_id: int,
        source: Source,
        recorder: VerifyRecorder,
        progress: Progress,
        *,
        in_flight: int,
        deep: bool,
        began_at: datetime,
    ) -> None:
        self._account_id = account_id
        self._source = source
        self._recorder = recorder
        self._progress = progress
        self._in_flight = in_flight
        self._deep = deep
        self._began_at = began_at
        self._conversations: Findings | None = None
        # A message of no thread that the source has is compared only when all of its threads were read.
        self._beyond_threads = False

    def run(self) -> dict[Resource, Findings]:
        """Return what was found, resource by resource; one that could not be compared whole carries an error."""
        found: dict[Resource, Findings] = {}
        broken: SourceError | None = None
        for resource in OBJECTS:
            note, error = None, str(broken) if broken else None
            if broken is None:
                try:
                    note, error = self._compare(resource)
                except SourceError as failure:
                    error = str(failure)
                    broken = failure if plan.ends_the_run(failure) else None
            findings = self._recorder.sum_up(resource, deep=self._beyond_threads)
            found[resource] = replace(findings, note=note, error=error)
            self._conversations = found.get(Resource.CONVERSATIONS)
        return found

    def _compare(self, resource: Resource) -> tuple[str | None, str | None]:
        """Compare listed rows and then unlisted ones; return a note, and why the comparison was not whole."""
        note = None
        error = self._compare_threads() if resource is Resource.MESSAGES else self._compare_list(resource)
        # A thread that was read whole counts, even if another one failed.
        if error is None or resource is Resource.MESSAGES:
            note = self._compare_unlisted(resource)
        return note, error

    def _compare_list(self, resource: Resource) -> str | None:
        doubt: str | None = None
        why = reasons.explain_comparison(resource)
        for _ in range(plan.MAX_WALKS):
            last: Page | None = None
            done = 0
            for page in self._source.walk(resource, why=reasons.explain_again(why, doubt) if doubt else why):
                self._recorder.record(page)
                last = page
                done += len(page.records)
                self._progress.advance(self._account_id, resource, done, page.total)
            doubt = plan.find_doubt(last, self._recorder.count_met(resource))
            if doubt is None:
                return None
        return f"not read whole: {doubt}"

    def _compare_threads(self) -> str | None:
        listed = self._conversations
        is_whole = listed is not None and listed.error is None
        context = RunContext(self._account_id, Resource.MESSAGES, self._source, self._recorder, self._progress)
        state = RunState.SUCCESS if is_whole else RunState.PARTIAL
        report = mirror_parts(
            context, self._recorder, in_flight=self._in_flight, listed=ResourceReport(state, ChangeCounts())
        )
        is_known = is_whole and listed is not None and listed.note is None
        self._beyond_threads = self._deep and is_known and report.error is None
        return report.error

    def _compare_unlisted(self, resource: Resource) -> str | None:
        """Request every live row that no page held; return why none was requested when suspiciously many are gone."""
        recorder, deep = self._recorder, self._beyond_threads
        counted = recorder.count_unlisted(resource, deep=deep)
        if plan.is_sudden(*counted):
            recorder.note_all_unlisted_as_extra(resource, deep=deep)
            loss = plan.describe_sudden_loss(*counted)
            return f"{loss}: they count as extra, but none was asked for and none is marked missing"
        rows = recorder.find_unlisted(resource, deep=deep, began_at=self._began_at) if counted[0] else []
        for row in rows:
            self._request(resource, row)
        return None

    def _request(self, resource: Resource, row: UnmetRow) -> None:
        if row.is_orphan:
            self._recorder.note_gone(resource, row.id)
            return
        try:
            why = reasons.explain_unlisted(resource)
            self._recorder.record(self._source.get(resource, row.id, parent=row.parent, why=why))
        except NotFound:
            self._recorder.note_gone(resource, row.id)
        except Forbidden:
            # The object may be gone, or no longer ours to read: time tells.
            if row.since is not None and self._began_at - row.since >= plan.UNLISTED_FOR:
                self._recorder.note_gone(resource, row.id)
            else:
                self._recorder.note_undecided(resource, row.id)
