"""`hostaway-sync demo`: the first ten minutes of an operator, on a sandbox instead of Hostaway."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.cli.calendar.calendar import print_picture
from hostaway_sync.cli.history.history import event_line
from hostaway_sync.cli.process.open_app import load_known_settings
from hostaway_sync.cli.sync.sync import mirror_one
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.environment.trusted_files import open_trusted
from hostaway_sync.errors import ConfigurationError, UsageError
from hostaway_sync.model.calendar.days import Days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.sandbox import Sandbox

_SEED = 7
_RESERVATIONS = 70

_NEXT_ARRIVALS = """\
SELECT r.arrival_date AS arrival, r.departure_date AS departure, r.raw_payload->>'guestName' AS guest,
       l.raw_payload->>'name' AS listing, r.raw_payload->>'channelName' AS channel
FROM reservations r JOIN listings l ON l.account_id = r.account_id AND l.id = r.listing_id
WHERE r.arrival_date >= current_date AND r.status IN ('new', 'modified')
ORDER BY r.arrival_date, r.id LIMIT 5"""

_UNANSWERED_GUESTS = """\
SELECT to_char(sent_at, 'YYYY-MM-DD HH24:MI') AS waiting_since, r.raw_payload->>'guestName' AS guest,
       left(regexp_replace(last.raw_payload->>'body', '\\s+', ' ', 'g'), 40) AS last_words
FROM (SELECT DISTINCT ON (conversation_id) * FROM conversation_messages WHERE status = 'sent'
      ORDER BY conversation_id, sent_at DESC, id DESC) last
JOIN reservations r ON r.account_id = last.account_id AND r.id = last.reservation_id
WHERE last.is_incoming ORDER BY sent_at DESC LIMIT 5"""

_REVENUE_BY_MONTH = """\
SELECT to_char(arrival_date, 'YYYY-MM') AS month, count(*) AS stays,
       sum((raw_payload->>'totalPrice')::numeric) AS revenue, raw_payload->>'currency' AS currency
FROM reservations WHERE status IN ('new', 'modified')
  AND date_trunc('month', arrival_date) <= date_trunc('month', current_date)
GROUP BY month, currency ORDER BY month DESC, revenue DESC LIMIT 6"""

_WORST_REVIEWS = """\
SELECT v.departure_date AS departed, v.rating, l.raw_payload->>'name' AS listing,
       left(regexp_replace(v.raw_payload->>'publicReview', '\\s+', ' ', 'g'), 60) AS words
FROM reviews v LEFT JOIN listings l ON l.account_id = v.account_id AND l.id = v.listing_id
WHERE v.type = 'guest-to-host' AND v.rating IS NOT NULL AND v.missing_since IS NULL
ORDER BY v.rating, v.departure_date DESC LIMIT 2"""

_LAST_MONTH = """\
SELECT to_char(o.month, 'YYYY-MM') AS month, l.name AS listing, sum(o.nights_booked) AS booked,
       sum(o.nights_available) AS available, round(100 * max(o.occupancy)) AS percent,
       string_agg(o.revenue || ' ' || o.currency, ', ') AS revenue
