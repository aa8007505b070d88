"""The client's single objects against a real HTTP server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.client_env import ClientEnv, client_env

from hostaway_sync.errors import CredentialsRejected, Forbidden, NotFound, RequestRejected, SourceUnavailable
from hostaway_sync.model.records import OBJECTS, Resource
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from hostaway_sync.model.records import Page, Record, Shape, Source
    from hostaway_sync.sandbox import Effect

ROUTES = {
    Resource.LISTINGS: "GET /listings/{id}",
    Resource.RESERVATIONS: "GET /reservations/{id}",
    Resource.CONVERSATIONS: "GET /conversations/{id}",
    Resource.MESSAGES: "GET /conversations/{id}/messages/{id}",
}
GONE = {
    Resource.LISTINGS: (999_999, None),
    Resource.RESERVATIONS: (999_999, None),
    Resource.CONVERSATIONS: (999_999, None),
    Resource.MESSAGES: (999_999, 999_998),
}


def first(env: ClientEnv, resource: Resource) -> tuple[int, int | None]:
    """Return the id of an object, and for a message the id of its conversation."""
    number, payload = min(env.sandbox.world.truth(resource), key=lambda row: row[0])
    return number, payload["conversationId"] if resource is Resource.MESSAGES else None


def listed(source: Source, resource: Resource, number: int, parent: int | None) -> Record:
    """Return an object's row in its list."""
    pages = list(source.walk(resource, parent=parent))
    return next(record for page in pages for record in page.records if record.id == number)


def compared(record: Record, shape: Shape) -> dict[str, Any]:
    """Return what the store compares of a payload without signed URLs."""
    return {key: value for key, value in json.loads(record.payload).items() if key not in shape.volatile}


@pytest.mark.parametrize("resource", OBJECTS)
@pytest.mark.parametrize("extra", [{}, {"single_extra_keys": False}, {"single_conversation_messages": "all"}], ids=str)
def test_object_is_the_same_alone_and_in_its_list(resource: Resource, extra: dict[str, Any]) -> None:
    """A page of one record; keys that only one of them has are not compared, stamps and columns are equal."""
    with client_env(reservations=30, listings=3, switches=Switches(**extra)) as env:
        source: Source = env.client()
        number, parent = first(env, resource)
        page = source.get(resource, number, parent=parent)
        (alone,) = page.records
        row = listed(source, resource, number, parent)
        assert compared(alone, page.shape) == compared(row, page.shape)
        assert (alone.id, alone.columns, alone.source_updated_at) == (number, row.columns, row.source_updated_at)
        assert (alone.activity, alone.exact, alone.misfits) == (row.activity, None, ())
        assert (page.shape.resource, page.total, page.doubt) == (resource, None, None)
        assert page.observed_at == env.clock.now
        assert env.calls(ROUTES[resource]) == 1


def test_single_reservation_has_additional_keys() -> None:
    """They are stored, and make no change beside a row without them."""
    with client_env(reservations=3) as env:
        number, _ = first(env, Resource.RESERVATIONS)
        client = env.client()
        page = client.get(Resource.RESERVATIONS, number)
        row = listed(client, Resource.RESERVATIONS, number, None)
        extra = json.loads(page.records[0].payload).keys() - json.loads(row.payload).keys()
        assert extra
        assert extra <= set(page.shape.volatile)


@pytest.mark.parametrize("resource", OBJECTS)
def test_object_is_requested_with_all_its_parts(resource: Resource) -> None:
    """With the parameters of its list, without limit and offset."""
    with client_env(reservations=30, listings=3) as env:
        number, parent = first(env, resource)
        env.client().get(resource, number, parent=parent)
        query = env.sandbox.requests[-1].query
        assert query["includeResources"] == "1"
        assert query.keys() <= {"includeResources", "includeScheduledMessages"}


def test_message_is_read_from_its_conversation() -> None:
    """Without a conversation no request is sent; other objects need none."""
    with client_env(reservations=3) as env:
        client = env.client()
        with pytest.raises(ValueError, match="parent"):
            client.get(Resource.MESSAGES, 5)
        assert client.api_calls == 0
        number, _ = first(env, Resource.CONVERSATIONS)
        assert client.get(Resource.CONVERSATIONS, number, parent=7).records[0].id == number


