"""The ways in which the sending of a message goes wrong, each by a name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa
from tests.support.servers.tcp_proxy import PLACES, Wreck

from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    from hostaway_sync.sandbox import Effect

MOMENTS: Final = ("statement", "commit", "answer")
TRANSITIONS: Final = ("pending", "sending", "end")


@dataclass(frozen=True)
class Blackout:
    """The database goes away while the ledger moves.

    Attributes:
        transition: at which move: `pending`, `sending`, or to its `end`.
        moment: before the statement, before its commit, or after it, so that only the answer to it is lost.
        is_long: whether it stays away until the sender has given up.
    """

    transition: str
    moment: str
    is_long: bool


@dataclass(frozen=True)
class Mishap:
    """One of these; what is None does not happen."""

    name: str
    wreck: Wreck | None = None
    effect: Effect | None = None
    blackout: Blackout | None = None


def _fail(status: int, text: str = "Something went wrong") -> Effect:
    return faults.status(status, json.dumps({"status": "fail", "message": text}).encode())


def _row(**fields: Any) -> Callable[[bytes], bytes]:
    """Give a change of the true answer's message."""

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
# What an answer may be whether the source has taken the message or not.
_RIDDLES: Final = {
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
# What may happen to the answer of a source that has taken it.
_SPOILT: Final = {
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


def _calm() -> list[Mishap]:
    already = Event()
    already.set()
    return [Mishap("none"), Mishap("a slow answer", effect=faults.slow(already))]


def _all() -> dict[str, Mishap]:
    found = _calm()
    found.append(Mishap("reset before a byte", Wreck(early=True)))
    found += [Mishap(f"a request cut after {place}", Wreck(request=place)) for place in PLACES]
    for place in PLACES:
        found += [
            Mishap(f"an answer {end} after {place}", Wreck(answer=place, reset=end == "reset"))
            for end in ("reset", "closed")[: 1 + (place in ("nothing", "the head", "half of the body"))]
        ]
    found += [Mishap(f"refused: {name}", effect=effect) for name, effect in _REFUSALS.items()]
    found += [Mishap(f"not taken: {name}", effect=effect) for name, effect in _RIDDLES.items()]
    found += [Mishap(f"taken: {name}", effect=faults.accepted_then(effect)) for name, effect in _RIDDLES.items()]
    found += [Mishap(f"taken: {name}", effect=effect) for name, effect in _SPOILT.items()]
    found += [
        Mishap(
            f"database away {'for long' if is_long else 'once'}: {transition}, {moment}",
            blackout=Blackout(transition, moment, is_long),
        )
        for transition in TRANSITIONS
        for moment in MOMENTS
        for is_long in (False, True)
    ]
    return {mishap.name: mishap for mishap in found}


MISHAPS: Final = _all()


class Darkness:
    """Has the connections of one engine die when the ledger moves, as a blackout says."""

    def __init__(self, here: Town, engine: sa.Engine) -> None:
        self._here = here
        self._blackout: Blackout | None = None
        self._is_dark = False
        self._moved: sa.Connection | None = None
        sa.event.listen(engine, "before_cursor_execute", self._before)
        sa.event.listen(engine, "commit", self._commit)

    def arm(self, blackout: Blackout | None) -> None:
        """Wait for the moment of a blackout; None: there is light."""
        self._blackout, self._is_dark, self._moved = blackout, False, None

    def _before(self, connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if self._is_dark:
            self._kill(connection)
            return
        if self._blackout is None or not _moves(statement, parameters, self._blackout.transition):
            return
        if self._blackout.moment == "statement":
            self._strike(connection)
        else:
            self._moved = connection

    def _commit(self, connection: sa.Connection) -> None:
        if connection is not self._moved or self._blackout is None:
            return
        self._moved = None
        if self._blackout.moment == "commit":
            self._strike(connection)
            return
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]  # it is there
        self._strike(connection)
        lost = psycopg.OperationalError("server closed the connection unexpectedly")
        raise sa.exc.OperationalError("COMMIT", None, lost, connection_invalidated=True)

    def _strike(self, connection: sa.Connection) -> None:
        self._is_dark = self._blackout is not None and self._blackout.is_long
        self._blackout = None
        self._kill(connection)

    def _kill(self, connection: sa.Connection) -> None:
        process = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]  # psycopg's
        self._here.ask(f"SELECT pg_terminate_backend({process}, 10000)")


def _moves(statement: str, parameters: Any, transition: str) -> bool:
    if statement.startswith("INSERT INTO hostaway.sent_messages"):
        return transition == "pending"
    if not statement.startswith("UPDATE hostaway.sent_messages") or "state" not in (parameters or {}):
        return False
    state = parameters["state"]
    return state == transition or (transition == "end" and state not in TRANSITIONS)
