from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.calendars import ahead

from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

KEYS = {
    "account_id",
    "state",
    "verified_at",
    "finished_at",
    "duration_s",
    "api_calls",
    "deep",
    "repaired",
    "resources",
    "error",
}
PART = {
    "source",
    "mirror",
    "missing",
    "extra",
    "different",
    "undecided",
    "newer_at_source",
    "ids",
    "threads_read",
    "threads_trusted",
    "note",
    "error",
}
DAMAGE = "UPDATE reservations SET raw_payload = '{}' WHERE id = (SELECT min(id) FROM reservations) RETURNING id"


def mirrored_env(sync_env: Build) -> SyncEnv:
    """Return an environment without conversations that was mirrored in full."""
    env = sync_env(conversations=False)
    env.mirrored()
    return env


def test_certificate_is_printed_to_a_pipe_too(sync_env: Build, program: Program) -> None:
    """The user asked for it: a table, and one closing sentence."""
    done = program(mirrored_env(sync_env), "verify", "70001")
    assert (done.returncode, done.stderr) == (0, "")
    *table, closing = done.stdout.splitlines()
    assert [line.split()[0] for line in table] == ["source", "listings", "reservations", "conversations", "messages"]
    assert closing.startswith("account 70001: equal: 3 listings, 12 reservations, 0 conversations, 0 messages in 0 ")
    assert closing.endswith(" 3 API calls")


def test_certificate_json_has_its_contract_keys(sync_env: Build, program: Program) -> None:
    """One document, the keys of the contract, and numbers that add up."""
    env = mirrored_env(sync_env)
    done = program(env, "verify", "70001", "--deep", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document.keys() == KEYS
    assert (document["account_id"], document["state"], document["deep"]) == (70001, "equal", True)
    assert (document["repaired"], document["error"]) == (None, None)
    assert document["resources"].keys() == {"listings", "reservations", "conversations", "messages"}
    for part in document["resources"].values():
        assert part.keys() == PART
        assert part["source"] - part["missing"] + part["extra"] + part["undecided"] == part["mirror"]
        assert part["ids"] == {"missing": [], "extra": [], "different": [], "undecided": []}


def test_difference_ends_with_1_and_says_what_to_do(sync_env: Build, program: Program) -> None:
    """The ids are on stdout, the advice on stderr; after --repair both commands succeed."""
    env = mirrored_env(sync_env)
    ((damaged,),) = sql.rows(env.database, DAMAGE)
    done = program(env, "verify", "70001")
    assert done.returncode == 1
    assert f"reservations different: {damaged}" in done.stdout
    assert "account 70001: different: 0 missing, 0 extra, 1 different; verified" in done.stdout
    assert done.stderr == (
        "hostaway-sync: account 70001: differs from Hostaway in 1 records: run again with --repair\n"
    )
    done = program(env, "verify", "70001", "--repair")
    assert (done.returncode, done.stderr) == (0, "")
    assert "; repaired 1; verified" in done.stdout
    document = json.loads(program(env, "verify", "70001", "--repair", "--json").stdout)
    assert document["repaired"] == {"listings": 0, "reservations": 0, "conversations": 0, "messages": 0}


def test_sudden_mass_disappearance_needs_accept_missing(sync_env: Build, program: Program) -> None:
    """The advice is to check first, and then what to type; only some ids are shown."""
    env = sync_env(reservations=60, conversations=False)
    env.mirrored()
    for row_id in list(env.truth("reservations"))[:25]:
        env.sandbox.world.delete_reservation(row_id)
    done = program(env, "verify", "70001", "--repair")
    assert done.returncode == 1
    assert "and 5 more" in done.stdout
    assert "25 of 60 rows are no longer listed" in done.stdout
    assert "`hostaway-sync sync 70001 --full --accept-missing`" in done.stderr


def test_resource_that_cannot_be_compared_is_named(sync_env: Build, program: Program) -> None:
    """Exit 1, the certificate, and one line that names the resource."""
    env = mirrored_env(sync_env)
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    done = program(env, "verify", "70001")
    assert done.returncode == 1
    assert "account 70001: incomplete: no difference in what could be compared; verified" in done.stdout
    assert done.stderr.startswith("hostaway-sync: account 70001: could not be compared whole: reservations: ")
    assert done.stderr.count("\n") == 1


def test_change_after_the_last_sync_is_shown_apart(sync_env: Build, program: Program) -> None:
    """The output says that the next sync brings it."""
    env = mirrored_env(sync_env)
    env.sandbox.world.create_reservation(conversation=False)
    done = program(env, "verify", "70001")
    assert done.returncode == 1
    assert "newer: changed at Hostaway after the last sync" in done.stdout


def test_threads_that_were_not_read_are_counted(sync_env: Build, program: Program) -> None:
    """The output also says which option reads them."""
    env = sync_env()
    env.mirrored()
    done = program(env, "verify", "70001")
    assert (done.returncode, done.stderr) == (0, "")
    assert "their conversation's stamps did not move since their last whole reading (--deep reads them)" in done.stdout


def test_verify_during_a_run_ends_with_75_in_silence(sync_env: Build, program: Program) -> None:
    """As a sync does."""
    env = sync_env()
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    done = program(env, "verify", "70001")
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")


def test_unknown_account_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 1, and what to type."""
    done = program(sync_env(store=False), "verify", "70001", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hostaway-sync account add 70001" in done.stderr


def test_different_days_are_named_with_the_repairing_command(sync_env: Build, program: Program) -> None:
    """Exit 1 until they are repaired; without `--calendar` no days are read."""
    env = sync_env(listings=2, reservations=3)
    env.mirrored(calendar_days=40)
    listing, day = min(env.truth("listings")), ahead(4)
    sql.execute(env.database, f"UPDATE calendar_days SET price = 1 WHERE listing_id = {listing} AND date = '{day}'")
    settings = {"CALENDAR_DAYS": "40"}
    assert program(env, "verify", "70001", **settings).returncode == 0
    done = program(env, "verify", "70001", "--calendar", **settings)
    assert done.returncode == 1
    assert f"calendar different: {listing}/{day}" in done.stdout
    assert "`hostaway-sync verify 70001 --calendar --repair`" in done.stderr
    assert program(env, "verify", "70001", "--calendar", "--repair", **settings).returncode == 0
    assert program(env, "verify", "70001", "--calendar", **settings).returncode == 0
    off = program(env, "verify", "70001", "--calendar")
    assert off.returncode == 78
    assert "HOSTAWAY_SYNC_CALENDAR_DAYS is 0" in off.stderr
