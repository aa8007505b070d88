"""An alarm stays until its cause is gone, whatever runs follow, and is printed once a day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.servers.recording_server import RecordingServer, serving

from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# The sentence of each alarm when it begins.
BRAKE = "reservations: 15 of 40 rows are no longer listed, all at once"
PARTIAL = "listings: not read whole: "
DIFFERS = "verify found 1 difference at "


def braked(sync_env: Build) -> tuple[SyncEnv, Callable[[], object]]:
    """Return an environment in which many bookings vanish at once, and a function that restores them."""
    env = mirrored(sync_env, reservations=40, conversations=False, switches=Switches(reservations_count="absent"))
    hidden = set(list(env.truth("reservations"))[:15])
    rule = env.sandbox.faults.add(
        faults.change_rows(lambda rows: [row for row in rows if row["id"] not in hidden]),
        route="GET /reservations",
        times=None,
    )
    return env, lambda: env.sandbox.faults.remove(rule)


def partial(sync_env: Build) -> tuple[SyncEnv, Callable[[], object]]:
    """Return an environment whose listings cannot be read whole, and a function that ends that."""
    env = mirrored(sync_env, conversations=False)
    rule = env.sandbox.faults.add(faults.change_rows(lambda rows: rows[:-1]), route="GET /listings", times=None)
    return env, lambda: env.sandbox.faults.remove(rule)


def mirrored(sync_env: Build, **options: Any) -> SyncEnv:
    """Return an environment after a full sync, so that no sweep is due."""
    env = sync_env(**options)
    env.mirrored()
    return env


def state_of(env: SyncEnv, program: Program) -> Any:
    """Return the account's state in `status --json`."""
    return json.loads(program(env, "status", "70001", "--json").stdout)["accounts"][0]


