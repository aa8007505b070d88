"""What runs do about webhooks: keep them enabled, notice silence, and audit what was delivered."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.servers.receiver import Office, office

from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sync_env import Town

    from hostaway_sync.model.records import RunReport
    from hostaway_sync.model.status import Silence
    from hostaway_sync.webhooks.registration.registrar import HookCheck

HOOKS = "GET /webhooks/unifiedWebhooks"
LOGS = "GET /unifiedWebhookLogs"
UPDATE = "PUT /webhooks/unifiedWebhooks/{id}"


class Place:
    """A town with a receiver, whose account is registered since yesterday and mirrored in full."""

    def __init__(self, town: Town, here: Office) -> None:
        self.town = town
        self.office = here
        self.world = town.sandbox.world
        self.hooks = town.sandbox.accounts[town.account_id].hooks
        self.mirror = town.mirror(retry_attempts=1)
        with self.mirror.push.webhook(town.account_id) as webhook:
            webhook.register(here.base)
        self.execute("UPDATE accounts SET webhook_confirmed_at = now() - interval '1 day'")
        self.world.now = datetime.now(UTC) - timedelta(hours=2)
        self.sync()
        town.sandbox.forget()

    def execute(self, statement: str) -> None:
        """Change something behind everybody's back."""
        with self.town.database.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL search_path TO hostaway")
            connection.exec_driver_sql(statement)

    def sync(self, **options: Any) -> RunReport:
        """Mirror the account."""
        return self.mirror.sync(self.town.account_id, **options)

    def check(self) -> HookCheck:
        """Do what `webhooks check` does."""
        with self.mirror.push.webhook(self.town.account_id) as webhook:
            return webhook.check()

    def calls(self, route: str) -> int:
        """Count requests of a route."""
        return self.town.sandbox.calls[route]

    def silence(self) -> Silence | None:
        """Give what `status` knows two hours after the last run."""
        self.execute("UPDATE polled_changes SET found_at = found_at - interval '2 hours'")
        return self.mirror.status(self.town.account_id).accounts[0].silence

    def drain(self) -> None:
        """Work off what waits."""
        with self.mirror.push.worker(drain=True) as worker:
            worker.wait()

    def audit(self) -> list[tuple[Any, ...]]:
        """Give what is kept of the last audit."""
        return self.town.ask("SELECT has_log, announced, lost FROM delivery_audits")

    def lost(self) -> list[tuple[Any, ...]]:
        """Give what an audit had read again."""
        return self.town.ask("SELECT object_id FROM webhook_log WHERE platform = 'audit' ORDER BY 1")

    def close_the_door(self) -> None:
        """Let deliveries arrive nowhere, though the address is right."""
        self.hooks.update(4711, {"url": self.hooks.get(4711)["url"].replace(self.office.base, "http://127.0.0.1:9")})

    def open_the_door(self) -> None:
        """Let them arrive again."""
        self.hooks.update(4711, {"url": self.hooks.get(4711)["url"].replace("http://127.0.0.1:9", self.office.base)})


@pytest.fixture
def place(town: Callable[..., Town]) -> Iterator[Callable[..., Place]]:
    """Give a function that builds a place."""
    with ExitStack() as stack:

        def build(**options: Any) -> Place:
            here = town(**options)
            return Place(here, stack.enter_context(office(here.database)))

        yield build


def test_an_account_without_a_webhook_costs_no_call(town: Callable[..., Town]) -> None:
    """Nobody is asked, in no kind of run, and nothing is noted."""
    here = town()
    here.mirror().sync(70001)
    here.sandbox.world.create_reservation()
    assert here.mirror().sync(70001, full=True).state is RunState.SUCCESS
    assert {here.sandbox.calls[route] for route in (HOOKS, LOGS)} == {0}
    assert here.ask("SELECT 1 FROM polled_changes UNION ALL SELECT 1 FROM delivery_audits") == []


def test_a_run_looks_once_whether_its_webhook_is_enabled(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    """One call more, which is counted and explained; nothing is said when all is well."""
    here = place()
    seen: list[str] = []
    report = here.sync(observe=lambda call: seen.append(call.why))
    assert (report.mode, report.api_calls, len(seen)) == (Mode.INCREMENTAL, 3, 3)
    assert seen[-1] == "webhook: is it still enabled?"
    assert (here.calls(HOOKS), here.calls(LOGS)) == (1, 0)
    assert here.town.ask("SELECT api_calls FROM sync_runs ORDER BY triggered_at DESC LIMIT 1") == [(3,)]
    assert caplog.records == []
    assert here.sync(dry_run=True).api_calls == 2


def test_a_run_enables_what_the_source_disabled_and_says_so(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture
) -> None:
    """As a warning, which cron mails; the next run has nothing to say."""
    here = place()
    here.hooks.update(4711, {"isEnabled": 0})
    assert here.sync().state is RunState.SUCCESS
    assert here.hooks.get(4711)["isEnabled"] == 1
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert "was disabled at the source: it is enabled again" in said.getMessage()
    caplog.clear()
    here.sync()
    assert caplog.records == []


@pytest.mark.parametrize("route", [HOOKS, UPDATE])
def test_a_webhook_that_cannot_be_looked_after_fails_no_run(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, route: str
) -> None:
    """It is a success with a warning."""
    here = place()
    here.hooks.update(4711, {"isEnabled": 0})
    here.town.sandbox.faults.add(faults.bad_gateway(), route=route)
    assert here.sync().state is RunState.SUCCESS
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "its webhook could not be looked after" in caplog.text


def test_a_source_that_fails_is_not_asked_for_webhooks_as_well(place: Callable[..., Place]) -> None:
    """The run that is tried again looks, once."""
    here = place()
    here.town.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=1)
    (outcome,) = here.mirror.sync_all()
    assert outcome.state is RunState.SUCCESS
    assert here.calls(HOOKS) == 1


