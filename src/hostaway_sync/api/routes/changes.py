"""`/changes`: what changed in the mirror, in order, page by page or as it comes."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from pydantic import AfterValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.changes.event_stream import MEDIA_TYPE, STREAM_PAGE, EventStream, wait_for_page
from hostaway_sync.api.parameters import MOST_ITEMS, Parameters
from hostaway_sync.api.responses import Responses, document_of, problems
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.app.documents.history import change_document
from hostaway_sync.app.history.history import list_changing, require_changing
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.history.feed import OLDEST, FeedCursor

router = APIRouter(prefix="/api/v1/changes", tags=["changes"], route_class=AuthorizedRoute)

LONGEST_WAIT_S: Final = 30


def _cursor(text: str) -> str:
    FeedCursor.parse(text)
    return text


Cursor = Annotated[str, AfterValidator(_cursor)]


def _resource(name: str) -> str:
    require_changing(name)
    return name


Resource = Annotated[str, AfterValidator(_resource), WithJsonSchema({"type": "string", "enum": list_changing()})]


class OfChanges(Parameters):
    """Which changes."""

    resource: Resource | None = Field(default=None, description="Of this kind of record alone.")


class ChangeList(OfChanges):
    """Which part of the feed, and whether to wait for it."""

    cursor: Cursor | None = Field(
        default=None, max_length=100, description="`next` of the page before; none: the oldest change that is kept."
    )
    limit: int = Field(default=100, ge=1, le=MOST_ITEMS, description="The most changes of this page.")
    wait: int = Field(
        default=0, ge=0, le=LONGEST_WAIT_S, description="Wait so many seconds for a change, if there is none."
    )


class ChangeStream(OfChanges):
    """Where the stream begins."""

    cursor: Cursor | None = Field(
        default=None, max_length=100, description="After this cursor; none: with what is still to come."
    )


@router.get("", responses=document_of("ChangePage"))
@needs(Scope.READ, waits=True)
async def list_changes(request: Request, wanted: Annotated[ChangeList, Query()]) -> Response:
    """List changes, each record's in their order; with `wait` the answer may take as long."""
    access = request.state.caller.access
    read = partial(mirror_of(request).rows.read_changes, access, resource=wanted.resource, limit=wanted.limit)
    cursor = OLDEST if wanted.cursor is None else FeedCursor.parse(wanted.cursor)
    alerts, caller = request.app.state.alerts, request.state.caller
    page = await wait_for_page(alerts, caller, request.receive, read, cursor, seconds=wanted.wait)
    document = {
        "items": [change_document(*entry) for entry in page.entries],
        "next": str(page.cursor),
        "more": not page.is_last,
        "lost": page.has_lost,
    }
    return answer(request, document)


_STREAM: Final[Responses] = {
    200: {
        "description": "Events `change`, each with its cursor as `id`; `lost` where changes were deleted unread.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get("/stream", response_class=Response, responses={**problems(), **_STREAM})
@needs(Scope.READ, waits=True)
async def stream_changes(
    request: Request,
    wanted: Annotated[ChangeStream, Query()],
    last_event_id: Annotated[Cursor | None, Header(max_length=100, description="Goes before `cursor`.")] = None,
) -> Response:
    """Send changes as they come, as server-sent events; a comment every 15 seconds says that the stream lives."""
    rows, alerts, caller = mirror_of(request).rows, request.app.state.alerts, request.state.caller
    given = last_event_id or wanted.cursor
    cursor = (
        await alerts.read(partial(rows.end_of_changes, caller.access)) if given is None else FeedCursor.parse(given)
    )
    read = partial(rows.read_changes, caller.access, resource=wanted.resource, limit=STREAM_PAGE)
    return EventStream(alerts, caller, read, cursor)
