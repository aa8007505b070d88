"""An alarm stays until its cause was seen to be gone, whatever run comes between, and says so once a day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.servers.recording_server import Listener, listening

from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Program
    from tests.support.sync_env import Town

    Build = Callable[..., Town]

# What a run says of each alarm when it begins.
BRAKE = "reservations: 15 of 40 rows are no longer listed, all at once"
PARTIAL = "listings: not read whole: "
DIFFERS = "verify found 1 difference at "


def braked(town: Build) -> tuple[Town, Callable[[], object]]:
    """Give a town of which many bookings vanish at once, and what brings them back."""
    here = mirrored(town, reservations=40, conversations=False, switches=Switches(reservations_count="absent"))
    hidden = set(list(here.truth("reservations"))[:15])
    rule = here.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] not in hidden]),
        route="GET /reservations",
        times=None,
    )
    return here, lambda: here.sandbox.faults.remove(rule)


def partial(town: Build) -> tuple[Town, Callable[[], object]]:
    """Give a town whose listings cannot be read whole, and what ends that."""
    here = mirrored(town, conversations=False)
    rule = here.sandbox.faults.add(faults.change_rows(lambda rows: rows[:-1]), route="GET /listings", times=None)
    return here, lambda: here.sandbox.faults.remove(rule)


def mirrored(town: Build, **options: Any) -> Town:
    """Give a town that was mirrored in full, so that no sweep is due."""
    here = town(**options)
    here.mirror().sync(here.account_id)
    return here


def state_of(here: Town, program: Program) -> Any:
    """Give what `status --json` says of the account."""
    return json.loads(program(here, "status", "70001", "--json").stdout)["accounts"][0]


@pytest.mark.parametrize(("arrange", "sentence"), [(braked, BRAKE), (partial, PARTIAL)])
@pytest.mark.parametrize("command", [("sync", "70001"), ("sync-all",)])
def test_an_alarm_outlives_runs_that_do_not_look_at_its_cause(
    town: Build, program: Program, arrange: Any, sentence: str, command: tuple[str, ...]
) -> None:
    """Each process of the hourly line ends with 1 and says nothing, until a sweep sees that the cause is gone."""
    here, mend = arrange(town)
    begun = program(here, *command, "--full")
    assert (begun.returncode, begun.stderr.count("\n"), sentence in begun.stderr) == (1, 1, True)
    for _ in range(2):
        done = program(here, *command)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    mend()
    assert program(here, *command).returncode == 1  # nothing was swept
    if command == ("sync", "70001"):
        other = "listings" if arrange is braked else "reservations"
        assert program(here, *command, "--resource", other, "--full").returncode == 1
    over = program(here, *command, "--full")
    assert (over.returncode, over.stdout, over.stderr.count("\n")) == (0, "", 1)
    assert "account 70001: over, after it began " in over.stderr
    assert sentence in over.stderr
    done = program(here, *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_alarm_is_told_once_a_day(town: Build, program: Program) -> None:
    """A day after it was told it is told again; a mark from the future counts for nothing."""
    here, _ = braked(town)
    assert program(here, "sync", "70001", "--full").stderr
    for hours, is_told in ((-23, False), (-1, True), (24, True)):
        here.ask(f"UPDATE alarms SET told_at = told_at + interval '{hours} hours' RETURNING 1")
        done = program(here, "sync", "70001")
        assert (done.returncode, BRAKE in done.stderr) == (1, is_told)


def test_causes_in_turns_are_told_once_a_day_each(town: Build, program: Program) -> None:
    """Processes share what was told: two errors that take turns are two sentences a day, not one an hour."""
    here = mirrored(town, conversations=False)
    for hour in range(6):
        fault = faults.status(404) if hour % 2 else faults.status(403)
        rule = here.sandbox.faults.add(fault, route="GET /reservations", times=None)
        done = program(here, "sync", "70001")
        assert (done.returncode, bool(done.stderr)) == (1, hour < 2)
        here.sandbox.faults.remove(rule)


def test_a_braked_sweep_of_conversations_is_one_alarm(town: Build, program: Program) -> None:
    """The messages, whose list it is, raise none of their own, and end none when the next run reads them."""
    here = mirrored(town, reservations=40)
    for row_id in list(here.truth("conversations"))[:15]:
        here.sandbox.world.delete_conversation(row_id)
    begun = program(here, "sync", "70001", "--full")
    assert (begun.returncode, "conversations: 15 of" in begun.stderr, "messages:" in begun.stderr) == (1, True, False)
    assert here.ask("SELECT kind, resource FROM alarms") == [("brake", "conversations")]
    for more in ((), ("--full",), ()):
        done = program(here, "sync", "70001", *more)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    over = program(here, "sync", "70001", "--full", "--accept-missing")
    assert (over.returncode, over.stderr.count("over, after it began")) == (0, 1)


def test_a_dry_run_says_what_stands(town: Build, program: Program) -> None:
    """Whenever it was told before: a person asks; and neither the alarm nor when it was told changes."""
    here, _ = braked(town)
    assert program(here, "sync", "70001", "--full").returncode == 1
    before = here.ask("SELECT * FROM alarms")
    for command in (("sync", "70001"), ("sync-all",)):
        done = program(here, *command, "--dry-run")
        assert (done.returncode, BRAKE in done.stderr) == (1, True)
    document = json.loads(program(here, "sync", "70001", "--dry-run", "--json").stdout)
    assert (document["state"], document["alarms"][0]["kind"]) == ("partial", "brake")
    assert here.ask("SELECT * FROM alarms") == before


def test_a_word_from_a_person_ends_the_brake(town: Build, program: Program) -> None:
    """Rows that are really gone are no alarm any more."""
    here = mirrored(town, reservations=40, conversations=False)
    for row_id in list(here.truth("reservations"))[:15]:
        here.sandbox.world.delete_reservation(row_id)
    assert program(here, "sync", "70001", "--full").returncode == 1
    done = program(here, "sync", "70001", "--full", "--accept-missing")
    assert (done.returncode, "over, after it began" in done.stderr) == (0, True)
    assert state_of(here, program)["state"] == "ok"


def test_status_json_metrics_and_pings_hold_the_alarm(town: Build, program: Program, tmp_path: Any) -> None:
    """While it stands a run that is whole is partial to scripts, and a failure to monitors."""
    here, mend = braked(town)
    program(here, "sync", "70001", "--full")
    with listening(Listener()) as monitor:
        watched = {"PING_URL": f"{monitor.url}/x", "METRICS_TEXTFILE_DIR": str(tmp_path)}
        done = program(here, "sync", "70001", "--json", **watched)
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"], done.stderr) == (1, "partial", "")
    assert [(alarm["kind"], alarm["resource"]) for alarm in document["alarms"]] == [("brake", "reservations")]
    assert [heard.path for heard in monitor.heard] == ["/x/start", "/x/fail"]
    assert BRAKE in monitor.heard[1].body.decode()
    text = (tmp_path / "hostaway_sync.prom").read_text()
    assert 'hostaway_sync_alarms{account="70001",kind="brake"} 1.0' in text
    assert 'hostaway_sync_last_run_success{account="70001"} 0.0' in text
    account = state_of(here, program)
    assert (account["state"], account["last_run"]["state"]) == ("failing", "success")
    assert BRAKE in account["wrong"][0]
    fleet = json.loads(program(here, "sync-all", "--json").stdout)
    assert (fleet["state"], fleet["failed"], fleet["accounts"][0]["state"]) == ("failed", [70001], "partial")
    mend()
    over = json.loads(program(here, "sync", "70001", "--full", "--json").stdout)
    assert ("alarms" in over, over["state"]) == (False, "success")
    assert state_of(here, program)["state"] == "ok"


def test_what_is_queued_hides_no_alarm(town: Build, program: Program) -> None:
    """Who leaves the work to workers hears of it all the same: exit 1 and a failing ping, without a mail an hour."""
    here, _ = braked(town)
    assert program(here, "sync", "70001", "--full").returncode == 1
    with listening(Listener()) as monitor:
        done = program(here, "sync-all", "--enqueue", PING_URL=f"{monitor.url}/check")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert [heard.path for heard in monitor.heard] == ["/check/start", "/check/fail"]
    assert BRAKE.encode() in monitor.heard[-1].body
    assert here.ask("SELECT count(*) FROM procrastinate_jobs") == [(1,)]


def test_nothing_counts_as_verified_while_an_alarm_stands(town: Build, program: Program) -> None:
    """The runs that follow are well in themselves, and say nothing of rows that are known to be wrong."""
    here, mend = braked(town)
    before = state_of(here, program)["verified_as_of"]
    assert program(here, "sync", "70001", "--full").returncode == 1
    assert program(here, "sync", "70001").returncode == 1
    assert state_of(here, program)["verified_as_of"] == before
    mend()
    assert program(here, "sync", "70001", "--full").returncode == 0
    assert state_of(here, program)["verified_as_of"] > before


def test_one_accounts_alarm_is_not_anothers(town: Build, program: Program) -> None:
    """A fleet names the account that has it, and the others are well."""
    here = town(
        accounts=[AccountSpec(reservations=40, conversations=False), AccountSpec(id=70002, conversations=False)]
    )
    assert program(here, "sync-all").returncode == 0
    for row_id in list(here.truth("reservations"))[:15]:
        here.sandbox.world.delete_reservation(row_id)
    begun = program(here, "sync-all", "--full")
    assert (begun.returncode, "account 70002" in begun.stderr) == (1, False)
    fleet = json.loads(program(here, "sync-all", "--json").stdout)
    assert (fleet["state"], fleet["failed"]) == ("partial", [70001])
    assert program(here, "sync", "70002").returncode == 0


def edited_in_silence(town: Build) -> Town:
    """Give a town in which only depth finds what differs."""
    here = mirrored(town, switches=Switches(edits_bump=False))
    message_id, message = next(iter(here.truth("messages").items()))
    here.sandbox.world.edit_message(message["conversationId"], message_id, "edited in silence")
    return here


def test_a_shallow_certificate_does_not_replace_a_deep_one(town: Build, program: Program) -> None:
    """What `--deep` found stays found when a repair that is not deep finds nothing; the advice is what mends it."""
    here = edited_in_silence(town)
    command = "`hostaway-sync verify 70001 --deep --repair`"
    found = program(here, "verify", "70001", "--deep")
    assert (found.returncode, command in found.stderr) == (1, True)
    shallow = program(here, "verify", "70001", "--repair")
    assert (shallow.returncode, command in shallow.stderr) == (1, True)
    account = state_of(here, program)
    assert (account["state"], account["certificate"]["is_deep"]) == ("differs", True)
    assert command in account["wrong"][0]
    begun, done = program(here, "sync", "70001"), program(here, "sync", "70001")
    assert (begun.returncode, DIFFERS in begun.stderr, command in begun.stderr) == (1, True, True)
    assert (done.returncode, done.stderr) == (1, "")
    assert program(here, "verify", "70001", "--deep", "--repair").returncode == 0
    over = program(here, "sync", "70001")
    assert (over.returncode, DIFFERS in over.stderr) == (0, True)
    assert state_of(here, program)["state"] == "ok"
    assert (program(here, "sync", "70001").stderr, here.differences()) == ("", {})


def test_a_whole_sweep_outdates_a_certificate(town: Build, program: Program) -> None:
    """What was found before it does not stay for ever; an incremental run outdates nothing."""
    here = mirrored(town, conversations=False)
    here.ask("DELETE FROM reservations WHERE id = (SELECT min(id) FROM reservations) RETURNING 1")
    assert program(here, "verify", "70001").returncode == 1
    assert program(here, "sync", "70001").returncode == 1
    over = program(here, "sync", "70001", "--full")
    assert (over.returncode, "over, after it began" in over.stderr) == (0, True)
    assert (state_of(here, program)["state"], here.differences()) == ("ok", {})


def test_what_only_the_next_run_brings_is_no_alarm(town: Build, program: Program) -> None:
    """A booking that is younger than the last run is late, and no damage."""
    here = mirrored(town, conversations=False)
    here.sandbox.world.create_reservation(conversation=False)
    assert program(here, "verify", "70001").returncode == 1
    assert program(here, "sync", "70001").returncode == 0
