"""What an answer to a message request proves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import RequestRejected, SourceError, SourceUnavailable
from hostaway_sync.model.messages import (
    CommunicationType,
    IntentState,
    OutgoingMessage,
    ThreadMessage,
    is_same_text,
    text_variants,
)
from hostaway_sync.platforms.hostaway.messages.protocol import (
    judge_failure,
    read_answer,
    read_thread_message,
    request_body,
    thread_path,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTGOING = OutgoingMessage(70001, 41, 51, CommunicationType.SMS, "Hello")
MESSAGE = {"id": 7, "conversationId": 51, "isIncoming": 0, "body": "Hello", "status": "sent"}


def test_request_holds_text_and_channel() -> None:
    """The field is `body`; the path is the thread's."""
    assert request_body(OUTGOING) == {"body": "Hello", "communicationType": "sms"}
    assert thread_path(51) == "/conversations/51/messages"


@given(st.none() | st.integers(100, 599))
def test_request_that_never_left_failed(status: int | None) -> None:
    """At any status."""
    assert judge_failure(status, has_left=False) is IntentState.FAILED


def test_a_failed_request_is_judged_by_its_status() -> None:
    """Of what never left nothing is open; 4xx is a refusal but for 408."""
    for status in (None, 200, 408, 500):
        assert judge_failure(status, has_left=False) is IntentState.FAILED
    for status in (400, 407, 409, 499):
        assert judge_failure(status, has_left=True) is IntentState.FAILED
    for status in (None, 200, 399, 408, 500, 503):
        assert judge_failure(status, has_left=True) is IntentState.OUTCOME_UNKNOWN


@given(st.none() | st.integers(100, 599))
def test_only_a_refusal_proves_failure(status: int | None) -> None:
    """4xx except 408; any other answer without the message leaves the outcome open."""
    is_refused = status is not None and 400 <= status < 500 and status != 408
    state = judge_failure(status, has_left=True)
    assert state is (IntentState.FAILED if is_refused else IntentState.OUTCOME_UNKNOWN)


def answer(result: Any, code: int = 200, **envelope: Any) -> Any:
    """Return what an answer with this result means."""
    body = json.dumps({"status": "success", "result": result} | envelope).encode()
    return read_answer(code, {}, body, OUTGOING, NOON, asked="POST")


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_success_holds_the_message(status: int) -> None:
    """As a page of one record, observed when its request was granted."""
    page = answer(MESSAGE, status)
    assert [record.id for record in page.records] == [7]
    assert (page.observed_at, page.parent) == (NOON, 51)


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "sent",
        {},
        {"id": 0},
        MESSAGE | {"id": None},
        MESSAGE | {"conversationId": 52},
        {"id": 7, "isIncoming": 1},
    ],
)
def test_success_without_our_message_is_an_error(result: Any) -> None:
    """No result, no object, no id, another thread's message, the guest's."""
    with pytest.raises(SourceUnavailable):
        answer(result)


def test_failure_is_an_error_at_any_status() -> None:
    """A 200 that says `fail`, and a 422."""
    with pytest.raises(SourceUnavailable, match="no phone"):
        answer(None, 200, status="fail", message="no phone")
    with pytest.raises(RequestRejected):
        answer(MESSAGE, 422)


@pytest.mark.parametrize(
    ("status", "failure"),
    [("sent", None), ("awaiting", None), ("cancelled_by_user", "cancelled_by_user"), ("failed", "bounced")],
)
def test_message_says_whether_it_arrives(status: str, failure: str | None) -> None:
    """The reason for people comes first; unusual values are unknown."""
    reason = "bounced" if status == "failed" else None
    row = MESSAGE | {"status": status, "readableReasonFailed": reason, "communicationType": "email"}
    assert read_thread_message(json.dumps(row)) == ThreadMessage(
        7, 51, is_incoming=False, text="Hello", communication_type="email", failure=failure
    )
    assert read_thread_message(b'{"id":7,"isIncoming":"maybe"}') == ThreadMessage(7)
    assert read_thread_message(b'{"id":7,"status":"failed","reasonFailed":"550"}') == ThreadMessage(7, failure="550")


