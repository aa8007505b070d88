from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from tests.support import sql
from tests.support.kinds import asked_paths, stored, true

from hostaway_sync.app.resources import list_names, list_view_names
from hostaway_sync.cli.sync.sync import read_resource
from hostaway_sync.model.kinds.kind import WEEKLY, ResourceSet, Scope
from hostaway_sync.model.records import RunState
from hostaway_sync.platforms.hostaway.kinds.spec import KindSpec
from hostaway_sync.platforms.hostaway.kinds.table import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

NAME = "listing_agreements"
ROW = KindSpec(NAME, "/listingAgreement/{parent}", ResourceSet.TEXTS, scope=Scope.LISTING, every=WEEKLY)


def test_adding_a_kind_is_one_row(sync_env: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the table of kinds: it is chosen, read, stored, seen through its view, and named by `--resource`."""
    assert NAME not in list_names()
    monkeypatch.setitem(KINDS, NAME, ROW)
    env = sync_env(listings=4, reservations=10)
    mirror = env.mirror(resources=("texts",))
    assert mirror.database.missing_views() == [NAME]
    mirror.migrate()
    assert mirror.database.missing_views() == []
    report = mirror.sync.run(env.account_id)
    assert report.state is RunState.SUCCESS
    agreements = true(env, NAME)
    assert agreements
    assert stored(env, NAME) == agreements
    assert report.resources[NAME].counts.inserted == len(agreements)
    seen = sql.rows(env.database, f"SELECT id, raw_payload FROM {NAME} WHERE account_id = {env.account_id}")
    assert dict(seen) == agreements
    parents = sql.rows(env.database, f"SELECT DISTINCT parent_id FROM {NAME}")
    assert {int(parent) for (parent,) in parents} <= {*env.sandbox.world.listing_ids}
    env.sandbox.forget()
    mirror.sync.run(env.account_id)
    assert asked_paths(env) == []
    assert read_resource(NAME) == NAME
    assert NAME in list_view_names()
    mirror.sync.run(env.account_id, resources=[NAME])
    assert {path.rpartition("/")[0] for path in asked_paths(env)} == {"/listingAgreement"}


def test_a_kind_that_is_no_row_is_unknown() -> None:
    """So that a misspelt name is no empty run."""
    with pytest.raises(typer.BadParameter, match=NAME):
        read_resource(NAME)
