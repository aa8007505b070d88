"""Sign in with an API key, sign out; the style and the script of all pages."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.authorization import Callers
from hostaway_sync.api.page import session
from hostaway_sync.api.page.rendering import HEADERS, render
from hostaway_sync.api.page.session import PageRoute, shown_to
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.refusals import problem_of
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import Scope

router = APIRouter(include_in_schema=False)
with_session = APIRouter(include_in_schema=False, route_class=PageRoute)

_KINDS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


@router.get("/sign-in")
def ask(request: Request) -> Response:
    """Ask for a key."""
    return _ask(request, session.next_path(request.query_params.get("next", "/")))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session for a valid key."""
    try:
        form = await session.read_form(request, request.cookies.get(session.FORM_COOKIE, ""))
    except Problem as problem:
        return await run_in_threadpool(_ask, request, "/", _words(problem), problem.kind.status)
    return await run_in_threadpool(_begin, request, form)


@with_session.post("/sign-out")
@shown_to(*Scope)
def sign_out(request: Request) -> Response:
    """End the session in this browser."""
    response = session.redirect("/sign-in")
    session.end_session(request, response)
    return response


@router.get("/page/{name}.{kind}")
def get_file(request: Request, name: str, kind: str) -> Response:
    """Return a file that is the same for everybody; a browser keeps it while it does not change."""
    wanted = f"{name}.{kind}"
    if wanted not in _KINDS:
        return Response(None, 404)
    content, tag = _read(wanted)
    headers = {**HEADERS, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(content, 200, headers, _KINDS[wanted])


def _begin(request: Request, form: dict[str, str]) -> Response:
    callers: Callers = request.app.state.callers
    key, path = form.get("key", "").strip(), session.next_path(form.get("next", "/"))
    address = request.client.host if request.client else ""
    try:
        caller = callers.check(key, address)
        begun = mirror_of(request).api_keys.begin_session(key, datetime.now(UTC))
    except Problem as problem:
        return _ask(request, path, _words(problem), problem.kind.status)
    except HostawaySyncError as error:
        return _ask(request, path, "The database cannot be asked now: try again.", problem_of(error).kind.status)
    if begun is None:  # a token of another kind
        return _ask(request, path, "That proves who you are, but is no key: sign in with an API key.", 401)
    request.scope["caller"] = caller.name
    response = session.redirect(path)
    session.set_session(request, response, begun)
    return response


def _words(problem: Problem) -> str:
    if problem.kind is ProblemKind.UNAUTHENTICATED:
        return "That is no valid key."
    detail = problem.detail or problem.kind.title
    return f"{detail[:1].upper()}{detail[1:]}".rstrip(".") + "."


def _ask(request: Request, path: str, wrong: str = "", status: int = 200) -> Response:
    nonce = session.form_nonce(request)
    seal = mirror_of(request).api_keys.seal_form(nonce)
    unsafe = (
        not session.is_direct(request) and request.url.scheme == "http" and "x-forwarded-proto" not in request.headers
    )
    response = render(
        "sign_in.html", status, wrong=wrong, seal=seal, next=path, unsafe=unsafe, caller=None, path="/sign-in", done=""
    )
    session.begin_form(request, response, nonce)
    return response


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = files("hostaway_sync.api.page").joinpath("static", name).read_bytes()
    return content, f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