@pytest.mark.parametrize(("arrange", "sentence"), [(braked, BRAKE), (partial, PARTIAL)])
@pytest.mark.parametrize("command", [("sync", "70001"), ("sync-all",)])
def test_alarm_stays_until_its_cause_is_checked(
    sync_env: Build, program: Program, arrange: Any, sentence: str, command: tuple[str, ...]
) -> None:
    """Each hourly process ends with 1 in silence, until a sweep sees that the cause is gone."""
    env, mend = arrange(sync_env)
    begun = program(env, *command, "--full")
    assert (begun.returncode, begun.stderr.count("\n"), sentence in begun.stderr) == (1, 1, True)
    for _ in range(2):
        done = program(env, *command)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    mend()
    assert program(env, *command).returncode == 1  # no list was swept
    if command == ("sync", "70001"):
        other = "listings" if arrange is braked else "reservations"
        assert program(env, *command, "--resource", other, "--full").returncode == 1
    over = program(env, *command, "--full")
    assert (over.returncode, over.stdout, over.stderr.count("\n")) == (0, "", 1)
    assert "account 70001: over, after it began " in over.stderr
    assert sentence in over.stderr
    done = program(env, *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_alarm_is_printed_once_a_day(sync_env: Build, program: Program) -> None:
    """A day later it is printed again; a mark from the future counts as unknown."""
    env, _ = braked(sync_env)
    assert program(env, "sync", "70001", "--full").stderr
    for hours, is_told in ((-23, False), (-1, True), (24, True)):
        sql.execute(env.database, f"UPDATE alarms SET told_at = told_at + interval '{hours} hours'")
        done = program(env, "sync", "70001")
        assert (done.returncode, BRAKE in done.stderr) == (1, is_told)


def test_alternating_alarms_are_printed_once_a_day_each(sync_env: Build, program: Program) -> None:
    """Processes share the marks: two errors in turns are two sentences a day."""
    env = mirrored(sync_env, conversations=False)
    for hour in range(6):
        fault = faults.status(404) if hour % 2 else faults.status(403)
        rule = env.sandbox.faults.add(fault, route="GET /reservations", times=None)
        done = program(env, "sync", "70001")
        assert (done.returncode, bool(done.stderr)) == (1, hour < 2)
        env.sandbox.faults.remove(rule)


def test_braked_sweep_of_conversations_is_one_alarm(sync_env: Build, program: Program) -> None:
    """The messages raise no alarm of their own, and end none when the next run reads them."""
    env = mirrored(sync_env, reservations=40)
    for row_id in list(env.truth("conversations"))[:15]:
        env.sandbox.world.delete_conversation(row_id)
    begun = program(env, "sync", "70001", "--full")
    assert (begun.returncode, "conversations: 15 of" in begun.stderr, "messages:" in begun.stderr) == (1, True, False)
    assert sql.rows(env.database, "SELECT kind, resource FROM alarms") == [("brake", "conversations")]
    for more in ((), ("--full",), ()):
        done = program(env, "sync", "70001", *more)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    over = program(env, "sync", "70001", "--full", "--accept-missing")
    assert (over.returncode, over.stderr.count("over, after it began")) == (0, 1)


def test_dry_run_prints_open_alarms(sync_env: Build, program: Program) -> None:
    """A person asks, so that the mark of the day does not matter; neither alarm nor mark changes."""
    env, _ = braked(sync_env)
    assert program(env, "sync", "70001", "--full").returncode == 1
    before = sql.rows(env.database, "SELECT * FROM alarms")
    for command in (("sync", "70001"), ("sync-all",)):
        done = program(env, *command, "--dry-run")
        assert (done.returncode, BRAKE in done.stderr) == (1, True)
    document = json.loads(program(env, "sync", "70001", "--dry-run", "--json").stdout)
    assert (document["state"], document["alarms"][0]["kind"]) == ("partial", "brake")
    assert sql.rows(env.database, "SELECT * FROM alarms") == before


def test_accept_missing_ends_the_brake(sync_env: Build, program: Program) -> None:
    """Rows that are really gone are no alarm any more."""
    env = mirrored(sync_env, reservations=40, conversations=False)
    for row_id in list(env.truth("reservations"))[:15]:
        env.sandbox.world.delete_reservation(row_id)
    assert program(env, "sync", "70001", "--full").returncode == 1
    done = program(env, "sync", "70001", "--full", "--accept-missing")
    assert (done.returncode, "over, after it began" in done.stderr) == (0, True)
    assert state_of(env, program)["state"] == "ok"


def test_status_json_metrics_and_pings_show_the_alarm(sync_env: Build, program: Program, tmp_path: Any) -> None:
    """Meanwhile a whole run is partial to scripts, and a failure to monitors."""
    env, mend = braked(sync_env)
    program(env, "sync", "70001", "--full")
    with serving(RecordingServer()) as monitor:
        watched = {"PING_URL": f"{monitor.url}/x", "METRICS_TEXTFILE_DIR": str(tmp_path)}
        done = program(env, "sync", "70001", "--json", **watched)
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"], done.stderr) == (1, "partial", "")
    assert [(alarm["kind"], alarm["resource"]) for alarm in document["alarms"]] == [("brake", "reservations")]
    assert [heard.path for heard in monitor.heard] == ["/x/start", "/x/fail"]
    assert BRAKE in monitor.heard[1].body.decode()
    text = (tmp_path / "hostaway_sync.prom").read_text()
    assert 'hostaway_sync_alarms{account="70001",kind="brake"} 1.0' in text
    assert 'hostaway_sync_last_run_success{account="70001"} 0.0' in text
    account = state_of(env, program)
    assert (account["state"], account["last_run"]["state"]) == ("failing", "success")
    assert BRAKE in account["wrong"][0]
    fleet = json.loads(program(env, "sync-all", "--json").stdout)
    assert (fleet["state"], fleet["failed"], fleet["accounts"][0]["state"]) == ("failed", [70001], "partial")
    mend()
    over = json.loads(program(env, "sync", "70001", "--full", "--json").stdout)
    assert ("alarms" in over, over["state"]) == (False, "success")
    assert state_of(env, program)["state"] == "ok"


def test_enqueue_reports_open_alarms(sync_env: Build, program: Program) -> None:
    """Exit 1 and a failure ping, without a mail an hour."""
    env, _ = braked(sync_env)
    assert program(env, "sync", "70001", "--full").returncode == 1
    with serving(RecordingServer()) as monitor:
        done = program(env, "sync-all", "--enqueue", PING_URL=f"{monitor.url}/check")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert [heard.path for heard in monitor.heard] == ["/check/start", "/check/fail"]
    assert BRAKE.encode() in monitor.heard[-1].body
    assert sql.rows(env.database, "SELECT count(*) FROM procrastinate_jobs") == [(1,)]


def test_open_alarm_prevents_a_verified_state(sync_env: Build, program: Program) -> None:
    """The runs that follow succeed, and do not count for rows that are known to be wrong."""
    env, mend = braked(sync_env)
    before = state_of(env, program)["verified_as_of"]
    assert program(env, "sync", "70001", "--full").returncode == 1
    assert program(env, "sync", "70001").returncode == 1
    assert state_of(env, program)["verified_as_of"] == before
    mend()
    assert program(env, "sync", "70001", "--full").returncode == 0
    assert state_of(env, program)["verified_as_of"] > before


def test_alarm_belongs_to_one_account(sync_env: Build, program: Program) -> None:
    """`sync-all` names the account that has it; the others are well."""
    env = sync_env(
        accounts=[AccountSpec(reservations=40, conversations=False), AccountSpec(id=70002, conversations=False)]
    )
    assert program(env, "sync-all").returncode == 0
    for row_id in list(env.truth("reservations"))[:15]:
        env.sandbox.world.delete_reservation(row_id)
    begun = program(env, "sync-all", "--full")
    assert (begun.returncode, "account 70002" in begun.stderr) == (1, False)
    fleet = json.loads(program(env, "sync-all", "--json").stdout)
    assert (fleet["state"], fleet["failed"]) == ("partial", [70001])
    assert program(env, "sync", "70002").returncode == 0


def edited_in_silence(sync_env: Build) -> SyncEnv:
    """Return an environment with differences that only a deep verification finds."""
    env = mirrored(sync_env, switches=Switches(edits_bump=False))
    message_id, message = next(iter(env.truth("messages").items()))
    env.sandbox.world.edit_message(message["conversationId"], message_id, "edited in silence")
    return env


def test_shallow_certificate_does_not_replace_a_deep_one(sync_env: Build, program: Program) -> None:
    """Differences of `--deep` stay until a deep repair; the sentence names that command."""
    env = edited_in_silence(sync_env)
    command = "`hostaway-sync verify 70001 --deep --repair`"
    found = program(env, "verify", "70001", "--deep")
    assert (found.returncode, command in found.stderr) == (1, True)
    shallow = program(env, "verify", "70001", "--repair")
    assert (shallow.returncode, command in shallow.stderr) == (1, True)
    account = state_of(env, program)
    assert (account["state"], account["certificate"]["is_deep"]) == ("differs", True)
    assert command in account["wrong"][0]
    begun, done = program(env, "sync", "70001"), program(env, "sync", "70001")
    assert (begun.returncode, DIFFERS in begun.stderr, command in begun.stderr) == (1, True, True)
    assert (done.returncode, done.stderr) == (1, "")
    assert program(env, "verify", "70001", "--deep", "--repair").returncode == 0
    over = program(env, "sync", "70001")
    assert (over.returncode, DIFFERS in over.stderr) == (0, True)
    assert state_of(env, program)["state"] == "ok"
    assert (program(env, "sync", "70001").stderr, env.differences()) == ("", {})


def test_whole_sweep_outdates_a_certificate(sync_env: Build, program: Program) -> None:
    """Earlier findings end with it; an incremental run ends none."""
    env = mirrored(sync_env, conversations=False)
    sql.execute(env.database, "DELETE FROM reservations WHERE id = (SELECT min(id) FROM reservations)")
    assert program(env, "verify", "70001").returncode == 1
    assert program(env, "sync", "70001").returncode == 1
    over = program(env, "sync", "70001", "--full")
    assert (over.returncode, "over, after it began" in over.stderr) == (0, True)
    assert (state_of(env, program)["state"], env.differences()) == ("ok", {})


def test_change_after_the_last_run_is_no_alarm(sync_env: Build, program: Program) -> None:
    """A booking that is younger than the last run is late, not wrong."""
    env = mirrored(sync_env, conversations=False)
    env.sandbox.world.create_reservation(conversation=False)
    assert program(env, "verify", "70001").returncode == 1
    assert program(env, "sync", "70001").returncode == 0
