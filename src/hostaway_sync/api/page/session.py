"""Who looks at the page: a session in a cookie that scripts cannot read and other sites cannot send."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from hostaway_sync.api.authorization import count_request
from hostaway_sync.api.page.rendering import HEADERS, render
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.refusals import problem_of
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.callers.sessions import LASTS
from hostaway_sync.store.audit_log import acting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from starlette.requests import Request

    from hostaway_sync.model.callers import Caller

log = logging.getLogger(__name__)

COOKIE: Final = "hostaway_sync_session"
FORM_COOKIE: Final = "hostaway_sync_form"
_LARGEST_FORM: Final = 16_384
_MOST_FIELDS: Final = 20
_SAME_SITE: Final = {"same-origin", "none", ""}
_OF_PROXIES: Final = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "via")
_SEE_OTHER: Final = 303
_WORDS: Final = {
    ProblemKind.NOT_FOUND: "There is no such thing among the accounts of your key.",
    ProblemKind.AMBIGUOUS: "Several of your accounts have this id: open it from the view of its account.",
    ProblemKind.UNAVAILABLE: "The database cannot be asked now. This page tries again by itself.",
    ProblemKind.INTERNAL: "The server made a mistake; its log says which.",
}


class PageRoute(APIRoute):
    """A route that people see: it needs a session, one scope of several, and of a form the seal of that session.

    An endpoint has `scopes`, any of which will do (`shown_to`), and is called with `request.state.caller` and, of a
    form, `request.state.form`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind those checks."""
        handle = super().get_route_handler()
        scopes: tuple[Scope, ...] = self.endpoint.__dict__["scopes"]

        async def authorize(request: Request) -> Response:
            request.state.caller, request.state.session = None, ""
            try:
                found = await run_in_threadpool(_resume, request)
                if found is None:
                    return _ask_to_sign_in(request)
                request.state.session, request.state.caller = found
                caller = request.state.caller
                request.scope["caller"] = caller.name
                _require_scope(caller, scopes)
                await count_request(request, caller)
                if request.method == "POST":
                    request.state.form = await read_form(request, request.state.session)
                with acting_for(caller.name):
                    return await handle(request)
            except Problem as problem:
                return await run_in_threadpool(show_problem, request, problem)
            except HostawaySyncError as error:
                said = problem_of(error)
                if said.kind.status >= 500:  # noqa: PLR2004  (HTTP statuses)
                    log.warning("page: %s %s: %s", request.method, self.path, error)
                return await run_in_threadpool(show_problem, request, said)

        return authorize


def _require_scope(caller: Caller, scopes: Sequence[Scope]) -> None:
    if not any(map(caller.may, scopes)):
        wanted = " or ".join(scopes)
        raise Problem(ProblemKind.SCOPE_MISSING, f"Your key may not do this: it needs the scope {wanted}.")


def shown_to(*scopes: Scope) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare which scopes, any of them, a route of the page needs."""

    def declare(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        endpoint.__dict__["scopes"] = scopes
        return endpoint

    return declare


def show(request: Request, template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401  (see `render`)
    """Return a page of a caller, with what all pages of it have: the name, the seal of its forms, what is allowed."""
    caller: Caller | None = request.state.caller
    seal = mirror_of(request).api_keys.seal_form(request.state.session) if caller is not None else ""
    may_act = caller is not None and (caller.may(Scope.ADMIN) or caller.may(Scope.ACCOUNTS))
    return render(
        template,
        status,
        caller=caller,
        seal=seal,
        may_act=may_act,
        path=request.url.path,
        done=read_done(request),
        **values,
    )


def show_problem(request: Request, problem: Problem) -> Response:
    """Return a page that says what is wrong."""
    words = _WORDS.get(ProblemKind.AMBIGUOUS) if problem.kind is ProblemKind.AMBIGUOUS else problem.detail
    words = words or _WORDS.get(problem.kind) or f"{problem.kind.title}."
    response = show(request, "problem.html", problem.kind.status, words=words, request_id=request.scope["request_id"])
    response.headers.update(problem.headers)
    return response


def read_done(request: Request) -> str:
    """Return the sentence about what the last form did; its address may come from anywhere, so the words are ours."""
    number = request.query_params.get("number", "")
    how = {"retried": "is being tried again", "discarded": "was discarded"}.get(request.query_params.get("done", ""))
    return f"Dead letter {number} {how}." if how and number.isdecimal() and len(number) < 20 else ""  # noqa: PLR2004


async def read_form(request: Request, session: str) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        Problem: it does not come from a page of ours, or not from one of this session.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_FORM:
            raise Problem(ProblemKind.TOO_LARGE, "That is too much for this form.")
    try:
        form = dict(parse_qsl(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS)) if body else {}
    except ValueError as error:
        raise Problem(ProblemKind.TOO_LARGE, "That is too much for this form.") from error
    seal = await run_in_threadpool(mirror_of(request).api_keys.seal_form, session)
    is_ours = session != "" and hmac.compare_digest(form.get("seal", "").encode(), seal.encode())
    if not is_ours or request.headers.get("sec-fetch-site", "") not in _SAME_SITE:
        raise Problem(
            ProblemKind.SCOPE_MISSING, "This form is not of your session, or too old: go back, load the page again."
        )
    return form


def set_session(request: Request, response: Response, session: str) -> None:
    """Have the browser keep a session."""
    _set_cookie(request, response, COOKIE, session, int(LASTS.total_seconds()))


def end_session(request: Request, response: Response) -> None:
    """Have the browser forget the session."""
    _set_cookie(request, response, COOKIE, "", 0)


def begin_form(request: Request, response: Response, nonce: str) -> None:
    """Have the browser keep what a form outside any session is sealed for."""
    _set_cookie(request, response, FORM_COOKIE, nonce, None)


def form_nonce(request: Request) -> str:
    """Return what a form outside any session is sealed for: what the browser keeps, or something new."""
    return request.cookies.get(FORM_COOKIE, "")[:64] or secrets.token_urlsafe(24)


def next_path(text: str) -> str:
    """Return a path of this page, and no address of another host, whatever the text is."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isascii() and text.isprintable()
    return text if is_ours and "\\" not in text else "/"


def read_number(text: str) -> int | None:
    """Return an id of ours or of an account; None: the text is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None  # noqa: PLR2004  (of a bigint)


def is_direct(request: Request) -> bool:
    """Whether a request came from this machine, and through no proxy: what it carries was on no network."""
    try:
        near = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        near = False
    return near and request.url.scheme == "http" and not any(name in request.headers for name in _OF_PROXIES)


def redirect(path: str) -> Response:
    """Return an answer that leads to a page, whatever the request was."""
    return RedirectResponse(path, _SEE_OTHER, HEADERS)


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    secure = not is_direct(request)
    response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")


def _resume(request: Request) -> tuple[str, Caller] | None:
    text = request.cookies.get(COOKIE, "")
    caller = mirror_of(request).api_keys.resume_session(text, datetime.now(UTC)) if text else None
    return None if caller is None else (text, caller)


def _ask_to_sign_in(request: Request) -> Response:
    if request.url.path == "/page/version":
        return PlainTextResponse("sign in", 401, HEADERS)
    if request.method != "GET" or request.url.path == "/":
        return redirect("/sign-in")
    return redirect(f"/sign-in?next={quote(request.url.path)}")