@pytest.mark.parametrize("reason", ["ida berg", "Ida", "4711", "ida@x.de", "+47 22 33 44 55"])
def test_reason_of_a_failed_message_never_names_the_guest(reason: str) -> None:
    """It is the source's text: without a known word in it, the status says what happened."""
    for text, failure in ((reason, "failed"), (f"{reason} is invalid", "… is invalid")):
        row = {"id": 7, "status": "failed", "readableReasonFailed": text}
        assert read_thread_message(json.dumps(row)) == ThreadMessage(7, failure=failure)


@pytest.mark.parametrize("payload", [b"", b"[7]", b'{"id":"x"}', b"\xff"])
def test_payload_without_an_id_is_no_message(payload: bytes) -> None:
    """It cannot be matched with any message."""
    assert read_thread_message(payload) is None


@pytest.mark.parametrize(
    "kept",
    [
        "Hi  &\n\nwelcome",
        "Hi &\r\n\r\nwelcome ",
        "<p>Hi &amp;</p><p>&nbsp;</p><p>welcome</p>",
        "<div class='x'>Hi &amp;<br/>welcome</div>",
        "Hi &amp; welcome",
    ],
)
def test_same_words_in_other_markup_are_equal(kept: str) -> None:
    """Other line breaks, paragraphs, entities, white space."""
    assert is_same_text("Hi &\n\nwelcome", kept)


@pytest.mark.parametrize(
    "kept", ["", " ", "Hi & Welcome", "Hi & welcome!", "Hi & welcom", "<b>Hi &</b> welcome", "Hi ? welcome"]
)
def test_different_words_are_different(kept: str) -> None:
    """A character, a mark, an unknown tag: each counts; and two empty texts are not equal."""
    assert not is_same_text("Hi &\n\nwelcome", kept)
    assert not is_same_text("", kept or " ")


@given(st.text())
def test_every_text_equals_itself(text: str) -> None:
    """Unless there are no words in it."""
    assert is_same_text(text, text) == bool(text_variants(text))


def test_torn_or_wrong_json_is_a_source_error() -> None:
    """As on every route."""
    for body in (b"", b'{"status":"success","resu', b"<html>", b"[]"):
        with pytest.raises(SourceError):
            read_answer(200, {}, body, OUTGOING, NOON, asked="POST")


@pytest.mark.parametrize(
    ("marks", "is_automatic"),
    [
        ({"messageSource": "pre-generated"}, True),
        ({"originatedBy": "Automation 12"}, True),
        ({"messageSource": "user", "originatedBy": "Automation 12"}, True),
        ({"messageSource": "pre-generated", "originatedBy": "Ada"}, True),
        ({"messageSource": "user", "originatedBy": "Ada, not Automation 12"}, False),
        ({"messagesource": "pre-generated", "originatedby": "Automation 12"}, False),
        ({"originatedBy": None}, False),
        ({"originatedBy": 7}, False),
        ({}, False),
    ],
)
def test_messages_of_an_automation_are_recognized(marks: dict[str, Any], *, is_automatic: bool) -> None:
    """By either mark: counted as ours, it would settle a message that was never sent."""
    found = read_thread_message(json.dumps(MESSAGE | marks))
    assert found is not None
    assert found.is_automatic is is_automatic


def test_redirect_is_no_success() -> None:
    """Neither is a status below 200; the sentence names the request."""
    for code in (199, 300):
        with pytest.raises(SourceUnavailable, match=f"POST with {code}"):
            answer(MESSAGE, code)
    with pytest.raises(SourceUnavailable, match="answered POST with a success and something that is not the message"):
        answer({"id": 7, "conversationId": 52})