def test_a_run_that_is_tried_again_for_another_reason_looks_once(place: Callable[..., Place]) -> None:
    """A thread that cannot be read is no reason to look twice."""
    here = place()
    here.world.create_reservation()
    here.town.sandbox.faults.add(faults.bad_gateway(), route="GET /conversations/{id}/messages", times=1)
    (outcome,) = here.mirror.sync_all()
    assert outcome.state is RunState.SUCCESS
    assert here.calls(HOOKS) == 1


def test_bookings_that_no_delivery_announced_are_counted(place: Callable[..., Place]) -> None:
    """New ones, and those with another status, dates or listing; an hour after they were found."""
    here = place()
    here.world.outbox.clear()
    known = list(here.town.rows("reservations"))
    here.world.update_reservation(known[0], status="ownerStay")
    here.world.update_reservation(known[1], arrivalDate="2027-01-09")
    here.world.create_reservation(status="new")
    here.sync()
    assert here.mirror.status(70001).accounts[0].silence is None
    silence = here.silence()
    assert silence is not None
    assert (silence.unannounced, silence.announced) == (3, 0)


def test_what_nobody_announces_is_not_counted(place: Callable[..., Place]) -> None:
    """Payments, jobs at night, what hosts write, and inquiries."""
    here = place()
    known = list(here.town.rows("reservations"))
    here.world.pay(known[0])
    here.world.touch(known[1:4])
    here.world.update_reservation(known[4], guestName="Somebody Else")
    here.world.create_reservation(status="inquiry")
    assert here.sync().resources[Resource.RESERVATIONS].counts.updated == 5
    assert here.silence() is None


def test_what_was_changed_before_the_registration_is_not_counted(place: Callable[..., Place]) -> None:
    """Nobody could announce it; and registering anew begins the count anew."""
    here = place()
    here.execute("UPDATE accounts SET webhook_confirmed_at = now()")
    here.world.create_reservation(status="new")
    here.sync()
    assert here.town.ask("SELECT 1 FROM polled_changes") == []
    here.execute("UPDATE accounts SET webhook_confirmed_at = now() - interval '1 day'")
    here.world.create_reservation(status="new")
    here.sync()
    assert here.silence() is not None
    here.execute("UPDATE accounts SET webhook_confirmed_at = now()")
    assert here.silence() is None


def test_a_delivery_that_comes_after_the_run_is_in_time(place: Callable[..., Place]) -> None:
    """The run was faster than the announcement, which is nobody's fault."""
    here = place()
    here.world.outbox.clear()
    heard, unheard = (here.world.create_reservation(status="new", conversation=False) for _ in range(2))
    here.sync()
    here.world.outbox.pop()
    assert set(here.town.sandbox.deliver()) == {200}
    silence = here.silence()
    assert silence is not None
    assert (silence.unannounced, silence.announced) == (1, 1)
    assert here.town.ask(f"SELECT count(*) FROM webhook_log WHERE object_id = {heard}") == [(1,)]
    assert here.town.ask(f"SELECT count(*) FROM webhook_log WHERE object_id = {unheard}") == [(0,)]


def test_old_changes_are_forgotten(place: Callable[..., Place]) -> None:
    """After a week, with the next one."""
    here = place()
    here.world.create_reservation(status="new")
    here.sync()
    here.execute("UPDATE polled_changes SET found_at = now() - interval '8 days'")
    number = here.world.create_reservation(status="new")
    here.sync()
    assert here.town.ask("SELECT reservation_id FROM polled_changes") == [(number,)]


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("log", ["samples", "prose"])
def test_a_sweep_has_lost_deliveries_read_again(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, log: str, order: str
) -> None:
    """Those that failed and those that never came here, wherever the log is and however it is ordered."""
    switches: Any = {"delivery_log": log, "delivery_log_order": order}
    here = place(switches=Switches(**switches))
    here.world.outbox.clear()
    arrived = here.world.create_reservation(conversation=False)
    here.town.sandbox.deliver()
    failed = here.world.create_reservation(conversation=False)
    here.close_the_door()
    assert here.town.sandbox.deliver() == [None]
    here.open_the_door()
    swallowed = here.world.create_reservation(conversation=False)
    here.town.sandbox.deliver()
    here.execute(f"DELETE FROM webhook_log WHERE object_id = {swallowed}")
    assert here.sync(full=True).state is RunState.SUCCESS
    assert (here.audit(), here.lost()) == ([(True, 3, 2)], [(failed,), (swallowed,)])
    assert "2 of 3 announced objects were lost, and are read again" in caplog.text
    here.drain()
    assert here.town.ask("SELECT status FROM webhook_log") == [("processed",)] * 3
    assert here.town.differences() == {}
    assert arrived in here.town.rows("reservations")
    with caplog.at_level(logging.INFO):
        here.sync(full=True)
    assert here.audit() == [(True, 0, 0)]
    assert "0 of 0 announced objects were lost" in caplog.text


