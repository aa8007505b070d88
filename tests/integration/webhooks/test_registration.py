from __future__ import annotations

from base64 import b64encode
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from tests.support.client_env import ClientEnv, client_env
from tests.support.servers.receiver import ACCOUNT, RING, RunningReceiver, event, running_receiver, store_account

from hostaway_sync.errors import AccountError, NotFound, RequestRejected, SourceUnavailable, UsageError
from hostaway_sync.model.deliveries import WebhookSettings
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.webhooks import credentials as store
from hostaway_sync.webhooks.registration.public_url import mask_url, parse_public_url
from hostaway_sync.webhooks.registration.registrar import Registrar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.sandbox import Effect
    from hostaway_sync.store.postgres.database import Database

HOOKS = "/webhooks/unifiedWebhooks"


class Place:
    """A source, a receiver, and the code that registers the receiver at the source."""

    def __init__(self, env: ClientEnv, receiver: RunningReceiver) -> None:
        self.client_env = env
        self.receiver = receiver
        self.sandbox = env.sandbox
        self.hooks = env.sandbox.accounts[ACCOUNT].hooks
        self.webhook_api = env.client(attempts=2).webhook_api
        self.registering = Registrar(receiver.database, RING, self.webhook_api, ACCOUNT, platform="hostaway")

    def calls(self, method: str) -> int:
        """Count requests to the list of webhooks or one of them."""
        return sum(count for route, count in self.sandbox.calls.items() if route.startswith(f"{method} {HOOKS}"))

    def urls(self) -> list[str]:
        """Return the addresses to which the source sends."""
        return [hook["url"] for hook in self.hooks.all()]

    def stored(self) -> store.StoredHook:
        """Return the stored registration."""
        return self.receiver.database.transaction(store.find_stored_hooks)[ACCOUNT]


@pytest.fixture
def place(database: Database) -> Iterator[Callable[..., Place]]:
    """Return a function that builds a place."""
    store_account(database)
    with ExitStack() as stack:

        @contextmanager
        def opened(**options: Any) -> Iterator[Place]:
            with (
                client_env(reservations=3, listings=1, token_delay=0.0, **options) as env,
                running_receiver(database) as receiver,
            ):
                yield Place(env, receiver)

        yield lambda **options: stack.enter_context(opened(**options))


def test_deliveries_arrive_after_registering(place: Callable[..., Place]) -> None:
    """The probes are answered during the call, and later events are delivered."""
    env = place()
    done = env.registering.register(env.receiver.base)
    assert (done.is_new, done.others) == (True, ())
    assert env.urls()[0].startswith(f"{env.receiver.base}/webhooks/hostaway/{ACCOUNT}/")
    assert done.hook_id == env.stored().hook_id == 4711
    assert env.stored().is_confirmed
    env.sandbox.world.create_reservation()
    assert set(env.sandbox.deliver(ACCOUNT)) == {200}
    assert env.registering.check().problems == ()


def test_registering_again_renews_the_credentials(place: Callable[..., Place]) -> None:
    """There is no second webhook, and deliveries with the old credentials are still accepted."""
    env = place()
    env.registering.register(env.receiver.base)
    old = env.hooks.get(4711) | {}
    done = env.registering.register(env.receiver.base)
    assert (done.is_new, done.hook_id, len(env.urls())) == (False, 4711, 1)
    new = env.hooks.get(4711)
    assert new["url"] != old["url"]
    assert new["password"] != old["password"]
    for hook in (old, new):
        login = b64encode(f"{hook['login']}:{hook['password']}".encode()).decode()
        path = hook["url"].removeprefix(env.receiver.base)
        assert env.receiver.post(path, event(), login=f"Basic {login}").status == 200


def test_our_webhook_is_recognized_by_id_secret_or_address(place: Callable[..., Place]) -> None:
    """Any of them may be lost: still nothing is delivered twice."""
    env = place()
    env.registering.register(env.receiver.base)
    with env.receiver.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hostaway.accounts SET webhook_id = NULL")
    assert not env.registering.register(env.receiver.base).is_new
    with env.receiver.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE hostaway.accounts SET webhook_id = NULL, webhook_login = NULL, webhook_previous = NULL"
        )
    assert not env.registering.register(env.receiver.base).is_new
    assert len(env.urls()) == 1


