"""Findings about the database itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hostaway_sync.doctor.database_checks import (
    check_api_role,
    check_core_views,
    check_new_words,
    check_open_schemas,
    list_database_troubles,
)
from hostaway_sync.doctor.findings import Finding, Grade, Installation
from hostaway_sync.model.callers.api_role import ApiRoleState
from hostaway_sync.model.kinds.new_words import NewWord, describe_new_words
from hostaway_sync.model.status import DatabaseServer, Overview
from hostaway_sync.store.schema.move_mark import MOVED, MOVING, SENTENCES, MoveMark

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Installation("/srv/mirror", is_embedded=False, api_url="https://api.example.org/v1")
SERVER = DatabaseServer(
    170004, "0015", "0015", is_read_only=False, missing_rights=(), connections=12, max_connections=100
)


@pytest.mark.parametrize("kind", [MOVED, MOVING])
def test_moved_database_is_reported_with_its_cure(kind: str) -> None:
    """Its revision is a mark: what was done stands before the colon, what to do after it."""
    found = replace(SERVER, revision=str(MoveMark(kind, "0015", "0badcafe")))
    ((says, cure),) = list_database_troubles(found, HERE)
    assert f"{says}: {cure}" == SENTENCES[kind]
    assert ": " not in says


def test_schema_open_to_all_is_graded_by_its_use() -> None:
    """Programs never use objects of `public`; objects of another open schema may be called."""
    shared, called = check_open_schemas(replace(SERVER, open_schemas=("public", "hostaway")))
    says = "every role may create functions in schema public: programs never look there, sessions of psql do"
    advice = 'have its owner run `REVOKE CREATE ON SCHEMA "{}" FROM PUBLIC`'
    assert shared == Finding("schemas", Grade.HINT, says, advice.format("public"))
    says = "every role may create functions in schema hostaway, and the worker would call them"
    assert called == Finding("schemas", Grade.TROUBLE, says, advice.format("hostaway"))


def test_missing_views_of_core_are_a_hint() -> None:
    """Some are named; where all are there, there is nothing to say."""
    assert list(check_core_views(())) == []
    (found,) = check_core_views(("guests", "listings", "messages", "units"))
    assert (found.check, found.grade) == ("core", Grade.HINT)
    assert found.says == "views of core are missing, or those of another release: guests, listings, messages, …"
    assert "`hostaway-sync migrate`" in (found.advice or "")
    (few,) = check_core_views(("guests", "listings", "units"))
    assert few.says.endswith(": guests, listings, units")


def test_words_newer_than_this_release_are_a_hint() -> None:
    """A newer release knows them; where there are none, there is nothing to say."""
    word = NewWord("status", "postponed", 3)
    (found,) = check_new_words(Overview(NOON, (), new_words=(word,)))
    advice = "upgrade hostaway-sync; until then ask for `status_raw` and `channel_raw`"
    assert found == Finding("core", Grade.HINT, describe_new_words((word,)), advice)
    assert list(check_new_words(Overview(NOON, ()))) == []


def test_missing_role_of_the_api_is_a_hint_where_there_are_keys() -> None:
    """So is a user who cannot become it; without a key there is nothing to keep apart."""
    alone = "callers of the API are kept apart by its questions alone"
    none, closed = ApiRoleState("sync"), ApiRoleState("sync", "h_api", grant="GRANT h_api TO sync")
    assert [*check_api_role(none), *check_api_role(closed)] == []
    (found,) = check_api_role(replace(none, keys=1))
    assert (found.check, found.grade, found.says) == ("api role", Grade.HINT, f"{alone}: there is no role for it")
    assert "`hostaway-sync roles create`" in (found.advice or "")
    (found,) = check_api_role(replace(closed, keys=1))
    assert (found.grade, found.says) == (Grade.HINT, f"{alone}: sync cannot become h_api")
    assert found.advice == "have `GRANT h_api TO sync` run"
    assert list(check_api_role(replace(closed, keys=1, may_become=True))) == []


def test_stranger_to_the_role_of_the_api_is_trouble() -> None:
    """Whether there are keys or not: it sees every account."""
    says = "rob can become h_api, and so sees every account, but is no writer"
    advice = "have `REVOKE h_api FROM rob` run: only the log-in role of the API needs it"
    state = ApiRoleState("sync", "h_api", may_become=True, strangers=("rob",))
    assert list(check_api_role(state)) == [Finding("api role", Grade.TROUBLE, says, advice)]
