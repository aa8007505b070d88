"""What waits for a person, and what waits for a worker: dead letters, messages, the queue."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.page.session import PageRoute, read_number, redirect, show, shown_to
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.model.callers import Scope
from hostaway_sync.store.dead_letters import DeadLetter

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/dead-letters")
@shown_to(Scope.READ)
def list_dead_letters(request: Request) -> Response:
    """Show what failed for good."""
    letters = mirror_of(request).fleet.list_dead_letters(request.state.caller.access)
    return show(request, "dead_letters.html", letters=letters, now=datetime.now(UTC))


@router.post("/dead-letters/{number}/retry")
@shown_to(Scope.ADMIN, Scope.ACCOUNTS)
def retry_dead_letter(request: Request, number: str) -> Response:
    """Have its work done again."""
    letter = _find(request, number)
    mirror_of(request).jobs.retry_dead_letter(letter.dead_letter_id)
    return redirect(f"/dead-letters?done=retried&number={letter.dead_letter_id}")


@router.post("/dead-letters/{number}/discard")
@shown_to(Scope.ADMIN, Scope.ACCOUNTS)
def discard_dead_letter(request: Request, number: str) -> Response:
    """Give its work up."""
    letter = _find(request, number)
    mirror_of(request).jobs.discard_dead_letter(letter.dead_letter_id)
    return redirect(f"/dead-letters?done=discarded&number={letter.dead_letter_id}")


@router.get("/messages")
@shown_to(Scope.READ)
def list_messages(request: Request) -> Response:
    """Show the messages to guests that are not settled, those that wait for a person first."""
    intents = mirror_of(request).fleet.list_waiting_messages(request.state.caller.access)
    return show(request, "messages.html", intents=intents, now=datetime.now(UTC))


@router.get("/queue")
@shown_to(Scope.READ)
def show_queue(request: Request) -> Response:
    """Show what waits for a worker, and whether one works."""
    mirror = mirror_of(request)
    overview = mirror.fleet.overview(request.state.caller.access)
    return show(
        request, "queue.html", accounts=overview.accounts, now=overview.now, has_worker=mirror.jobs.has_worker()
    )


def _find(request: Request, number: str) -> DeadLetter:
    """Return a dead letter of the caller's accounts.

    Raises:
        Problem: there is none of this number, or it is another's.
    """
    wanted = read_number(number) or 0
    letter = mirror_of(request).fleet.find_dead_letter(request.state.caller.access, wanted)
    if letter is None:
        raise Problem(ProblemKind.NOT_FOUND)
    return letter
