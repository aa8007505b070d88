"""Read one list of a kind: in one answer or in many, whatever the list does with the parameters of paging.

Most of these lists are documented without paging, and some page all the same (notes on resources, 6). So each is asked
for with a limit, and again with an offset, until it has shown its end: an empty page, as many rows as it counts, a page
that is shorter than any server's limit, or rows that were all seen before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound
from hostaway_sync.model.kinds.kind import KindPage, KindRecord, Scope
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.platforms.hostaway.http.request import Cause
from hostaway_sync.platforms.hostaway.kinds.list_state import ListState
from hostaway_sync.platforms.hostaway.kinds.records import as_kind_record
from hostaway_sync.platforms.hostaway.kinds.requested import REQUESTED, as_requested_object
from hostaway_sync.platforms.hostaway.kinds.spec import LIMIT, Form
from hostaway_sync.platforms.hostaway.kinds.table import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from hostaway_sync.model.kinds.requested import Requested, RequestedObject
    from hostaway_sync.model.redaction import Redaction, Redactor
    from hostaway_sync.platforms.hostaway.http.api import HostawayApi
    from hostaway_sync.platforms.hostaway.kinds.spec import KindSpec, ListToRead


class KindReader:
    """Reads the kinds of one account; implements `KindSource`.

    Args:
        api: the calls of the account.
        redaction: hides fields of the objects; None: nothing is hidden.
    """

    def __init__(self, api: HostawayApi, redaction: Redaction | None = None) -> None:
        self._api = api
        self._redaction = redaction

    def read_kind(
        self,
        kind: str,
        *,
        parent: int | None = None,
        around: date | None = None,
        reservations: Sequence[int] = (),
        why: str = "",
    ) -> Iterator[KindPage]:
        """Read one list, page by page; see `KindSource.read_kind`.

        Raises:
            ValueError: the list belongs to a listing, and `parent` is None.
        """
        spec = KINDS[kind]
        if spec.scope is Scope.LISTING and parent is None:
            raise ValueError(f"{kind} are read from a listing")
        met: set[str] = set()
        last: KindPage | None = None
        refused: list[str] = []
        lists = list(spec.lists(parent, around, reservations))
        for one in lists:
            try:
                for page in self._read_list(spec, one, why):
                    records = [record for record in page.records if record.source_id not in met]
                    met.update(record.source_id for record in records if record.source_id is not None)
                    last = replace(page, records=records)
                    yield last
            except (Forbidden, NotFound):
                refused.append(one.prefix)
                if not one.is_optional or len(refused) == len(lists):
                    raise
        if refused and last is not None:
            yield replace(last, records=(), unread=tuple(refused))

    def read_requested(self, requested: Requested, reservation_id: int, why: str) -> list[RequestedObject]:
        """Return what Hostaway has of a reservation, for a person who asks.

        Raises:
            Forbidden: the account may not read it.
            NotFound: there is no such reservation.
            SourceError: any other failure.
        """
        asked = REQUESTED[requested]
        (one,) = asked.list.lists(reservation_id, None)
        if asked.is_one:
            read = partial(as_kind_record, spec=asked.list, redactor=self._redactor(asked.redacted_as))
            records = [self._api.get_object(one.path, {}, read, Cause(why))[0]]
        else:
            records = [record for page in self._read_list(asked.list, one, why) for record in page.records]
        return [as_requested_object(record.payload, asked) for record in records]

    def _redactor(self, kind: str) -> Redactor | None:
        return None if self._redaction is None else self._redaction.redactor_for(kind)

    def _read_list(self, spec: KindSpec, one: ListToRead, why: str) -> Iterator[KindPage]:
        state = ListState()
        # Reference data has no personal fields.
        redactor = None if spec.scope is Scope.INSTALLATION else self._redactor(spec.name)
        while not state.is_over:
            asked = {"limit": LIMIT, "offset": state.offset, **one.params}
            with start_span(f"page {spec.name}", resource=spec.name) as page:
                listing, observed_at = self._api.get_list(one.path, asked, Cause(why), may_be_object=True)
                page.set_attributes(rows=len(listing.rows))
            # Only the keys of a map are ids; a list that came as an object has its ids in its rows.
            keys = listing.keys if spec.form is Form.MAP and listing.keys else [None] * len(listing.rows)
            records = [
                as_kind_record(raw, spec, key, prefix=one.prefix, redactor=redactor)
                for raw, key in zip(listing.rows, keys, strict=True)
            ]
            state.add([record.source_id or record.payload_hash.hex() for record in records], listing.count)
            yield KindPage(_first_of_each(records), observed_at, listing.count, state.doubt)
            if spec.form is Form.MAP:
                return


def _first_of_each(records: Iterable[KindRecord]) -> list[KindRecord]:
    """Return the records without those whose id came before in the same answer; of records without an id, all."""
    found: dict[str, KindRecord] = {}
    nameless: list[KindRecord] = []
    for record in records:
        if record.source_id is None:
            nameless.append(record)
        else:
            found.setdefault(record.source_id, record)
    return [*found.values(), *nameless]
