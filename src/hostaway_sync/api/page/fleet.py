"""How all accounts of a key do, those with problems first, and one of them in detail."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from hostaway_sync.api.page.pictures import draw_runs
from hostaway_sync.api.page.rendering import HEADERS
from hostaway_sync.api.page.session import PageRoute, read_number, show, shown_to
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.app.fleet import status_words
from hostaway_sync.app.fleet.fleet import SHOWN_RUNS
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.health import assess_health, format_count, severity_rank
from hostaway_sync.model.history.stall_sentences import advise_on_stall, describe_stall
from hostaway_sync.model.records import OBJECTS
from hostaway_sync.model.rows.lists import RowFilters, RowList
from hostaway_sync.model.status import RowCounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from markupsafe import Markup

    from hostaway_sync.model.health import Health
    from hostaway_sync.model.status import AccountFacts, Overview, RunSummary

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_RUNS = 20
_MOST_SHOWN = 50
_SOON = timedelta(days=7)


@router.get("/")
@shown_to(Scope.READ)
def show_fleet(request: Request) -> Response:
    """Show every account of the caller."""
    fleet, access = mirror_of(request).fleet, request.state.caller.access
    overview, runs = fleet.overview(access), fleet.list_runs(access)
    cards = [_card(facts, overview.now, runs.get(facts.account_id, ())) for facts in overview.accounts]
    cards.sort(key=lambda card: (not card["health"].has_problems, severity_rank(card["health"].condition)))
    headline, is_well = describe_fleet([card["health"] for card in cards], overview)
    return show(
        request,
        "fleet.html",
        cards=cards,
        now=overview.now,
        headline=headline,
        is_well=is_well,
        shared=_shared(overview),
    )


@router.get("/accounts/{account_id}")
@shown_to(Scope.READ)
def show_account(request: Request, account_id: str) -> Response:
    """Show one account: its resources, its last runs, what arrives, what waits."""
    mirror, access = mirror_of(request), request.state.caller.access
    number = read_number(account_id) or 0
    overview = mirror.fleet.overview(access, number)
    if not overview.accounts:
        raise Problem(ProblemKind.NOT_FOUND)
    (facts,), now = overview.accounts, overview.now
    marks, history = mirror.status.history(number, runs=_RUNS)
    soon = RowFilters(account_id=number, check_in_from=now.date(), check_in_to=(now + _SOON).date())
    arrivals = mirror.rows.list_rows(access, RowList.RESERVATIONS, soon, limit=_MOST_SHOWN)
    listings = mirror.rows.list_rows(access, RowList.LISTINGS, RowFilters(account_id=number), limit=_MOST_SHOWN)
    names = {row["listing_key"]: row["name"] for row in listings.items}
    return show(
        request,
        "account.html",
        card=_card(facts, now, mirror.fleet.list_runs(access).get(number, ())),
        now=now,
        marks=marks,
        history=history,
        resources=[
            (one.value, facts.rows.get(one, RowCounts()), marks.get(one), facts.due.get(one)) for one in OBJECTS
        ],
        calendars=status_words.calendar_words(facts.calendar, now) if facts.calendar else "",
        kinds=[(one.kind.name, one.live, one.missing, status_words.kind_words(one, now)) for one in facts.kinds],
        arrivals=sorted(arrivals.items, key=lambda row: (row["check_in_date"] or "", row["reservation_key"])),
        listings=listings,
        names=names,
    )


@router.get("/page/version")
@shown_to(Scope.READ)
def get_version(request: Request) -> Response:
    """Return a text that changes when a page of the caller would; as asked for every two seconds, mostly 304."""
    found = mirror_of(request).fleet.version(request.state.caller.access)
    tag = f'"{hashlib.blake2b(found.encode(), digest_size=12).hexdigest()}"'
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return PlainTextResponse(found, 200, headers)


def describe_fleet(verdicts: Sequence[Health], overview: Overview) -> tuple[str, bool]:
    """Return how all accounts do in one sentence, and whether all is well."""
    looks = sum(health.has_problems for health in verdicts)
    if not verdicts:
        return "No account yet", False
    if looks:
        of_all = f" of {len(verdicts):,}" if len(verdicts) > 1 else ""
        noun = "account" if len(verdicts) == 1 or (looks == 1 and not of_all) else "accounts"
        return f"{looks:,}{of_all} {noun} {'needs' if looks == 1 else 'need'} a look", False
    if overview.outage is not None or overview.stall is not None:
        return "The accounts are well, but look below", False
    return "All is well", True


def _shared(overview: Overview) -> dict[str, Any]:
    """Return what is said of all accounts together."""
    outage, stall = status_words.outage_words(overview), overview.stall
    sentences = [outage] if outage else []
    if stall is not None:
        sentences.append(f"{describe_stall(stall, overview.now)}: {advise_on_stall(stall)}")
    budget = status_words.budget_words(overview.address, overview.now) if overview.address else ""
    return {"sentences": sentences, "budget": budget, "use": overview.address}


def _card(facts: AccountFacts, now: datetime, runs: Sequence[RunSummary]) -> dict[str, Any]:
    """Return what is shown of an account wherever it is shown."""
    picture: Markup = draw_runs(runs, SHOWN_RUNS)
    deferred, messages = facts.deferred, facts.messages
    waits = [
        status_words.waiting_words(facts, now) if deferred.deliveries else "",
        f"{format_count(messages.queued, 'message')} to guests in the queue" if messages.queued else "",
    ]
    return {
        "facts": facts,
        "health": assess_health(facts, now),
        "running": status_words.run_words(facts, now),
        "waits": [words for words in waits if words],
        "live": sum(rows.live for rows in facts.rows.values()),
        "missing": sum(rows.missing for rows in facts.rows.values()),
        "picture": picture,
    }
