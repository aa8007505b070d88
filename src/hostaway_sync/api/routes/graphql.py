"""`/graphql`: many rows at once, where the extra `graphql` is installed."""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.model.callers import Scope

if TYPE_CHECKING:
    from hostaway_sync.api.graphql.engine import Engine

_PATH = "/graphql"
_building = Lock()


def is_installed() -> bool:
    """Whether what GraphQL needs can be imported; nothing of it is imported to find out."""
    try:
        return find_spec("strawberry") is not None
    except ValueError:
        return False  # an interpreter that was told not to import it


def make_router() -> APIRouter:
    """Return the route; it says so where the extra is not installed."""
    if not is_installed():
        router = APIRouter()
        router.add_api_route(_PATH, refuse, methods=["GET", "POST"], include_in_schema=False)
        return router
    router = APIRouter(route_class=AuthorizedRoute)
    router.add_api_route(_PATH, ask, methods=["POST"], include_in_schema=False)
    return router


async def refuse() -> Response:
    """Say what is missing."""
    raise Problem(
        ProblemKind.NOT_FOUND, "GraphQL is not installed here: `pip install 'hostaway-sync[graphql]'`, and start anew"
    )


@needs(Scope.READ)
async def ask(request: Request) -> Response:
    """Answer a query over the rows of the caller."""
    from hostaway_sync.api.graphql.body import read_body

    body = read_body(request.headers.get("content-type", ""), await request.body())
    engine = await run_in_threadpool(_engine_of, request)
    return answer(request, await engine.answer(body, request.state.caller))


def _engine_of(request: Request) -> Engine:
    """Return what answers, made when it is asked for the first time: its libraries take a while to import."""
    state: Any = request.app.state
    with _building:
        if not hasattr(state, "graphql"):
            from hostaway_sync.api.graphql.engine import Engine

            state.graphql = Engine(mirror_of(request).rows)
        engine: Engine = state.graphql
        return engine
