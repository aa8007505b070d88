from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.calendars import ahead

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.privacy import payload_rewrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

HORIZON = 60
NOTE = "Ring Ida Bergström"
VERSIONS = "SELECT date, payload_hash, updated_at FROM calendar_days ORDER BY listing_id, date"


def noted(sync_env: Build) -> SyncEnv:
    """Return an environment with a note to a day of its one listing."""
    env = sync_env(listings=1, reservations=2)
    env.sandbox.world.edit_days(min(env.truth("listings")), ahead(10), ahead(10), note=NOTE, price=180.5)
    return env


def run(env: SyncEnv, setting: str = "", **options: Any) -> Any:
    """Mirror the account by a rule of redaction; return the report on its calendars."""
    mirror = env.mirror(calendar_days=HORIZON, calendar_after_hours=0, payload_fields=setting)
    return mirror.sync.run(env.account_id, **options).resources.get(Resource.CALENDAR)


def stored(env: SyncEnv, key: str, column: str) -> tuple[Any, Any]:
    """Return the value of a key and of a column of the day with the note."""
    query = f"SELECT raw_payload -> '{key}', {column} FROM calendar_days WHERE date = :day"
    return sql.rows(env.database, query, day=ahead(10))[0]


def add_entry_without_date(env: SyncEnv) -> None:
    """Let each answer hold an entry with the note that has no date."""
    broken = {"id": 7, "note": NOTE}
    effect = faults.change_rows(lambda rows: [*rows, broken])
    env.sandbox.faults.add(effect, route="GET /listings/{id}/calendar", times=None)


def kept_notes(env: SyncEnv) -> list[bool]:
    """Return for each entry in quarantine whether it holds the note."""
    kept = sql.rows(env.database, "SELECT exact FROM quarantined_records WHERE resource = 'calendar'")
    return [b"Ring Ida" in exact for (exact,) in kept]


@pytest.mark.parametrize("setting", ["calendar.note=drop", "*.note=drop"])
def test_hidden_note_of_a_day_is_in_no_row(sync_env: Build, setting: str) -> None:
    """Neither in payload, column nor quarantine; and another note is no change of its day."""
    env = noted(sync_env)
    add_entry_without_date(env)
    run(env, setting)
    assert stored(env, "note", "note") == (None, None)
    assert kept_notes(env) == [False]
    versions = sql.rows(env.database, VERSIONS)
    env.sandbox.world.edit_days(min(env.truth("listings")), ahead(10), ahead(10), note=f"{NOTE}, twice")
    counts = run(env, setting).counts
    assert (counts.updated, counts.unchanged) == (0, HORIZON + 2)
    assert sql.rows(env.database, VERSIONS) == versions


def test_stored_days_are_rewritten_by_a_new_rule(sync_env: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the next reading, in batches; that reading finds the days unchanged."""
    env = noted(sync_env)
    add_entry_without_date(env)
    run(env)
    assert (stored(env, "note", "note"), kept_notes(env)) == ((NOTE, NOTE), [True])
    before = dict(sql.rows(env.database, "SELECT date, updated_at FROM calendar_days"))
    monkeypatch.setattr(payload_rewrite, "BATCH", 7)
    setting = "calendar.note=hash,calendar.price=drop"
    mirror = env.mirror(calendar_days=HORIZON, payload_fields=setting)
    mirror.sync.run(env.account_id, resources=(Resource.LISTINGS,))
    payload, column = stored(env, "note", "note")
    assert (column, kept_notes(env)) == (payload, [False])
    assert column.startswith("hmac-sha256:")
    assert sql.rows(env.database, "SELECT count(*) FROM calendar_days WHERE price IS NOT NULL") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM calendar_days WHERE raw_payload ? 'price'") == [(0,)]
    found = mirror.sync.verify(env.account_id, calendar=True)
    assert found.state == "equal", found.document()
    rewritten = dict(sql.rows(env.database, "SELECT date, updated_at FROM calendar_days"))
    assert rewritten[ahead(10)] > before[ahead(10)]
    counts = run(env, setting).counts
    assert (counts.updated, counts.unchanged) == (0, HORIZON + 2)
    assert dict(sql.rows(env.database, "SELECT date, updated_at FROM calendar_days")) == rewritten
    versions = sql.rows(env.database, VERSIONS)
    run(env, setting)
    assert sql.rows(env.database, VERSIONS) == versions


@pytest.mark.parametrize("entry", [{"note": NOTE}, {"date": None, "note": NOTE}])
def test_process_with_another_rule_writes_no_day(sync_env: Build, entry: dict[str, Any]) -> None:
    """It began before the rule: it stops where it would write a day, or quarantine an entry."""
    env = noted(sync_env)
    run(env, resources=(Resource.LISTINGS,))
    other = env.mirror()

    def change(rows: list[Any]) -> list[Any]:
        other.payload_fields.set_rule("calendar.note=drop")
        return [rows[0] | entry]

    env.sandbox.faults.add(faults.change_rows(change), route="GET /listings/{id}/calendar")
    with pytest.raises(ConfigurationError):
        run(env, resources=(Resource.CALENDAR,))
    assert sql.rows(env.database, "SELECT count(*) FROM calendar_days") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM quarantined_records") == [(0,)]


def test_needed_fields_of_days_cannot_be_hidden(sync_env: Build) -> None:
    """The date of a day, and whether it is free."""
    env = sync_env(listings=1, reservations=1)
    with pytest.raises(ConfigurationError, match=r"hides calendar\.isAvailable"):
        env.mirror(payload_fields="calendar.isAvailable=drop")
