"""Webhooks in runs: they are kept enabled, silence is noticed, and the delivery log is audited."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.servers.receiver import RunningReceiver, running_receiver

from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.records import RunReport
    from hostaway_sync.model.status import AnnouncementCounts
    from hostaway_sync.webhooks.registration.registrar import HookCheck

HOOKS = "GET /webhooks/unifiedWebhooks"
LOGS = "GET /unifiedWebhookLogs"
UPDATE = "PUT /webhooks/unifiedWebhooks/{id}"


class Place:
    """A sandbox with a receiver, whose account is registered since yesterday and mirrored in full."""

    def __init__(self, env: SyncEnv, receiver: RunningReceiver) -> None:
        self.sync_env = env
        self.receiver = receiver
        self.world = env.sandbox.world
        self.hooks = env.sandbox.accounts[env.account_id].hooks
        self.mirror = env.mirror(retry_attempts=1)
        with self.mirror.webhooks.open_registrar(env.account_id) as webhook:
            webhook.register(receiver.base)
        self.execute("UPDATE accounts SET webhook_confirmed_at = now() - interval '1 day'")
        self.world.now = datetime.now(UTC) - timedelta(hours=2)
        self.sync()
        env.sandbox.forget()

    def execute(self, statement: str) -> None:
        """Change the database without the program."""
        with self.sync_env.database.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL search_path TO hostaway")
            connection.exec_driver_sql(statement)

    def sync(self, **options: Any) -> RunReport:
        """Mirror the account."""
        return self.mirror.sync.run(self.sync_env.account_id, **options)

    def check(self) -> HookCheck:
        """Run what `webhooks check` runs."""
        with self.mirror.webhooks.open_registrar(self.sync_env.account_id) as webhook:
            return webhook.check()

    def calls(self, route: str) -> int:
        """Count requests of a route."""
        return self.sync_env.sandbox.calls[route]

    def silence(self) -> AnnouncementCounts | None:
        """Return the silence that `status` reports two hours after the last run."""
        self.execute("UPDATE polled_changes SET found_at = found_at - interval '2 hours'")
        return self.mirror.status.overview(self.sync_env.account_id).accounts[0].announcements

    def drain(self) -> None:
        """Work off all waiting jobs."""
        with self.mirror.jobs.start_worker(drain=True) as worker:
            worker.wait()

    def audit(self) -> list[tuple[Any, ...]]:
        """Return the stored result of the last audit."""
        return sql.rows(self.sync_env.database, "SELECT has_log, announced, lost FROM delivery_audits")

    def lost(self) -> list[tuple[Any, ...]]:
        """Return the objects that an audit had read again."""
        return sql.rows(self.sync_env.database, "SELECT object_id FROM webhook_log WHERE platform = 'audit' ORDER BY 1")

    def break_deliveries(self) -> None:
        """Let every delivery fail, though the address is right."""
        self.hooks.update(4711, {"url": self.hooks.get(4711)["url"].replace(self.receiver.base, "http://127.0.0.1:9")})

    def restore_deliveries(self) -> None:
        """Let deliveries arrive again."""
        self.hooks.update(4711, {"url": self.hooks.get(4711)["url"].replace("http://127.0.0.1:9", self.receiver.base)})


@pytest.fixture
def place(sync_env: Callable[..., SyncEnv]) -> Iterator[Callable[..., Place]]:
    """Return a function that builds a place."""
    with ExitStack() as stack:

        def build(**options: Any) -> Place:
            env = sync_env(**options)
            return Place(env, stack.enter_context(running_receiver(env.database)))

        yield build


def test_account_without_a_webhook_costs_no_call(sync_env: Callable[..., SyncEnv]) -> None:
    """No kind of run asks for webhooks or stores anything about them."""
    env = sync_env()
    env.mirrored()
    env.sandbox.world.create_reservation()
    assert env.mirror().sync.run(70001, full=True).state is RunState.SUCCESS
    assert {env.sandbox.calls[route] for route in (HOOKS, LOGS)} == {0}
    assert sql.rows(env.database, "SELECT 1 FROM polled_changes UNION ALL SELECT 1 FROM delivery_audits") == []


def test_run_checks_its_webhook_once(place: Callable[..., Place], caplog: pytest.LogCaptureFixture) -> None:
    """One more request, counted and explained; no log line where all is well."""
    env = place()
    seen: list[str] = []
    report = env.sync(observe=lambda call: seen.append(call.why))
    assert (report.mode, report.api_calls, len(seen)) == (Mode.INCREMENTAL, 3, 3)
    assert seen[-1] == "webhook: is it still enabled?"
    assert (env.calls(HOOKS), env.calls(LOGS)) == (1, 0)
    assert sql.rows(env.sync_env.database, "SELECT api_calls FROM sync_runs ORDER BY triggered_at DESC LIMIT 1") == [
        (3,)
    ]
    assert caplog.records == []
    assert env.sync(dry_run=True).api_calls == 2


def test_run_enables_a_disabled_webhook_and_logs_it(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    """As a warning, which cron mails; the next run logs nothing."""
    env = place()
    env.hooks.update(4711, {"isEnabled": 0})
    assert env.sync().state is RunState.SUCCESS
    assert env.hooks.get(4711)["isEnabled"] == 1
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert "was disabled at the source: it is enabled again" in said.getMessage()
    caplog.clear()
    env.sync()
    assert caplog.records == []


@pytest.mark.parametrize("route", [HOOKS, UPDATE])
def test_webhook_that_cannot_be_checked_fails_no_run(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, route: str
) -> None:
    """The run is a success with a warning."""
    env = place()
    env.hooks.update(4711, {"isEnabled": 0})
    env.sync_env.sandbox.faults.add(faults.bad_gateway(), route=route)
    assert env.sync().state is RunState.SUCCESS
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "its webhook could not be checked" in caplog.text


def test_failed_run_does_not_check_its_webhook(place: Callable[..., Place]) -> None:
    """Its retry checks once."""
    env = place()
    env.sync_env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=1)
    (outcome,) = env.mirror.sync.run_all()
    assert outcome.state is RunState.SUCCESS
    assert env.calls(HOOKS) == 1


def test_retried_run_checks_its_webhook_once(place: Callable[..., Place]) -> None:
    """A failed thread causes no second check."""
    env = place()
    env.world.create_reservation()
    env.sync_env.sandbox.faults.add(faults.bad_gateway(), route="GET /conversations/{id}/messages", times=1)
    (outcome,) = env.mirror.sync.run_all()
    assert outcome.state is RunState.SUCCESS
    assert env.calls(HOOKS) == 1


def test_unannounced_bookings_are_counted(place: Callable[..., Place]) -> None:
    """New ones, and those with another status, dates or listing; an hour after they were found."""
    env = place()
    env.world.outbox.clear()
    known = [key for key, row in env.sync_env.rows("reservations").items() if row["status"] in {"new", "modified"}]
    env.world.update_reservation(known[0], status="ownerStay")
    env.world.update_reservation(known[1], arrivalDate="2027-01-09")
    env.world.create_reservation(status="new")
    env.sync()
    assert env.mirror.status.overview(70001).accounts[0].announcements is None
    silence = env.silence()
    assert silence is not None
    assert (silence.unannounced, silence.announced) == (3, 0)


def test_changes_without_an_announcement_rule_are_not_counted(place: Callable[..., Place]) -> None:
    """Payments, nightly jobs, messages of hosts, and inquiries."""
    env = place()
    known = list(env.sync_env.rows("reservations"))
    env.world.pay(known[0])
    env.world.touch(known[1:4])
    env.world.update_reservation(known[4], guestName="Somebody Else")
    env.world.create_reservation(status="inquiry")
    assert env.sync().resources[Resource.RESERVATIONS].counts.updated == 5
    assert env.silence() is None


def test_changes_before_the_registration_are_not_counted(place: Callable[..., Place]) -> None:
    """No delivery could announce them; a new registration starts the count anew."""
    env = place()
    env.execute("UPDATE accounts SET webhook_confirmed_at = now()")
    env.world.create_reservation(status="new")
    env.sync()
    assert sql.rows(env.sync_env.database, "SELECT 1 FROM polled_changes") == []
    env.execute("UPDATE accounts SET webhook_confirmed_at = now() - interval '1 day'")
    env.world.create_reservation(status="new")
    env.sync()
    assert env.silence() is not None
    env.execute("UPDATE accounts SET webhook_confirmed_at = now()")
    assert env.silence() is None


def test_delivery_after_the_run_is_in_time(place: Callable[..., Place]) -> None:
    """The run was faster than the delivery, which is no fault."""
    env = place()
    env.world.outbox.clear()
    heard, unheard = (env.world.create_reservation(status="new", conversation=False) for _ in range(2))
    env.sync()
    env.world.outbox.pop()
    assert set(env.sync_env.sandbox.deliver()) == {200}
    silence = env.silence()
    assert silence is not None
    assert (silence.unannounced, silence.announced) == (1, 1)
    assert sql.rows(env.sync_env.database, f"SELECT count(*) FROM webhook_log WHERE object_id = {heard}") == [(1,)]
    assert sql.rows(env.sync_env.database, f"SELECT count(*) FROM webhook_log WHERE object_id = {unheard}") == [(0,)]


def test_old_changes_are_forgotten(place: Callable[..., Place]) -> None:
    """After a week, when the next one is stored."""
    env = place()
    env.world.create_reservation(status="new")
    env.sync()
    env.execute("UPDATE polled_changes SET found_at = now() - interval '8 days'")
    number = env.world.create_reservation(status="new")
    env.sync()
    assert sql.rows(env.sync_env.database, "SELECT reservation_id FROM polled_changes") == [(number,)]


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("log", ["samples", "prose"])
def test_sweep_reads_objects_of_lost_deliveries_again(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, log: str, order: str
) -> None:
    """Failed ones and those that never arrived, wherever the log is and however it is ordered."""
    switches: Any = {"delivery_log": log, "delivery_log_order": order}
    env = place(switches=Switches(**switches))
    env.world.outbox.clear()
    arrived = env.world.create_reservation(conversation=False)
    env.sync_env.sandbox.deliver()
    failed = env.world.create_reservation(conversation=False)
    env.break_deliveries()
    assert env.sync_env.sandbox.deliver() == [None]
    env.restore_deliveries()
    swallowed = env.world.create_reservation(conversation=False)
    env.sync_env.sandbox.deliver()
    env.execute(f"DELETE FROM webhook_log WHERE object_id = {swallowed}")
    assert env.sync(full=True).state is RunState.SUCCESS
    assert (env.audit(), env.lost()) == ([(True, 3, 2)], [(failed,), (swallowed,)])
    assert "2 of 3 announced objects were lost, and are read again" in caplog.text
    env.drain()
    assert sql.rows(env.sync_env.database, "SELECT status FROM webhook_log") == [("processed",)] * 3
    assert env.sync_env.differences() == {}
    assert arrived in env.sync_env.rows("reservations")
    with caplog.at_level(logging.INFO):
        env.sync(full=True)
    assert env.audit() == [(True, 0, 0)]
    assert "0 of 0 announced objects were lost" in caplog.text


def test_delivery_that_arrived_late_is_not_lost(place: Callable[..., Place]) -> None:
    """The newest entry about an object counts."""
    env = place()
    env.world.outbox.clear()
    number = env.world.create_reservation(conversation=False)
    env.break_deliveries()
    env.sync_env.sandbox.deliver()
    env.restore_deliveries()
    env.world.outbox.append(("reservation.created", number, 0))
    env.sync_env.sandbox.deliver()
    env.sync(full=True)
    assert (env.audit(), env.lost()) == ([(True, 1, 0)], [])


def test_run_finds_a_message_whose_delivery_failed(place: Callable[..., Place]) -> None:
    """Its reservation moved, so that its thread was read, and the object is not lost any more."""
    env = place()
    env.break_deliveries()
    env.world.outbox.clear()
    env.world.guest_message(min(env.sync_env.rows("conversations")))
    env.sync_env.sandbox.deliver()
    env.restore_deliveries()
    env.sync(full=True)
    reservation = sql.rows(env.sync_env.database, "SELECT reservation_id FROM conversations ORDER BY id LIMIT 1")
    assert (env.audit(), env.lost()) == ([(True, 2, 1)], reservation)
    assert env.sync_env.differences() == {}


@pytest.mark.parametrize("status", [404, 403])
def test_missing_delivery_log_is_reported_once(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, status: Any
) -> None:
    """The run goes on; `webhooks check` reports it every time."""
    with caplog.at_level(logging.INFO):
        env = place(switches=Switches(delivery_log="gone", deleted_object=status))
        env.sync(full=True)
        assert env.sync(full=True).state is RunState.SUCCESS
    assert [record.levelno for record in caplog.records if "no log of its deliveries" in record.getMessage()] == [
        logging.WARNING
    ]
    check = env.check()
    assert check.audit is not None
    assert (check.problems, check.audit.has_log) == ((), False)


def test_check_audits_the_deliveries(place: Callable[..., Place]) -> None:
    """It makes lost objects be read again, and says how many; afterwards all is well."""
    env = place()
    env.world.outbox.clear()
    number = env.world.create_reservation(conversation=False)
    env.break_deliveries()
    env.sync_env.sandbox.deliver()
    env.restore_deliveries()
    check = env.check()
    assert check.audit is not None
    assert (check.audit.announced, check.audit.lost) == (1, 1)
    assert check.problems == ("1 of 1 objects that were announced to account 70001 did not arrive, and are read again",)
    env.drain()
    assert number in env.sync_env.rows("reservations")
    assert env.check().problems == ()


@pytest.mark.parametrize("effect", [faults.null_result(), faults.bad_gateway(), faults.torn_json()])
def test_unreadable_delivery_log_is_no_finding(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, effect: Any
) -> None:
    """The run is a success, the check says what is wrong, and the next audit covers the same time."""
    env = place()
    env.sync_env.sandbox.faults.add(effect, route=LOGS, times=2)
    assert env.sync(full=True).state is RunState.SUCCESS
    check = env.check()
    if check.audit is None:
        assert "could not be audited" in check.problems[0]
        assert "could not be checked" in caplog.text


def test_worker_prunes_settled_deliveries_only(place: Callable[..., Place]) -> None:
    """However old: waiting deliveries and dead letters stay."""
    env = place()
    env.world.outbox.clear()
    for _ in range(3):
        env.world.create_reservation(conversation=False)
    env.sync_env.sandbox.deliver()
    env.drain()
    settled, buried, fresh = (
        str(number) for (number,) in sql.rows(env.sync_env.database, "SELECT id FROM webhook_log")
    )
    env.execute(f"UPDATE webhook_log SET processed_at = now() - interval '31 days' WHERE id = '{settled}'")
    env.execute(
        "UPDATE webhook_log SET created_at = now() - interval '9 years', status = 'dead', processed_at = NULL"
        f" WHERE id = '{buried}'"
    )
    env.drain()
    assert {str(number) for (number,) in sql.rows(env.sync_env.database, "SELECT id FROM webhook_log")} == {
        buried,
        fresh,
    }