FROM core.occupancy_monthly o JOIN core.listings l USING (listing_key)
WHERE o.month = (date_trunc('month', current_date) - interval '1 month')::date
GROUP BY 1, 2 ORDER BY max(o.occupancy) DESC NULLS LAST, 2 LIMIT 1"""

_LIVELIEST_LISTING = """\
SELECT listing_id FROM calendar_days WHERE date BETWEEN '{}' AND '{}'
GROUP BY listing_id ORDER BY count(DISTINCT status) DESC, count(*) FILTER (WHERE status = 'reserved') DESC, 1 LIMIT 1"""


def demo() -> None:
    """Show the program on a stand-in for Hostaway: no account needed, nothing leaves this machine."""
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.settings import load_settings

    settings = load_known_settings()
    with _own_directory(settings.data_dir) as directory, _sandbox() as sandbox:
        terminal.echo(f"A stand-in for Hostaway listens on {sandbox.url}; the demo's database is in {directory}.")
        key = base64.b64encode(os.urandom(32)).decode()
        settings = load_settings(
            allowed_names=settings.ignored_names,
            api_url=sandbox.url,
            data_dir=directory,
            database_url=None,
            core_schema="core",
            master_key=key,
        )
        with Mirror(settings) as mirror:
            _first_minutes(mirror, sandbox)
            _next_month(mirror)
            _questions(mirror)
            _tell_life(mirror, _changes(mirror, sandbox))
            _ask(mirror, "Which house was fullest last month?", _LAST_MONTH)
    terminal.echo(_WHAT_NEXT)


def _sandbox() -> Sandbox:
    """Return a sandbox whose today is today, and which limits requests as Hostaway does."""
    from hostaway_sync.sandbox import Sandbox

    return Sandbox(seed=_SEED, reservations=_RESERVATIONS, rate_limits="new", now=datetime.now(UTC))


def _first_minutes(mirror: Mirror, sandbox: Sandbox) -> None:
    from pydantic import SecretStr

    account_id = sandbox.account_id
    _say("Add an account. The secret is checked with Hostaway first, then stored sealed.")
    _show(f"hostaway-sync account add {account_id} --name 'Harbour Stays'   # and the secret at a hidden prompt")
    mirror.accounts.add(account_id, SecretStr(sandbox.client_secret), name="Harbour Stays", customer_id=None)
    terminal.echo(f"Account {account_id} added.")
    _say("Mirror everything it has.")
    _show(f"hostaway-sync sync {account_id} --full")
    mirror_one(mirror, account_id, shown=True)
    _say("See where you are.")
    _show("hostaway-sync account list")
    reports.print_accounts(mirror.accounts.list_all())


def _next_month(mirror: Mirror) -> None:
    """Show the next month of a listing that has something of everything."""
    first = _first_of_next_month(datetime.now(UTC).date())
    month = Days(first, _first_of_next_month(first) - timedelta(days=1))
    _, ((listing_id,),) = mirror.database.query(_LIVELIEST_LISTING.format(month.first, month.last))
    _say("Look at the next month of a house.")
    _show(f"hostaway-sync calendar show {listing_id} {month.first} {month.last}")
    print_picture(mirror.calendar.read_listing(int(str(listing_id)), month))


def _first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _questions(mirror: Mirror) -> None:
    for words, query in (
        ("Who arrives next?", _NEXT_ARRIVALS),
        ("Which guests wait for an answer?", _UNANSWERED_GUESTS),
        ("What does each month earn?", _REVENUE_BY_MONTH),
        ("Which are the two worst reviews?", _WORST_REVIEWS),
    ):
        _ask(mirror, words, query)


def _ask(mirror: Mirror, words: str, query: str) -> None:
    _say(f"Ask the database: {words[0].lower()}{words[1:]}")
    terminal.echo("\n".join(f"  {line}" for line in query.splitlines()) + ";\n")
    reports.print_rows(*mirror.database.query(query))


def _changes(mirror: Mirror, sandbox: Sandbox) -> int:
    """Let something happen, and mirror it; return the reservation that was cancelled."""
    world = sandbox.world
    conversation_id = next(conversation_id for conversation_id, _ in world.truth("conversations"))
    upcoming = [row_id for row_id, row in world.truth("reservations") if row["status"] == "new"]
    _say("Meanwhile one guest writes, another cancels, and a third books.")
    world.guest_message(conversation_id, "Hello! Is early check-in possible? 😊")
    world.cancel_reservation(upcoming[0])
    world.create_reservation()
    _show(f"hostaway-sync sync {sandbox.account_id}")
    mirror_one(mirror, sandbox.account_id, shown=True)
    return upcoming[0]


def _tell_life(mirror: Mirror, reservation_id: int) -> None:
    _say("See what became of that stay.")
    _show(f"hostaway-sync history {reservation_id}")
    for event in mirror.history.tell(reservation_id)[1]:
        terminal.echo(event_line(event))


@contextmanager
def _own_directory(data_dir: Path) -> Iterator[Path]:
    """Create a new directory beside the user's own data; one demo at a time may have one."""
    from hostaway_sync.environment.file_locks import lock_if_free

    demos = data_dir / "demo"
    with ExitStack() as stack:
        try:
            demos.mkdir(parents=True, exist_ok=True, mode=0o711)
            if stack.enter_context(lock_if_free(data_dir / "demo.lock")) is None:
                raise UsageError("another demo is running: let it finish")
            # All that lies in it is removed: another user must not choose what that is.
            opened = open_trusted(demos, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, opened)
            for old in os.listdir(opened):  # noqa: PTH208  (a Path would look the name up again)
                _remove(demos / old, opened)
            directory = Path(tempfile.mkdtemp(dir=demos))
            directory.chmod(0o711)
        except OSError as error:
            raise ConfigurationError(
                f"the data directory {data_dir} cannot be used: {error.strerror}; set HOSTAWAY_SYNC_DATA_DIR"
            ) from None
        yield directory


def _remove(directory: Path, parent: int) -> None:
    """Remove what an earlier demo left, and first stop its server, which outlives a demo that was killed."""
    from hostaway_sync.store.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(directory / "postgresql")
    if (server.pgdata / "postmaster.pid").exists():
        with suppress(ConfigurationError):
            server.start()
            server.release()
    # Where the server could not enter this directory, its data is elsewhere.
    for place in (server.socket_dir, server.pgdata.parents[1]):
        if not place.is_relative_to(directory):
            shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(directory.name, ignore_errors=True, dir_fd=parent)


def _say(words: str) -> None:
    terminal.echo()
    terminal.show_lines([terminal.plain_text(f"# {words}", "cyan")])


def _show(command: str) -> None:
    terminal.show_lines([terminal.plain_text(f"$ {command}", "bold")])


_WHAT_NEXT = """
Nothing of the demo runs any more. With your own account:

  hostaway-sync account add ID        ID and secret: Hostaway dashboard, Settings, Hostaway API
  hostaway-sync sync-all              the line for cron, see crontab.example
  export HOSTAWAY_SYNC_DATABASE_URL=postgresql://…   your own PostgreSQL instead of the embedded one"""
