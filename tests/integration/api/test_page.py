from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from tests.support import sql
from tests.support.pages import add_dead_letter, visiting

from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    import pytest
    from tests.support.servers.api import Callers

# Markup, a terminal's escape, a character that turns the direction of text, one that no eye sees.
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202egnp\u200b&amp;"
VIEWS = (
    "/",
    "/accounts/1",
    "/dead-letters",
    "/messages",
    "/queue",
    "/reservations/7",
    "/calendar/5?from=2026-05",
    "/find?id=7",
)


def test_every_view_shows_the_accounts_of_the_key_alone(callers: Callers) -> None:
    """Ids of objects are the same in both accounts; another's account looks as if it were not there."""
    database = callers.api.mirror._database  # noqa: SLF001  (the test's own)
    for account in (1, 2):
        add_dead_letter(database, account, f"dead of-{account}")
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:
        seen = ""
        for path in VIEWS:
            answer = visitor.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert "of-2" not in answer.text, path
            seen += answer.text
        for text in (
            "account of-1",
            "house of-1",
            "guest of-1",
            "message of-1",
            "failed of-1",
            "Dead of-1",
            "May 2026",
        ):
            assert text in seen, text
        for path in (
            "/accounts/2",
            "/accounts/9",
            "/accounts/x",
            "/reservations/hostaway:2:7",
            "/calendar/9",
            "/find?id=99",
        ):
            assert visitor.get(path).status_code == 404, path
        assert visitor.get("/reservations/hostaway:2:7").text.count("of-2") == 0


def test_key_of_a_customer_without_accounts_sees_nothing(callers: Callers) -> None:
    """Where no account is left to ask for, nothing is, and not everything."""
    database = callers.api.mirror._database  # noqa: SLF001
    for account in (1, 2):
        add_dead_letter(database, account, f"dead of-{account}")
    key = callers.api.issue_key("desk", Access.of_customer(UUID(int=1)))
    with visiting(callers.api, key) as visitor:
        for path in ("/", "/dead-letters", "/messages", "/queue"):
            text = visitor.get(path).text
            assert not {"of-1", "of-2"} & set(text.lower().replace("<", " ").split()), path
        assert "No dead letter waits" in visitor.get("/dead-letters").text


def test_names_with_markup_and_hidden_letters_are_text(callers: Callers) -> None:
    """Of accounts, listings, guests, messages and errors: nothing of them is markup, and nothing invisible is left."""
    database = callers.api.mirror._database  # noqa: SLF001
    for statement in (
        "UPDATE accounts SET name = :nasty",
        "UPDATE listings SET raw_payload = raw_payload || jsonb_build_object('name', CAST(:nasty AS text))",
        "UPDATE reservations SET raw_payload = raw_payload || jsonb_build_object('guestName', CAST(:nasty AS text))",
        "UPDATE conversation_messages SET raw_payload = jsonb_build_object('body', CAST(:nasty AS text))",
        "UPDATE sent_messages SET body = :nasty, state = 'outcome_unknown', looks = 2, sending_at = now()",
        "UPDATE sync_runs SET error = :nasty",
    ):
        sql.execute(database, statement, nasty=NASTY)
    add_dead_letter(database, 1, NASTY)
    key = callers.api.issue_key("<b>desk</b>", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:
        for path in VIEWS:
            text = visitor.get(path).text
            assert "<script>alert" not in text, path
            assert "<img" not in text, path
            assert "<b>desk" not in text, path
            assert not {"\x1b", "\u202e", "\u200b"} & set(text), path
            if path not in ("/queue", "/calendar/5?from=2026-05x"):
                assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text, path


def test_every_answer_forbids_frames_scripts_of_others_and_copies(callers: Callers) -> None:
    """Also the page to sign in, and those that say no."""
    policy = {
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    }
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:
        for path in (*VIEWS, "/sign-in", "/accounts/9", "/page/version", "/page/page.css", "/page/page.js"):
            answer = visitor.get(path)
            assert set(answer.headers["content-security-policy"].split("; ")) == policy, path
            assert answer.headers["x-frame-options"] == "DENY", path
            assert answer.headers["cache-control"] == ("no-cache" if path.endswith((".css", ".js")) else "no-store")
            if path.startswith("/page/"):
                continue
            assert " style=" not in answer.text, path
            assert " on" not in answer.text.replace(" on ", " ").partition("<main")[0], path
            assert "http" not in answer.text.replace("http-equiv", ""), path


def test_session_is_kept_where_no_script_and_no_site_reaches_it(callers: Callers) -> None:
    """`Secure` unless the request came from this machine, through no proxy."""
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    for headers, is_secure in (({}, False), ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}, True)):
        with visiting(callers.api) as visitor:
            visitor.client.follow_redirects = False
            visitor.client.headers.update(headers)
            asked = visitor.get("/sign-in")
            seal = asked.text.split('name="seal" value="')[1].split('"')[0]
            cookie = asked.headers["set-cookie"].split(";")[0]
            answer = visitor.client.post("/sign-in", data={"seal": seal, "key": key}, headers={"Cookie": cookie})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
            assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= flags
            assert ("secure" in flags) is is_secure
            assert key not in answer.headers["set-cookie"]


