"""What `status` says of an account, in words that the command line and the page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.health import describe_limit_troubles, format_age, format_ago, format_count

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.calendar.facts import CalendarFacts
    from hostaway_sync.model.kinds.facts import KindFacts
    from hostaway_sync.model.status import AccountFacts, BucketUsage, Overview


def run_words(facts: AccountFacts, now: datetime) -> str:
    """Return what works on the account now; empty when nothing does."""
    run = facts.open_run
    if facts.lease is None:
        return ""
    if run is None:
        return "another command works on it"
    lasting = format_age(now - (run.started_at or run.triggered_at))
    return f"{run.mode} run for {lasting}, {facts.records_read:,} records so far"


def waiting_words(facts: AccountFacts, now: datetime) -> str:
    """Return how many deliveries wait for their object to be read again, and for how long."""
    waiting = facts.deferred
    oldest = f", the oldest for {format_age(now - waiting.oldest_at)}" if waiting.oldest_at else ""
    return f"{waiting.deliveries:,} deliver{'y' if waiting.deliveries == 1 else 'ies'} waiting{oldest}"


def format_since(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was; `never` when it was not."""
    return format_ago(moment, now) if moment else "never"


def budget_words(use: BucketUsage, now: datetime) -> str:
    """Return how much of the address's request limit is used."""
    used = (
        f"budget of this address: {use.used:,} of {use.limit:,} requests in the last {use.window.total_seconds():g} s"
    )
    return "; ".join((used, *describe_limit_troubles(use, now)))


def calendar_words(calendar: CalendarFacts, now: datetime) -> str:
    """Return how far the calendars of an account are mirrored, and what of them is not."""

    def moment(at: datetime | None) -> str:
        return f"{at:%Y-%m-%d %H:%M} UTC, {format_ago(at, now)}" if at else "never"

    words = [] if calendar.is_on else ["switched off"]
    words.append(f"{calendar.read:,} of {format_count(calendar.listings, 'listing')} read")
    if calendar.oldest_read_at:
        words.append(f"the oldest reading {moment(calendar.oldest_read_at)}")
    if calendar.never_read:
        words.append(f"{calendar.never_read:,} never read")
    if calendar.due_days:
        due = f"{format_count(calendar.due_days, 'day')} of {format_count(calendar.due_listings, 'listing')}"
        words.append(f"due since {moment(calendar.due_since)}: {due}")
    if calendar.short_listings:
        short = format_count(calendar.short_listings, "calendar")
        words.append(f"{short} that Hostaway ends early, the first on {calendar.known_until}")
    if calendar.missing_days:
        lacking = (
            f"{format_count(calendar.missing_days, 'day')} of {format_count(calendar.missing_listings, 'listing')}"
        )
        words.append(f"{lacking} did not come")
    if calendar.refused:
        refused = f"{calendar.refused:,} refused since {moment(calendar.refused_since)}"
        words.append(f"{refused}: {calendar.refusal}" if calendar.refusal else refused)
    return "; ".join(words)


def kind_words(facts: KindFacts, now: datetime) -> str:
    """Return what there is to say of one of the other kinds besides its figures; empty: nothing."""

    def number(lists: int) -> str:
        return f"{lists:,} of {format_count(facts.lists, 'listing')} " if facts.is_per_listing else ""

    words = [] if facts.is_on else ["not mirrored any more"]
    if facts.refused_since is not None:
        since = f"since {facts.refused_since:%Y-%m-%d %H:%M} UTC, {format_ago(facts.refused_since, now)}"
        unavailable = f"{'' if facts.is_unavailable else number(facts.refused)}unavailable {since}"
        words.append(f"{unavailable}: {facts.refusal}" if facts.refusal else unavailable)
    if facts.failed:
        words.append(f"{number(facts.failed)}failed: {facts.failure}")
    unread = facts.lists - facts.read - facts.refused - facts.failed
    if facts.is_on and not facts.is_unavailable and unread > 0:
        words.append(f"{number(unread)}never read")
    return "; ".join(words)


def outage_words(overview: Overview) -> str:
    """Return since when the source is away; empty when it is not."""
    outage = overview.outage
    if outage is None or outage.away_since is None:
        return ""
    when = f"{outage.away_since:%Y-%m-%d %H:%M} UTC, {format_since(outage.away_since, overview.now)}"
    return f"Hostaway has not answered since {when}; runs end at once until it does; last: {outage.error}"
