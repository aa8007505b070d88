"""The page in a real Chromium: what a person sees, and that nothing of it goes elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from tests.support import sql
from tests.support.api_rows import fill_accounts
from tests.support.pages import add_dead_letter
from tests.support.servers.api import running_api

from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.servers.api import RunningApi
    from tests.support.sync_env import SyncEnv

NASTY: Final = "<script>document.title='owned'</script><b>Ann</b>\x1b[31m\u202eeeL"
SOON_MS: Final = 8_000
SIZES: Final = {390: 844, 1440: 900}
VIEWS: Final = {
    "fleet": "/",
    "account": "/accounts/{account}",
    "dead-letters": "/dead-letters",
    "messages": "/messages",
    "queue": "/queue",
    "reservation": "/reservations/{reservation}",
    "calendar": "/calendar/{listing}",
}


class Watched:
    """A page of a browser, and what it complained of."""

    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("console", lambda one: self.complaints.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._judge)

    def _judge(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.base).netloc:
            self.complaints.append(f"asked {request.url}")

    def open(self, path: str) -> None:
        """Load a page."""
        self.page.goto(f"{self.base}{path}")

    def sign_in(self, key: str) -> None:
        """Sign in as a person does: type the key, press Enter."""
        self.open("/")
        self.page.get_by_label("API key").fill(key)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("button", name="Sign out").wait_for()


@contextmanager
def watching(chromium: Any, api: RunningApi, **options: Any) -> Iterator[Watched]:
    """Open a page, and fail at its end if it complained of anything."""
    context = chromium.new_context(**options)
    try:
        watched = Watched(context.new_page(), api.base)
        yield watched
        assert watched.complaints == []
    finally:
        context.close()


@pytest.fixture
def api(sync_env: Callable[..., SyncEnv]) -> Iterator[RunningApi]:
    """Serve the page of two accounts with made-up rows."""
    env = sync_env(store=False)
    fill_accounts(env.database, 1, 2)
    with running_api(env.mirror()) as running:
        yield running


def _database(api: RunningApi) -> Any:
    return api.mirror._database  # noqa: SLF001  (the test's own)


def test_run_is_seen_to_start_and_to_end(chromium: Any, api: RunningApi) -> None:
    """Within two seconds and what a page takes to load, while nobody touches it; then what happens without a server."""
    database = _database(api)
    key = api.issue_key("desk", Access.of_accounts({1}))
    with watching(chromium, api) as watched:
        watched.sign_in(key)
        page = watched.page
        page.get_by_text("Live:").wait_for(timeout=SOON_MS)
        sql.execute(
            database,
            "INSERT INTO leases (account_id, owner, expires_at, fencing_token)"
            " VALUES (1, 'desk-host/boot/1', now() + interval '1 minute', 1)"
            " ON CONFLICT (account_id) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at",
        )
        sql.execute(
            database,
            "INSERT INTO sync_runs (account_id, mode, state, started_at) VALUES (1, 'full', 'running', now())",
        )
        page.get_by_text("Full run for").wait_for(timeout=SOON_MS)
        sql.execute(
            database,
            "UPDATE sync_runs SET state = 'success', finished_at = now() WHERE account_id = 1 AND state = 'running'",
        )
        sql.execute(database, "UPDATE leases SET owner = NULL, expires_at = now()")
        page.get_by_text("Full run for").wait_for(state="detached", timeout=SOON_MS)
        assert page.locator("svg.runs rect.good").count() == 1


def test_dead_letter_is_tried_again_by_keyboard(chromium: Any, api: RunningApi) -> None:
    """With the Tab key alone."""
    number = add_dead_letter(_database(api), 1, "the source answered 404")
    key = api.issue_key("desk", Access.of_accounts({1}), {Scope.READ, Scope.ADMIN})
    with watching(chromium, api) as watched:
        watched.sign_in(key)
        watched.page.get_by_role("link", name="Dead letters").first.click()
        watched.page.locator(f"#retry-{number}").focus()
        watched.page.keyboard.press("Enter")
        watched.page.get_by_text(f"Dead letter {number} is being tried again").wait_for()
    assert sql.row(_database(api), "SELECT resolution FROM dead_letters").resolution == "retried"


def test_name_of_a_guest_with_markup_is_text(chromium: Any, api: RunningApi) -> None:
    """It runs nothing, looks as it was typed, and what turns the direction of text is gone."""
    sql.execute(
        _database(api),
        "UPDATE reservations SET raw_payload = jsonb_build_object('guestName', CAST(:name AS text))",
        name=NASTY,
    )
    key = api.issue_key("desk", Access.of_accounts({1}))
    with watching(chromium, api) as watched:
        watched.sign_in(key)
        watched.open("/reservations/7")
        shown = watched.page.locator("h1").inner_text()
        assert shown.startswith("<script>document.title='owned'</script><b>Ann</b>")
        assert not {"\x1b", "\u202e"} & set(shown)
        assert watched.page.title() != "owned"


def test_page_shows_everything_without_scripts(chromium: Any, api: RunningApi) -> None:
    """And its forms work."""
    number = add_dead_letter(_database(api), 1)
    key = api.issue_key("desk", Access.of_accounts({1}), {Scope.READ, Scope.ACCOUNTS})
    with watching(chromium, api, java_script_enabled=False) as watched:
        watched.sign_in(key)
        assert watched.page.get_by_text("account of-1").count() == 1
        watched.open("/dead-letters")
        watched.page.locator(f"#discard-{number}").click()
        watched.page.get_by_text(f"Dead letter {number} was discarded").wait_for()
        watched.page.get_by_role("button", name="Sign out").click()
        watched.page.get_by_label("API key").wait_for()


def test_views_are_readable_in_any_light_and_at_any_width(
    chromium: Any, sync_env: Callable[..., SyncEnv], pictures: Path
) -> None:
    """No view is wider than its window, axe finds nothing serious, and pictures of all are kept to be looked at."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    env = sync_env(accounts=[AccountSpec(number, reservations=30, listings=3) for number in (70001, 70002, 70003)])
    mirror = env.mirrored(*env.sandbox.accounts, calendar_days=120)
    for account in env.sandbox.accounts:
        mirror.sync.run(account)
    first, second, *_ = env.sandbox.accounts
    add_dead_letter(env.database, second, "the source answered 404 for reservation 41200077, five times in a day")
    reservation, listing = sorted(env.rows("reservations"))[3], min(env.rows("listings"))
    places = {
        "account": first,
        "reservation": f"hostaway:{first}:{reservation}",
        "listing": f"hostaway:{first}:{listing}",
    }
    sql.execute(
        env.database,
        "INSERT INTO sent_messages (account_id, reservation_id, conversation_id, channel_type, body, body_hash, state,"
        " looks, sending_at, os_user, host, error) VALUES (:account, :reservation, 1, 'email',"
        " 'The key is under the mat.', '', 'outcome_unknown', 2, now(), 'somebody', 'here', 'no answer in 30 s')",
        account=first,
        reservation=reservation,
    )
    with running_api(mirror) as api:
        key = api.issue_key("desk", Access.everything(), {Scope.READ, Scope.ADMIN})
        faults: list[str] = []
        for width, height in SIZES.items():
            for light in ("light", "dark"):
                size = {"width": width, "height": height}
                with watching(chromium, api, viewport=size, color_scheme=light) as watched:
                    watched.open("/sign-in")
                    watched.page.screenshot(path=pictures / f"sign-in-{width}-{light}.png")
                    watched.sign_in(key)
                    for name, path in VIEWS.items():
                        watched.open(path.format(**places))
                        watched.page.get_by_text("Live:").wait_for()
                        watched.page.screenshot(path=pictures / f"{name}-{width}-{light}.png", full_page=True)
                        if watched.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                            faults.append(f"{name} is wider than {width}")
                        found = axe.run(watched.page).response["violations"]
                        faults += [
                            f"{name} {width} {light}: {one['id']} {one['nodes'][0]['target']}"
                            for one in found
                            if one["impact"] in ("serious", "critical")
                        ]
        assert faults == []