def test_foreign_webhooks_are_left_alone_and_named(place: Callable[..., Place]) -> None:
    """Also legacy ones; the output leaves out the path, which may be a secret."""
    env = place()
    env.hooks.create({"url": "https://other.example/secret?k=1"})
    env.hooks.legacy["reservations"].append({"id": 5, "isEnabled": 1, "url": "https://old.example:8443/x"})
    done = env.registering.register(env.receiver.base)
    assert [(hook.kind, hook.address) for hook in done.others] == [
        ("foreign", "https://other.example/…"),
        ("legacy", "https://old.example:8443/…"),
    ]
    assert [hook.kind for hook in env.registering.listed()] == ["ours", "foreign", "legacy"]
    assert env.registering.unregister() == 1
    assert env.urls() == ["https://other.example/secret?k=1"]
    assert env.registering.unregister() == 0


def test_removed_legacy_list_counts_as_empty(place: Callable[..., Place]) -> None:
    """Hostaway may remove that interface."""
    env = place(switches=Switches(legacy_webhooks="gone"))
    assert env.webhook_api.list_legacy_webhooks() == []


def test_unreachable_receiver_is_not_registered(place: Callable[..., Place]) -> None:
    """The earlier registration stays valid, and a later try makes one webhook."""
    env = place()
    env.registering.register(env.receiver.base)
    before = env.hooks.get(4711) | {}
    with pytest.raises(RequestRejected):
        env.registering.register("https://nobody.example")
    assert env.hooks.get(4711) == before
    env.sandbox.world.create_reservation()
    assert set(env.sandbox.deliver(ACCOUNT)) == {200}
    assert "was not completed" in env.registering.check().problems[0]
    assert env.registering.register(env.receiver.base).hook_id == 4711
    assert env.registering.check().problems == ()
    assert set(env.sandbox.deliver(ACCOUNT)) <= {200}


LOST = {
    "html 502": faults.accepted_then(faults.bad_gateway()),
    "reset": faults.accepted_then(faults.connection_reset()),
    "torn": faults.accepted_then(faults.torn_json()),
    "null": faults.null_result(),
}


@pytest.mark.parametrize("effect", LOST.values(), ids=LOST)
def test_creation_with_a_lost_answer_is_not_repeated(place: Callable[..., Place], effect: Effect) -> None:
    """The list shows the webhook; a second one would deliver everything twice."""
    env = place()
    env.sandbox.faults.add(effect, route=f"POST {HOOKS}")
    done = env.registering.register(env.receiver.base)
    assert (done.hook_id, len(env.urls()), env.calls("POST")) == (4711, 1, 1)
    assert env.registering.check().problems == ()


def test_failed_creation_is_reported_and_may_be_repeated(place: Callable[..., Place]) -> None:
    """No request is repeated automatically; the next try registers the same credentials."""
    env = place()
    env.sandbox.faults.add(faults.bad_gateway(), route=f"POST {HOOKS}")
    with pytest.raises(SourceUnavailable):
        env.registering.register(env.receiver.base)
    assert (env.urls(), env.calls("POST")) == ([], 1)
    assert env.registering.register(env.receiver.base).is_new


def test_request_without_effect_is_sent_again(place: Callable[..., Place]) -> None:
    """A 429 waits for its window, and a refused token is renewed."""
    env = place()
    env.sandbox.faults.add(faults.rate_limited(), route=f"POST {HOOKS}")
    env.sandbox.faults.add(faults.denied(), route=f"POST {HOOKS}")
    assert env.registering.register(env.receiver.base).is_new
    assert (env.calls("POST"), len(env.urls())) == (3, 1)


def test_failure_in_an_answer_with_200_is_a_refusal(place: Callable[..., Place]) -> None:
    """Hostaway answers so to some writes."""
    env = place()
    env.sandbox.faults.add(faults.fail_with_200("no such webhook"), route=f"POST {HOOKS}")
    with pytest.raises(RequestRejected, match="no such webhook"):
        env.registering.register(env.receiver.base)


def test_late_deliveries_are_accepted_after_unregistering(place: Callable[..., Place]) -> None:
    """For a day; the account can be registered again."""
    env = place()
    env.registering.register(env.receiver.base)
    old = env.hooks.get(4711) | {}
    env.registering.unregister()
    assert env.urls() == []
    assert env.receiver.get(old["url"].removeprefix(env.receiver.base)).status == 200
    assert env.registering.register(env.receiver.base).is_new