@pytest.mark.parametrize(("resource", "gone"), GONE.items(), ids=str)
def test_unknown_object_is_not_found(resource: Resource, gone: tuple[int, int | None]) -> None:
    """One request."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        calls = client.api_calls
        with pytest.raises(NotFound):
            client.get(resource, gone[0], parent=gone[1])
        assert client.api_calls == calls + 1


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (403, Forbidden)])
def test_deleted_object_is_gone_or_refused(status: Any, error: type[Exception]) -> None:
    """Where Hostaway refuses, one renewal and one request show that the token is not the reason."""
    with client_env(reservations=5, switches=Switches(deleted_object=status)) as env:
        client = env.client()
        number, _ = first(env, Resource.RESERVATIONS)
        client.get(Resource.RESERVATIONS, number)
        env.sandbox.world.delete_reservation(number)
        for _ in range(3):
            with pytest.raises(error, match=f"/reservations/{number}"):
                client.get(Resource.RESERVATIONS, number)
        is_refused = status == 403
        assert env.calls("POST /accessTokens") == 1 + is_refused
        assert env.calls("GET /listings") == is_refused
        assert env.calls(ROUTES[Resource.RESERVATIONS]) == 1 + 3 + is_refused


@pytest.mark.parametrize("status", [401, 403])
def test_revoked_token_is_renewed_for_an_object(status: Any) -> None:
    """The object comes with the new token."""
    with client_env(reservations=3, switches=Switches(bad_bearer=status)) as env:
        client = env.client()
        client.check_credentials()
        env.sandbox.revoke_tokens()
        number, _ = first(env, Resource.RESERVATIONS)
        assert client.get(Resource.RESERVATIONS, number).records[0].id == number
        assert env.calls("POST /accessTokens") == 2


def test_account_refused_everywhere_has_bad_credentials() -> None:
    """The object's rights are not the reason."""
    with client_env(reservations=3) as env:
        env.sandbox.faults.add(faults.denied(), method="GET", times=None)
        with pytest.raises(CredentialsRejected):
            env.client().get(Resource.RESERVATIONS, 5)


def answer(result: bytes) -> Effect:
    """Make Hostaway answer with this result."""
    return faults.status(200, b'{"status":"success","result":' + result + b"}")


PASSING = {
    "html 502": faults.bad_gateway(),
    "torn connection": faults.torn_connection(),
    "200 with fail": faults.fail_with_200(),
    "null": answer(b"null"),
    "list": answer(b'[{"id":5}]'),
    "text": answer(b'"5"'),
    "other object": answer(b'{"id":6}'),
    "no id": answer(b'{"status":"new"}'),
    "broken object": answer(b'{"id":5]}'),
}


def ask(env: ClientEnv, effect: Effect, times: int | None) -> Page:
    """Read a reservation after these bad answers."""
    client = env.client()
    client.check_credentials()
    number, _ = first(env, Resource.RESERVATIONS)
    env.clock.slept.clear()
    env.sandbox.faults.add(effect, route=ROUTES[Resource.RESERVATIONS], times=times)
    return client.get(Resource.RESERVATIONS, number)


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING.keys())
def test_wrong_answers_for_an_object_are_retried(effect: Effect) -> None:
    """Two bad answers cost two requests and two waits."""
    with client_env(reservations=3) as env:
        assert ask(env, effect, 2).records[0].reason is None
        assert env.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING.keys())
def test_object_that_never_comes_is_given_up(effect: Effect) -> None:
    """After as many requests as any temporary failure gets."""
    with client_env(reservations=3) as env:
        with pytest.raises(SourceUnavailable):
            ask(env, effect, None)
        assert env.calls(ROUTES[Resource.RESERVATIONS]) == 5


def test_rejected_request_for_an_object_is_not_repeated() -> None:
    """Hostaway understood it."""
    with client_env(reservations=3) as env:
        with pytest.raises(RequestRejected):
            ask(env, faults.status(400), None)
        assert env.calls(ROUTES[Resource.RESERVATIONS]) == 1


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (rb"\ud83d", "lone surrogate"),
        (b"\xff", "invalid UTF-8"),
        (rb"\u0000", "U+0000"),
        (b"\n", "control character"),
    ],
)
def test_object_that_jsonb_refuses_is_kept_exactly(broken: bytes, reason: str) -> None:
    """As a row of a list is."""
    with client_env(reservations=3) as env:
        number, _ = first(env, Resource.RESERVATIONS)
        raw = b'{"id":%d,"guestName":"%s"}' % (number, broken)
        (record,) = ask(env, answer(raw), None).records
        assert record.id == number
        assert (record.exact, record.reason) == (raw, reason)