def test_session_ends_with_its_key_and_with_signing_out(callers: Callers) -> None:
    """Without a session every view leads to the page that asks for a key."""
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor, visiting(callers.api, key) as other:
        assert "Sign out" in visitor.get("/queue").text
        assert visitor.send("/sign-out", "/").url.path == "/sign-in"
        assert [visitor.get(path).url.path for path in VIEWS] == ["/sign-in"] * len(VIEWS)
        assert other.get("/queue").url.path == "/queue"
        callers.api.mirror.api_keys.revoke("desk", datetime.now(UTC))
        assert other.get("/queue").url.path == "/sign-in"
        assert other.get("/page/version").status_code == 401


def test_signing_in_leads_to_where_one_wanted_to_go_and_nowhere_else(callers: Callers) -> None:
    """A path of ours, never another host."""
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    for wanted, path in (
        ("/queue", "/queue"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
    ):
        with visiting(callers.api) as visitor:
            assert visitor.get("/queue").url.params["next"] == "/queue"
            assert visitor.sign_in(key, next=wanted).url.path == path


def test_forms_without_the_seal_of_their_session_do_nothing(callers: Callers) -> None:
    """Nor does one that another site sends, or one that is sealed for somebody else."""
    database = callers.api.mirror._database  # noqa: SLF001
    number = add_dead_letter(database, 1)
    scopes = {Scope.READ, Scope.ADMIN}
    keys = [callers.api.issue_key(name, Access.of_accounts({1}), scopes) for name in ("desk", "other")]
    with visiting(callers.api, keys[0]) as visitor, visiting(callers.api, keys[1]) as other:
        foreign = other.get("/dead-letters").text.split('name="seal" value="')[1].split('"')[0]
        own = visitor.get("/dead-letters").text.split('name="seal" value="')[1].split('"')[0]
        path = f"/dead-letters/{number}/retry"
        assert visitor.send(path).status_code == 403
        assert visitor.send(path, seal=foreign).status_code == 403
        assert (
            visitor.client.post(path, data={"seal": own}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        )
        assert visitor.client.post(path, content=b"x" * 20_000).status_code == 413
        assert visitor.client.post("/sign-out").status_code == 403
        assert visitor.get(path).status_code == 405
        assert sql.row(database, "SELECT resolution FROM dead_letters").resolution is None
    with visiting(callers.api) as stranger:
        assert stranger.client.post("/sign-in", data={"key": keys[0]}).status_code == 403
        assert stranger.client.post("/sign-in", content="a=1&" * 30).status_code == 413
        assert stranger.get("/").url.path == "/sign-in"


def test_dead_letters_are_retried_and_discarded_by_whoever_may(callers: Callers) -> None:
    """With the scope `admin` or `accounts`, within the accounts of the key, once."""
    database = callers.api.mirror._database  # noqa: SLF001
    sql.execute(database, "DELETE FROM dead_letters")
    first, second, theirs = (
        add_dead_letter(database, account, of=of)
        for account, of in ((1, "reservations"), (1, "listings"), (2, "reservations"))
    )
    reader = callers.api.issue_key("reader", Access.of_accounts({1}))
    with visiting(callers.api, reader) as visitor:
        assert "Try again" not in visitor.get("/dead-letters").text
        answer = visitor.send(f"/dead-letters/{first}/retry", "/dead-letters")
        assert (answer.status_code, "scope" in answer.text) == (403, True)
    key = callers.api.issue_key("desk", Access.of_accounts({1}), {Scope.READ, Scope.ACCOUNTS})
    with visiting(callers.api, key) as visitor:
        assert (
            f"Dead letter {first} is being tried again"
            in visitor.send(f"/dead-letters/{first}/retry", "/dead-letters").text
        )
        assert (
            f"Dead letter {second} was discarded"
            in visitor.send(f"/dead-letters/{second}/discard", "/dead-letters").text
        )
        assert visitor.send(f"/dead-letters/{second}/retry", "/dead-letters").status_code == 409
        assert visitor.send(f"/dead-letters/{theirs}/discard", "/dead-letters").status_code == 404
        assert "No dead letter waits" in visitor.get("/dead-letters").text
    found = sql.rows(database, "SELECT dead_letter_id, resolution FROM dead_letters ORDER BY 1")
    assert found == [(first, "retried"), (second, "discarded"), (theirs, None)]


def test_guessing_keys_is_limited_on_the_page_as_everywhere(callers: Callers) -> None:
    """And says the same of every wrong key."""
    with visiting(callers.api) as visitor:
        answers = [visitor.sign_in(f"hsk_{number}") for number in range(31)]
        assert {answer.status_code for answer in answers[:30]} == {401}
        assert all("That is no valid key." in answer.text for answer in answers[:30])
        assert (answers[30].status_code, "wrong keys" in answers[30].text) == (429, True)


def test_version_moves_with_what_a_caller_sees_and_with_nothing_else(
    callers: Callers, caplog: pytest.LogCaptureFixture
) -> None:
    """The same version is 304; what moves in another's account says nothing."""
    database = callers.api.mirror._database  # noqa: SLF001
    run = "INSERT INTO sync_runs (account_id, mode, state) VALUES ({}, 'full', 'running')"
    into = "INSERT INTO changes (account_id, resource, record_id, change, position)"
    change = into + " VALUES ({}, 'reservations', '7', 'updated', 9)"
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:

        def ask() -> str:
            tag: str = visitor.get("/page/version").headers["etag"]
            assert visitor.client.get("/page/version", headers={"If-None-Match": tag}).status_code == 304
            return tag

        before = ask()
        for statement in (run, change, "UPDATE accounts SET name = 'other' WHERE account_id = {}"):
            sql.execute(database, statement.format(2))
            assert ask() == before, statement
            sql.execute(database, statement.format(1))
            assert ask() != before, statement
            before = ask()
        add_dead_letter(database, 2)
        assert ask() == before
        add_dead_letter(database, 1)
        with caplog.at_level("INFO", "hostaway_sync.api"):
            assert ask() != before
            visitor.get("/queue")
    said = [record.getMessage() for record in caplog.records if record.name == "hostaway_sync.api.guards"]
    assert [line.split(":")[1] for line in said] == [" GET /queue"]


def test_page_says_in_words_when_all_is_well_and_when_it_is_not(callers: Callers) -> None:
    """Accounts with problems come first."""
    database = callers.api.mirror._database  # noqa: SLF001
    key = callers.api.issue_key("desk", Access.everything())
    with visiting(callers.api, key) as visitor:
        assert "2 of 2 accounts need a look" in visitor.get("/").text
        for table in ("sent_messages", "dead_letters", "alarms"):
            sql.execute(database, f"DELETE FROM {table}")
        sql.execute(
            database, "UPDATE sync_runs SET state = 'success', error = NULL, triggered_at = now() - interval '1 h'"
        )
        sql.execute(database, "UPDATE accounts SET last_sync_at = now() - interval '1 h'")
        assert "All is well" in visitor.get("/").text
        add_dead_letter(database, 2)
        text = visitor.get("/").text
        assert "1 of 2 accounts needs a look" in text
        assert text.index("account of-2") < text.index("account of-1")


def test_run_pictures_tell_a_person_who_does_not_see_them(callers: Callers) -> None:
    """Each is an image with a sentence, and each bar has its own."""
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:
        text = visitor.get("/").text
    assert 'aria-label="the last 2 runs: 2 failed"' in text
    assert "<title>2026-05-01 13:00 UTC: full run, failed" in text


def test_what_a_person_does_on_the_page_is_counted_as_calls_of_the_key(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is no way around the limits of its caller."""
    key = callers.api.issue_key("desk", Access.of_accounts({1}))
    with visiting(callers.api, key) as visitor:
        assert visitor.get("/queue").status_code == 200
        app = callers.api.mirror.api_limits
        monkeypatch.setattr(app, "_take", lambda _: timedelta(seconds=7))
        answer = visitor.get("/queue")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_links_name_the_account_where_ids_are_not_unique(callers: Callers) -> None:
    """Without it the page says that several accounts have the id."""
    number = add_dead_letter(callers.api.mirror._database, 2)  # noqa: SLF001
    key = callers.api.issue_key("desk", Access.everything())
    with visiting(callers.api, key) as visitor:
        assert (answer := visitor.get("/reservations/7")).status_code == 409
        assert "Several of your accounts have this id" in answer.text
        assert 'href="/reservations/7?account=2"' in visitor.get(f"/dead-letters?number={number}").text
        assert "guest of-2" in visitor.get("/reservations/7?account=2").text
