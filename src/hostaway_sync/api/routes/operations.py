"""Whether the API answers, and what it measures; its own document."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import may_inspect, require_inspector
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.observability.prometheus import CONTENT_TYPE

router = APIRouter()


@router.get("/health", include_in_schema=False)
async def health() -> Response:
    """Answer, as long as the process does."""
    return JSONResponse({"ok": True})


@router.get("/ready", include_in_schema=False)
async def ready(request: Request) -> Response:
    """Return whether callers can be answered; to who may inspect, what is missing."""
    found = await request.app.state.readiness.readiness()
    document = {"ready": found.is_ready}
    if await may_inspect(request):
        document |= {
            "database": found.has_database,
            "schema": found.has_schema,
            "row_security": mirror_of(request).scoped_reads.role is not None,
            "waiting": request.app.state.alerts.waiting,
        }
    return JSONResponse(document, 200 if found.is_ready else 503)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the metrics of this process and of the database, to who may inspect."""
    await require_inspector(request)
    return Response(await request.app.state.metrics.render(), media_type=CONTENT_TYPE)


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Return the document of the API."""
    return answer(request, request.app.openapi())
