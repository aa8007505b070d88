"""Changes of the payload rule, and sessions that store payloads, wait for each other and for no other session."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.errors import ConfigurationError, StoreBusy
from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import Redaction, parse_rules
from hostaway_sync.platforms.hostaway.parsing.resources import SPECS
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.store.privacy import payload_rule
from hostaway_sync.store.tables import redactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.store.postgres.database import Database

SECRET = b"s" * 32
SHAPE = SPECS[Resource.RESERVATIONS].shape
EMAIL, MORE = "reservations.guestEmail=drop", "reservations.guestEmail=drop,reservations.guestName=hash"
STORING: dict[str, Callable[[sa.Connection], object]] = {
    "a delivery": partial(payload_rule.guard_payloads, mark=None),
    "records": lambda connection: payload_rule.guard_records(connection, SHAPE, [b"\x01 hash"]),
}


def ruled(rule: str) -> Redaction:
    """Return the redaction of payloads by a rule."""
    return Redaction(parse_rules(rule), SECRET, VOCABULARY)


CHANGES: dict[str, Callable[[Database], object]] = {
    "a setting that hides more": lambda database: payload_rule.agree_on_redaction(
        database, parse_rules(EMAIL), SECRET, VOCABULARY
    ),
    "another rule": lambda database: payload_rule.replace_rule(database, ruled(MORE)),
    "no rule": lambda database: payload_rule.replace_rule(database, None),
}


@pytest.fixture
def impatient(database: Database) -> Database:
    """Return a database with short waits, in which a secret for hashes was created."""
    row = sa.insert(redactions).values(redaction_id=1, secret=b"sealed")
    database.transaction(lambda connection: connection.execute(row))
    return database.async_commit_twin(patience=0.1)


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_the_rule_does_not_wait_for_readers(impatient: Database, change: str) -> None:
    """A reader holds the lock of every reading, as pg_dump does on each table, for any time."""
    url = impatient.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url)) as reader:
        reader.execute("SELECT * FROM hostaway.redactions")
        CHANGES[change](impatient)
        impatient.transaction(partial(payload_rule.guard_payloads, mark=payload_rule.read_rule(impatient).mark))


@pytest.mark.parametrize("storing", STORING)
@pytest.mark.parametrize("change", CHANGES)
def test_change_of_the_rule_waits_for_writers(impatient: Database, storing: str, change: str) -> None:
    """A writer that does not end is named, and nothing changes; after it the change is made."""
    before = payload_rule.read_rule(impatient)
    with impatient.engine.begin() as connection:
        STORING[storing](connection)
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with pytest.raises(StoreBusy, match=rf"session {pid} of role .*pg_terminate_backend\({pid}\)"):
            CHANGES[change](impatient)
    assert payload_rule.read_rule(impatient) == before
    CHANGES[change](impatient)
    assert payload_rule.read_rule(impatient) != before


@pytest.mark.parametrize("storing", STORING)
def test_writers_wait_for_a_change_of_the_rule(impatient: Database, storing: str) -> None:
    """They read the new rule afterwards, and are refused by it."""
    with impatient.engine.begin() as changing:
        changing.exec_driver_sql("LOCK TABLE hostaway.redactions IN EXCLUSIVE MODE")
        with impatient.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout TO '10ms'")
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                STORING[storing](connection)
    payload_rule.replace_rule(impatient, ruled(EMAIL))
    with pytest.raises(ConfigurationError, match="was changed"):
        impatient.transaction(STORING[storing])
    assert sql.row(impatient, "SELECT 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation IS NOT NULL") is None
