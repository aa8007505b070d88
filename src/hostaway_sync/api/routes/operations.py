"""Whether the API answers, and what it measures; its own document."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostaway_sync.api.answers import answer

router = APIRouter()


@router.get("/health", include_in_schema=False)
async def health() -> Response:
    """Answer, as long as the process does."""
    return JSONResponse({"ok": True})


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Return the document of the API."""
    return answer(request, request.app.openapi())
