"""The faults that a send can meet, each with a name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa
from tests.support import sql
from tests.support.servers.tcp_proxy import PLACES, Cut

from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Effect

MOMENTS: Final = ("statement", "commit", "answer")
TRANSITIONS: Final = ("pending", "sending", "end")


@dataclass(frozen=True)
class DatabaseOutage:
    """The database becomes unreachable while the ledger changes.

    Attributes:
        transition: at which change of state: to `pending`, to `sending`, or to its `end`.
        moment: before the statement, before its commit, or after it, so that only its answer is lost.
        is_long: whether it stays away until the sender has given up.
    """

    transition: str
    moment: str
    is_long: bool


@dataclass(frozen=True)
class SendFault:
    """One fault of the connection, of the answer or of the database; None: no such fault."""

    name: str
    cut: Cut | None = None
    effect: Effect | None = None
    outage: DatabaseOutage | None = None


def _fail(status: int, text: str = "Something went wrong") -> Effect:
    return faults.status(status, json.dumps({"status": "fail", "message": text}).encode())


def _row(**fields: Any) -> Callable[[bytes], bytes]:
    """Return a function that changes fields of the message in an answer."""

    def change(body: bytes) -> bytes:
        envelope = json.loads(body or b'{"result": {}}')
        return json.dumps(envelope | {"result": envelope["result"] | fields}).encode()

    return change


_REFUSALS: Final = {
    **{f"{code}": _fail(code) for code in (400, 403, 404, 409, 413, 422)},
    "401": faults.denied(401),
    "400 with HTML": faults.bad_gateway(400),
    "429": faults.rate_limited(),
}
# Answers that are possible whether the source has accepted the message or not.
_UNCLEAR: Final = {
    "a reset": faults.connection_reset(),
    "408": _fail(408),
    **{f"{code} with HTML": faults.bad_gateway(code) for code in (502, 503, 524)},
    "500": _fail(500),
    "200 with a failure": faults.fail_with_200(),
    "200 with nothing": faults.status(200),
    "200 with HTML": faults.status(200, faults.HTML, content_type="text/html"),
    "200 with null": faults.status(200, b'{"status":"success","result":null}'),
    "200 with a list": faults.status(200, b'{"status":"success","result":[]}'),
    "200 with a number": faults.status(200, b'{"status":"success","result":17}'),
    "200 with a text": faults.status(200, b'"success"'),
    "204": faults.status(204),
    "302": faults.status(302, headers={"Location": "/elsewhere"}),
    "an old message": faults.status(200, b'{"status":"success","result":{"id":1,"isIncoming":0}}'),
    "a guest's message": faults.status(200, b'{"status":"success","result":{"id":99000000000,"isIncoming":1}}'),
    "another thread's": faults.status(200, b'{"status":"success","result":{"id":99000000000,"conversationId":5}}'),
    "a depth": faults.status(200, b'{"status":"success","result":' + b'{"a":' * 5_000 + b"}" * 5_001),
    "no UTF-8": faults.status(200, b'{"status":"success","result":{"id":"\xff\xfe"}}'),
    "a wrong encoding": faults.status(200, b"{}", headers={"Content-Encoding": "gzip"}),
}
# Faults of the answer of a source that has accepted the message.
_CORRUPTED: Final = {
    "torn JSON": faults.torn_json(),
    "a torn connection": faults.torn_connection(),
    "an id that is none": faults.rewrite(_row(id="soon")),
    "an id that is too large": faults.rewrite(_row(id=1 << 70)),
    "no id": faults.rewrite(_row(id=None)),
    "a text for an id": faults.rewrite(lambda body: body.replace(b'"id":', b'"id":"x","was":', 1)),
    "a thread that is none": faults.rewrite(_row(conversationId="none")),
    "no direction": faults.rewrite(_row(isIncoming=None)),
    "201": faults.rewrite(lambda body: body),
}


def _harmless() -> list[SendFault]:
    already = Event()
    already.set()
    return [SendFault("none"), SendFault("a slow answer", effect=faults.slow(already))]


def _all() -> dict[str, SendFault]:
    found = _harmless()
    found.append(SendFault("reset before a byte", Cut(early=True)))
    found += [SendFault(f"a request cut after {place}", Cut(request=place)) for place in PLACES]
    for place in PLACES:
        found += [
            SendFault(f"an answer {end} after {place}", Cut(answer=place, reset=end == "reset"))
            for end in ("reset", "closed")[: 1 + (place in ("nothing", "the head", "half of the body"))]
        ]
    found += [SendFault(f"refused: {name}", effect=effect) for name, effect in _REFUSALS.items()]
    found += [SendFault(f"not taken: {name}", effect=effect) for name, effect in _UNCLEAR.items()]
    found += [SendFault(f"taken: {name}", effect=faults.accepted_then(effect)) for name, effect in _UNCLEAR.items()]
    found += [SendFault(f"taken: {name}", effect=effect) for name, effect in _CORRUPTED.items()]
    found += [
        SendFault(
            f"database away {'for long' if is_long else 'once'}: {transition}, {moment}",
            outage=DatabaseOutage(transition, moment, is_long),
        )
        for transition in TRANSITIONS
        for moment in MOMENTS
        for is_long in (False, True)
    ]
    return {fault.name: fault for fault in found}


SEND_FAULTS: Final = _all()


class OutageInjector:
    """Cuts the connections of one engine when a ledger changes, as an outage says."""

    def __init__(self, env: SyncEnv, engine: sa.Engine, ledger: str = "sent_messages") -> None:
        self._env = env
        self._ledger = f"hostaway.{ledger}"
        self._outage: DatabaseOutage | None = None
        self._is_away = False
        self._moved: sa.Connection | None = None
        sa.event.listen(engine, "before_cursor_execute", self._before)
        sa.event.listen(engine, "commit", self._commit)

    def arm(self, outage: DatabaseOutage | None) -> None:
        """Wait for the moment of an outage; None: no outage."""
        self._outage, self._is_away, self._moved = outage, False, None

    def _before(self, connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if self._is_away:
            self._kill(connection)
            return
        if self._outage is None or not _moves(self._ledger, statement, parameters, self._outage.transition):
            return
        if self._outage.moment == "statement":
            self._strike(connection)
        else:
            self._moved = connection

    def _commit(self, connection: sa.Connection) -> None:
        if connection is not self._moved or self._outage is None:
            return
        self._moved = None
        if self._outage.moment == "commit":
            self._strike(connection)
            return
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]  # it is there
        self._strike(connection)
        lost = psycopg.OperationalError("server closed the connection unexpectedly")
        raise sa.exc.OperationalError("COMMIT", None, lost, connection_invalidated=True)

    def _strike(self, connection: sa.Connection) -> None:
        self._is_away = self._outage is not None and self._outage.is_long
        self._outage = None
        self._kill(connection)

    def _kill(self, connection: sa.Connection) -> None:
        process = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]  # psycopg's
        sql.execute(self._env.database, f"SELECT pg_terminate_backend({process}, 10000)")


def _moves(ledger: str, statement: str, parameters: Any, transition: str) -> bool:
    if statement.startswith(f"INSERT INTO {ledger}"):
        return transition == "pending"
    if not statement.startswith(f"UPDATE {ledger}") or "state" not in (parameters or {}):
        return False
    state = parameters["state"]
    return state == transition or (transition == "end" and state not in TRANSITIONS)
