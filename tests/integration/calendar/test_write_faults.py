"""All faults of a write to a calendar, in any order: the ledger says what the source did."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
from tests.support import sql
from tests.support.calendar_writes import HORIZON, PRICE, WRITE, CalendarCase, calendar_case
from tests.support.calendars import ahead, wrong_days
from tests.support.chaos.send_faults import SEND_FAULTS, OutageInjector
from tests.support.servers.tcp_proxy import TcpProxy

from hostaway_sync.app.calendar_writes import CalendarWrites
from hostaway_sync.app.container import Container
from hostaway_sync.errors import SourceError, StoreError, WriteUnsettled
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.writes import OPEN_STATES, WriteRequest, WriteState
from hostaway_sync.settings import SCHEMA, load_settings
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.chaos.send_faults import SendFault
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.calendar.writes import CalendarWrite

    Build = Callable[..., SyncEnv]

# Faults of a message's id or thread do not concern a calendar; the next connection may be any.
_OF_MESSAGES: Final = frozenset(
    {
        "reset before a byte",
        "taken: an id that is none",
        "taken: an id that is too large",
        "taken: no id",
        "taken: a text for an id",
        "taken: a thread that is none",
        "taken: no direction",
        "taken: 201",
    }
)
FAULTS: Final = {name: fault for name, fault in SEND_FAULTS.items() if name not in _OF_MESSAGES}


class WriteChaos:
    """Writes a new price for each fault, and compares the ledger with what the source did."""

    def __init__(self, case: CalendarCase, proxy: TcpProxy) -> None:
        self._case = case
        self._proxy = proxy
        self._price = PRICE
        names = case.env.environment(CALENDAR_DAYS=str(HORIZON)).items()
        settings = {name.removeprefix("HOSTAWAY_SYNC_").lower(): value for name, value in names}
        self._container = Container(load_settings(**settings | {"api_url": proxy.url}))
        self._container.database.close()
        url = case.env.database.engine.url.render_as_string(hide_password=False)
        self._container.database = Database(url, schema=SCHEMA, patience=0.1, sleep=lambda _: None)
        self._outage = OutageInjector(case.env, self._container.database.engine, "calendar_writes")
        self._writes = CalendarWrites(self._container)

    def go_wrong(self, fault: SendFault) -> None:
        """Write while a fault is armed; then settle its row, and compare."""
        case, before = self._case, self._price
        self._price += 1
        self._arm(fault)
        requests, rows = case.writes(), len(case.ledger())
        told = self._try_to_write()
        self._arm(None)
        assert case.writes() - requests <= 1, "a write is requested once"
        assert len(case.ledger()) - rows <= 1, "and written down once"
        was_written = case.true("price") == [self._price] * 5
        assert was_written or case.true("price") == [before] * 5
        if told is not None and told.state not in OPEN_STATES:
            assert (told.state is WriteState.DONE) == was_written, (told.state, told.error)
        self._let_its_process_be_over()
        case.sync()
        assert not set(case.ledger()) & {state.value for state in OPEN_STATES}
        assert not wrong_days(case.env, HORIZON)
        if len(case.ledger()) > rows:
            assert (case.ledger()[-1] == "done") == was_written, case.ledger("state, error")[-1]
        else:
            assert not was_written
        if not was_written:
            self._price = before

    def _try_to_write(self) -> CalendarWrite | None:
        request = WriteRequest(
            self._case.listing_id, Days(ahead(3), ahead(7)), {"price": Decimal(self._price)}, self._case.env.account_id
        )
        with suppress(SourceError, StoreError, WriteUnsettled):
            return self._writes.write(self._writes.prepare(request)).write
        return None

    def _arm(self, fault: SendFault | None) -> None:
        self._case.env.sandbox.faults.clear()
        sql.execute(self._case.env.database, "DELETE FROM request_budget")
        if fault is not None and fault.effect is not None:
            self._case.env.sandbox.faults.add(fault.effect, route=WRITE)
        self._proxy.arm(fault.cut if fault else None)
        self._outage.arm(fault.outage if fault else None)

    def _let_its_process_be_over(self) -> None:
        """Let so much time pass that this process counts as ended to all others."""
        sql.execute(
            self._case.env.database,
            "UPDATE rights SET expires_at = now() - interval '1 second' WHERE owner IS NOT NULL",
        )
        sql.execute(
            self._case.env.database, "UPDATE calendar_writes SET sending_at = sending_at - interval '11 minutes'"
        )


@pytest.mark.no_cover
def test_ledger_is_right_after_faults_in_random_order(sync_env: Build) -> None:
    """Each write is requested at most once."""
    chance = random.Random()  # noqa: S311  (pytest-randomly seeds it)
    case = calendar_case(sync_env)
    with TcpProxy(case.env.sandbox.url) as proxy:
        chaos = WriteChaos(case, proxy)
        for name in chance.sample(sorted(FAULTS), len(FAULTS)):
            try:
                chaos.go_wrong(FAULTS[name])
            except BaseException as error:
                error.add_note(name)
                raise
    audited = sql.row(case.env.database, "SELECT count(*) FROM audit_log WHERE action = 'calendar_written'")
    assert audited == (case.ledger().count("done"),)
