from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.flow.test_forgotten import dump, settle, visit
from tests.office import event, office, renew, store_account

from hostaway_sync.records import Resource
from hostaway_sync.redaction import Redaction, parse
from hostaway_sync.store import redacting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.town import Town

    from hostaway_sync.store.engine import Database

    Build = Callable[..., Town]

NAME = "Ida Bergström-漢"
MAIL = "ida.berg@example.org"
SETTING = (
    "*.guestEmail=drop,reservations.guestName=hash,reservations.hostNote=drop,reservations.comment=drop,"
    "messages.body=drop,reservations.customFieldValues=drop,conversations.recipientName=drop"
)


def a_guest(here: Town, *, told: bool = True) -> int:
    """Let a guest be everywhere, also in the inbox if it is `told`, and give the reservation."""
    number = min(here.truth("reservations"))
    visit(here, number, NAME, told=told)
    return number


def stored_words(here: Town) -> list[str]:
    """Give the words of the guest that are in a row."""
    said = dump(here)
    return [word for word in ("Bergstr", "@guests.example", "\\u6f22") if word in said]


def test_hidden_fields_are_nowhere(town: Build) -> None:
    """Sync, deliveries, quarantine and a repair store them hidden; what did not change is unchanged by its hash."""
    here = town(reservations=6)
    mirror = here.mirror(payload_fields=SETTING)
    a_guest(here, told=False)
    mirror.sync(here.account_id, full=True)
    assert stored_words(here) == []
    versions = here.ask("SELECT id, xmin::text FROM reservations")
    mirror.sync(here.account_id, full=True)
    assert here.ask("SELECT id, xmin::text FROM reservations") == versions
    certificate = mirror.verify(here.account_id, deep=True, repair=True)
    assert (certificate.state, sum((certificate.repaired or {}).values())) == ("equal", 0)
    mirror.refresh(here.account_id, Resource.RESERVATIONS, min(here.truth("reservations")))
    assert stored_words(here) == []


def test_a_changed_setting_rewrites_what_is_stored(town: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sync hides in every row what is hidden now, goes on after a kill, and does nothing a second time."""
    here = town(reservations=6)
    number = a_guest(here)
    settle(here)
    assert stored_words(here)
    monkeypatch.setattr(redacting, "BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(redacting, "_quarantine", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            here.mirror(payload_fields=SETTING).sync(here.account_id)
    here.mirror(payload_fields=SETTING).sync(here.account_id, full=True)
    assert stored_words(here) == []
    kept = here.rows("reservations")[number]
    assert kept["guestName"].startswith("hmac-sha256:")
    certificate = here.mirror(payload_fields=SETTING).verify(here.account_id, deep=True)
    assert certificate.state == "equal", certificate.document()
    versions = here.ask("SELECT id, xmin::text FROM reservations")
    here.mirror(payload_fields=SETTING).sync(here.account_id, full=True)
    assert here.ask("SELECT id, xmin::text FROM reservations") == versions


def test_fields_come_back_with_the_next_whole_reading(town: Build) -> None:
    """Without the setting a full sync has them again; set once more, they are hidden again."""
    here = town(reservations=6)
    here.mirror(payload_fields="reservations.guestName=drop").sync(here.account_id)
    assert not any("guestName" in row for row in here.rows("reservations").values())
    here.mirror().sync(here.account_id, full=True)
    assert here.differences() == {}
    here.mirror(payload_fields="reservations.guestName=drop").sync(here.account_id)
    assert not any("guestName" in row for row in here.rows("reservations").values())


def test_a_hashed_address_still_finds_its_guest(town: Build) -> None:
    """Whoever asks for an address by name finds those who are stored under its hash."""
    here = town(reservations=6)
    number = min(here.truth("reservations"))
    here.sandbox.account(here.account_id).update_reservation(number, guestEmail=MAIL)
    mirror = here.mirror(payload_fields="*.guestEmail=hash")
    mirror.sync(here.account_id)
    assert MAIL not in dump(here)
    assert mirror.guests.forget(here.account_id, [], [MAIL.upper()]).reservations == (number,)


def test_deliveries_are_stored_hidden(database: Database) -> None:
    """A receiver stores neither the payload nor the bytes of a hidden field; what cannot be read is only counted."""
    store_account(database)
    credentials = renew(database)
    redaction = Redaction(parse("*.guestName=drop,messages.body=hash"), b"s" * 32)
    with office(database, redaction=redaction) as here:
        bodies = [event(id=7, guestName=NAME), event("message.received", conversationId=8, body=NAME), NAME.encode()]
        assert {here.deliver(credentials, body).status for body in bodies} == {200}
    query = sa.text(
        "SELECT object_id, payload::text || convert_from(body, 'UTF8') AS kept, body FROM hostaway.webhook_log"
    )
    with database.engine.connect() as connection:
        rows = connection.execute(query).all()
    assert {row.object_id for row in rows} == {7, 8, None}
    assert not any("Berg" in (row.kept or bytes(row.body).decode()) for row in rows)
    assert any(b"bytes, blake2b" in bytes(row.body) for row in rows)