def test_two_webhooks_to_this_receiver_become_one(place: Callable[..., Place]) -> None:
    """As after a creation with an unknown outcome."""
    env = place()
    env.registering.register(env.receiver.base)
    env.hooks.create({"url": env.urls()[0]})
    assert "2 webhooks that lead here" in env.registering.check().problems[0]
    env.registering.register(env.receiver.base)
    assert len(env.urls()) == 1


def test_run_enables_a_disabled_webhook(place: Callable[..., Place]) -> None:
    """One request where all is well; else the run says what it did."""
    env = place()
    assert env.registering.keep_enabled() is None
    assert env.calls("GET") == 0
    env.registering.register(env.receiver.base)
    before = env.calls("GET")
    assert env.registering.keep_enabled() is None
    assert env.calls("GET") == before + 1
    env.hooks.update(4711, {"isEnabled": 0})
    assert env.registering.check().is_enabled is False
    assert "enabled again" in (env.registering.keep_enabled() or "")
    assert env.hooks.get(4711)["isEnabled"] == 1
    assert env.registering.keep_enabled() is None


def test_problems_that_a_run_cannot_repair_are_reported(place: Callable[..., Place]) -> None:
    """A webhook that was deleted, or points to another address, is left to a person."""
    env = place()
    env.registering.register(env.receiver.base)
    env.hooks.update(4711, {"url": "https://elsewhere.example/", "isEnabled": 0})
    assert "leads elsewhere" in (env.registering.keep_enabled() or "")
    env.hooks.delete(4711)
    assert "gone at the source" in (env.registering.keep_enabled() or "")
    assert "gone at the source" in env.registering.check().problems[0]
    assert env.calls("PUT") == 0


def test_check_tests_the_public_address(place: Callable[..., Place]) -> None:
    """It proves that login and password arrive, not only the path."""
    env = place()
    assert "has no webhook" in env.registering.check().problems[0]
    env.registering.register(env.receiver.base)
    with env.receiver.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hostaway.accounts SET webhook_url = 'http://127.0.0.1:9'")
    env.hooks.update(4711, {"url": env.urls()[0].replace(env.receiver.base, "http://127.0.0.1:9")})
    assert "no answer" in env.registering.check().problems[0]


def test_removed_account_cannot_be_registered(place: Callable[..., Place]) -> None:
    """It was removed just before."""
    env = place()
    registering = Registrar(env.receiver.database, RING, env.webhook_api, 70009, platform="hostaway")
    with pytest.raises(AccountError):
        registering.listed()


def test_changes_of_an_unknown_webhook_fail(place: Callable[..., Place]) -> None:
    """An update reports it, a deletion succeeds."""
    env = place()
    with pytest.raises(NotFound):
        env.webhook_api.update(5, WebhookSettings("https://sync.example.org/x", "login", SecretStr("word")))
    env.webhook_api.delete(5)


@pytest.mark.parametrize(
    "text",
    [
        "sync.example.org",
        "http://sync.example.org",
        "https://",
        "https://user:word@sync.example.org",
        "https://sync.example.org/?a=1",
        "https://sync.example.org/#a",
        "https://sync.example.org:port",
        "https://sync example.org",
        "ftp://127.0.0.1",
        "https://[::1",
        "",
    ],
)
def test_unusable_webhook_address_is_a_usage_error(text: str) -> None:
    """Before any request and any change."""
    with pytest.raises(UsageError):
        parse_public_url(text)


def test_webhook_address_loses_its_last_slash() -> None:
    """Host, port and path stay; on this machine http is enough."""
    assert parse_public_url(" https://sync.example.org/ ") == "https://sync.example.org"
    assert parse_public_url("https://sync.example.org:8443/a/b//") == "https://sync.example.org:8443/a/b"
    assert parse_public_url("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    assert [mask_url("https://[broken"), mask_url("nonsense")] == ["?", "://?/…"]


def test_rows_that_are_no_webhooks_are_ignored(place: Callable[..., Place]) -> None:
    """A row without an id is none; an unknown state counts as enabled."""
    env = place()
    env.hooks.create({"url": None, "isEnabled": "perhaps", "login": ""})

    def add(rows: list[Any]) -> list[Any]:
        return [*rows, 5, {"id": 0}, {"url": "https://other.example"}]

    env.sandbox.faults.add(faults.change_rows(add), route=f"GET {HOOKS}")
    (hook,) = env.webhook_api.list_webhooks()
    assert (hook.hook_id, hook.url, hook.is_enabled, hook.login) == (4711, "", True, None)