def test_a_delivery_that_came_at_the_second_try_is_not_lost(place: Callable[..., Place]) -> None:
    """The newest entry about an object counts."""
    here = place()
    here.world.outbox.clear()
    number = here.world.create_reservation(conversation=False)
    here.close_the_door()
    here.town.sandbox.deliver()
    here.open_the_door()
    here.world.outbox.append(("reservation.created", number, 0))
    here.town.sandbox.deliver()
    here.sync(full=True)
    assert (here.audit(), here.lost()) == ([(True, 1, 0)], [])


def test_a_message_whose_delivery_failed_is_found_by_the_run(place: Callable[..., Place]) -> None:
    """Its thread is read because its reservation moved, so that nothing is lost any more."""
    here = place()
    here.close_the_door()
    here.world.outbox.clear()
    here.world.guest_message(min(here.town.rows("conversations")))
    here.town.sandbox.deliver()
    here.open_the_door()
    here.sync(full=True)
    reservation = here.town.ask("SELECT reservation_id FROM conversations ORDER BY id LIMIT 1")
    assert (here.audit(), here.lost()) == ([(True, 2, 1)], reservation)
    assert here.town.differences() == {}


@pytest.mark.parametrize("status", [404, 403])
def test_a_log_that_is_not_there_is_said_once(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, status: Any
) -> None:
    """The run goes on; whoever checks is told every time."""
    with caplog.at_level(logging.INFO):
        here = place(switches=Switches(delivery_log="gone", deleted_object=status))
        here.sync(full=True)
        assert here.sync(full=True).state is RunState.SUCCESS
    assert [record.levelno for record in caplog.records if "no log of its deliveries" in record.getMessage()] == [
        logging.WARNING
    ]
    check = here.check()
    assert check.audit is not None
    assert (check.problems, check.audit.has_log) == ((), False)


def test_a_check_audits_what_was_delivered(place: Callable[..., Place]) -> None:
    """It has lost objects read again, and names how many; after that all is well."""
    here = place()
    here.world.outbox.clear()
    number = here.world.create_reservation(conversation=False)
    here.close_the_door()
    here.town.sandbox.deliver()
    here.open_the_door()
    check = here.check()
    assert check.audit is not None
    assert (check.audit.announced, check.audit.lost) == (1, 1)
    assert check.problems == ("1 of 1 objects that were announced to account 70001 did not arrive, and are read again",)
    here.drain()
    assert number in here.town.rows("reservations")
    assert here.check().problems == ()


@pytest.mark.parametrize("effect", [faults.null_result(), faults.bad_gateway(), faults.torn_json()])
def test_a_log_that_cannot_be_read_is_no_finding(
    place: Callable[..., Place], caplog: pytest.LogCaptureFixture, effect: Any
) -> None:
    """The run is a success, the check says what is wrong, and the next audit goes on where the last one ended."""
    here = place()
    here.town.sandbox.faults.add(effect, route=LOGS, times=2)
    assert here.sync(full=True).state is RunState.SUCCESS
    check = here.check()
    if check.audit is None:
        assert "cannot be told" in check.problems[0]
        assert "could not be looked after" in caplog.text


def test_settled_deliveries_are_pruned_by_the_worker_and_others_never(place: Callable[..., Place]) -> None:
    """As old as they may be: what still waits, or is a dead letter, stays."""
    here = place()
    here.world.outbox.clear()
    for _ in range(3):
        here.world.create_reservation(conversation=False)
    here.town.sandbox.deliver()
    here.drain()
    settled, buried, fresh = (str(number) for (number,) in here.town.ask("SELECT id FROM webhook_log"))
    here.execute(f"UPDATE webhook_log SET processed_at = now() - interval '31 days' WHERE id = '{settled}'")
    here.execute(
        "UPDATE webhook_log SET created_at = now() - interval '9 years', status = 'dead', processed_at = NULL"
        f" WHERE id = '{buried}'"
    )
    here.drain()
    assert {str(number) for (number,) in here.town.ask("SELECT id FROM webhook_log")} == {buried, fresh}
