from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.observability import logging_setup
from hostaway_sync.observability.log_redaction import HIDDEN, LogRedactor, hide_private
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.safe_text import is_private, register_private_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME, MAIL, PHONE, DOOR = "Ida Bergström-漢", "ida.berg@example.org", "+47 22 33 44 55", "48217766"
PORTAL, BEARER = "https://portal.example/guest/s3cr3tpath?x=1", "abcDEF123.token-of-ours"
SAID = (NAME, "Bergstr", MAIL, "22 33 44", DOOR, "s3cr3tpath", BEARER, "lamplight-7")
PAYLOAD = {
    "guestName": NAME,
    "guestEmail": MAIL,
    "phone": PHONE,
    "doorCode": DOOR,
    "wifiPassword": "lamplight-7",
    "guestPortalUrl": PORTAL,
}
ODD: list[Any] = [[]]
ODD[0].append(ODD)


@pytest.fixture(autouse=True, scope="module")
def _source_that_was_opened() -> None:
    """Register the platform's private fields, as opening a platform does."""
    register_private_fields(VOCABULARY.private_keys)


@pytest.mark.parametrize("key", VOCABULARY.private_keys)
def test_every_private_field_is_redacted_by_name(key: str) -> None:
    """In lower case, with underscores or unchanged; in a log line's fields and in text."""
    for name in (key, key.lower(), "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in key)):
        assert is_private(name)
        assert hide_private(f"{name}='48 17', {name}: 48217766") == f"{name}={HIDDEN}, {name}: {HIDDEN}"


class Unshowable:
    """An object whose representation raises."""

    def __repr__(self) -> str:
        raise RuntimeError(NAME)


@pytest.fixture(params=["json", "console"])
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Return the program's log, in either format."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logging_setup.configure_logging("DEBUG", request.param)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def fail(written: str) -> None:
    """Fail twice, each time with words of a guest."""
    try:
        int(f"Failing row contains (1, {written})")
    except ValueError as error:
        raise RuntimeError(f"guest_name='{NAME}', mail to {MAIL}") from error


def clean(text: str) -> bool:
    """Whether a text holds no data of the guest and no secret, plain or escaped."""
    return not any(word in text or json.dumps(word)[1:-1] in text for word in SAID)


def test_no_log_line_names_a_guest(lines: io.StringIO) -> None:
    """However a message or a traceback writes a payload, both formats hide it, and keep the rest."""
    log = logging.getLogger("hostaway_sync.tests")
    written = json.dumps(PAYLOAD)
    for text in (
        written,
        repr(PAYLOAD),
        json.dumps(written),
        repr(written.encode()),
        json.dumps(PAYLOAD, ensure_ascii=False),
    ):
        log.warning("reservation 41200077: %s", text)
    log.warning("mail from %s, call %s, see %s, Bearer %s, password=lamplight-7", MAIL, PHONE, PORTAL, BEARER)
    log.warning("guestName=%s, doorCode: %s", NAME, DOOR)
    try:
        fail(written)
    except RuntimeError:
        log.exception("account 70001 failed at 2026-11-20 18:44:15")
    said = lines.getvalue()
    assert clean(said), said
    assert said.count("41200077") == 5
    assert "account 70001 failed at 2026-11-20 18:44:15" in said
    assert "RuntimeError" in said
    assert "test_log_redaction.py" in said


def test_private_fields_are_redacted_in_any_structure() -> None:
    """Nested, in bytes, in sets, in itself, too deep or without a representation; the value itself is unchanged."""
    deep: Any = dict(PAYLOAD)
    for _ in range(60):
        deep = {"in": [deep]}
    event = {
        "event": "stored",
        "row": {"a": [PAYLOAD, (PAYLOAD,)], "b": json.dumps(PAYLOAD).encode(), "c": {MAIL}, "count": 3, "ratio": 0.5},
        "guest_name": NAME,
        "client-secret": "lamplight-7",
        "raw_payload": PAYLOAD,
        "error": ValueError(f"no such mail: {MAIL}"),
        "deep": deep,
        "cyclic": ODD,
        "odd": Unshowable(),
        "doorCode": int(DOOR),
        "has_password": True,
        "token": None,
        MAIL: 1,
    }
    before = repr({key: value for key, value in event.items() if key != "odd"})
    told = LogRedactor()(None, "warning", event)
    assert clean(json.dumps(told, ensure_ascii=False))
    assert told["row"]["count"] == 3
    assert (told["has_password"], told["token"], told["client-secret"]) == (True, None, HIDDEN)
    assert told["odd"] == "<Unshowable: RuntimeError>"
    assert repr({key: value for key, value in event.items() if key != "odd"}) == before


@pytest.mark.parametrize(
    "text",
    [
        "GET /reservations/41200077: 200, 0.103 s",
        "the token may still be good: Hostaway answered 500",
        "refresh:70001:reservations:41200077 is tried again in 30 s: Hostaway is away",
        "listening on 127.0.0.1 port 8080",
        "account 70001: 2026-11-20T18:44:15.123456+00:00",
        "hides less than the rule, *.guestEmail=drop,reservations.phone=hash, or `reservations.wifiPassword=drop`",
        "write postgresql://user:password@host/database",
        "the source is not reached at http://127.0.0.1:8080/v1",
    ],
)
def test_useful_text_is_not_redacted(text: str) -> None:
    """Ids, moments, paths of the API and sentences are no personal data."""
    assert hide_private(text) == text


@pytest.mark.parametrize(
    "piece",
    ["\\", '"guestName": "', "guestName=", "http://", "a.", "+4", "password", "'\\", '"phone":', "@", "eyJ", " "],
)
def test_very_long_text_is_cut_quickly(piece: str) -> None:
    """Millions of characters are cut before the search, so that no pattern takes long."""
    assert len(hide_private(piece * (5_000_000 // len(piece)))) < 400_000


@given(st.text(max_size=40).filter(lambda name: len(name.strip()) > 3))
def test_any_guest_name_is_redacted_in_json(name: str) -> None:
    """A logged payload loses a name of any characters, and keeps what is around it."""
    for ascii_only in (True, False):
        text = json.dumps({"id": 41200077, "guestName": f"<<{name}>>", "nights": 3}, ensure_ascii=ascii_only)
        told = hide_private(text)
        assert "<<" not in told
        assert told.endswith(', "nights": 3}')
        assert told.startswith('{"id": 41200077')
