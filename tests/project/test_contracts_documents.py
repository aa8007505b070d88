"""The keys of every JSON document that a command prints, as scripts of operators read them: by real commands."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.deliveries import deliver
from tests.support.processes import run_program
from tests.support.project.json_outline import EACH, REPORT, a_reservation, keys_of, outline
from tests.support.servers.receiver import running_receiver

from hostaway_sync.app.documents.history import change_document, life_document
from hostaway_sync.model.history.events import LifeEvent, LifeKind
from hostaway_sync.model.history.feed import FeedCursor, RecordChange
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import CLIENT_SECRET
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.db_roles import DbRoles
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

DRY = f"dry_run ids{{{EACH.format('inserted[] updated[]')}}}"
CALL = "granted_at method path params{{{}}} status seconds waited attempt why step"
FINDINGS = (
    "source mirror missing extra different undecided newer_at_source "
    "ids{missing[] extra[] different[] undecided[]} threads_read threads_trusted note error"
)
ACCOUNT = "account_id name customer_id is_active last_sync_at created_at removed_at resource_sets"
MESSAGE = (
    "intent_id account_id reservation_id conversation_id channel_type idempotency_key state message_id proof attempt "
    "looks is_queued quiet_hours waits_for_person error created_at not_before_at sending_at settled_at looked_at"
)
RULES = "minimum_stay maximum_stay closed_on_arrival closed_on_departure"
DAY = f"date is_available status price {RULES} available_units note"
DEAD_LETTER = "dead_letter_id kind account_id target_resource target_id job deliveries"
RESOLVED = "created_at resolved_at resolution"
TROUBLES = "troubles[table column primary_key is_plain reason]"
HOOK = "hook_id address kind is_enabled"
PRUNED = (
    "walk_pages walks verification_notes sync_run_resources sync_runs verifications webhook_log job_attempts "
    "dead_letters automation_deliveries calendar_days calendar_due changes observations polled_changes "
    "quarantined_records request_budget sent_messages calendar_writes rights api_limits"
)


def certificate(repaired: str, *, more: str = "") -> str:
    """Return the outline of what `verify` prints."""
    head = f"account_id state verified_at finished_at duration_s api_calls deep repaired{repaired}"
    return f"{head} resources{{{EACH.format(FINDINGS)}{more}}} error"


def test_documents_about_accounts(sync_env: Build, tmp_path: Path) -> None:
    """`account …` and `webhooks …`."""
    env = sync_env(store=False)
    file = tmp_path / "accounts.csv"
    file.write_text(f"account_id,client_secret\n70001,{CLIENT_SECRET}\n", encoding="utf-8")
    file.chmod(0o600)
    line = "line account_id outcome changed[] error"
    assert keys_of(env, "account", "import", str(file)) == f"added updated unchanged failed accounts[{line}]"
    assert keys_of(env, "account", "list") == f"[{ACCOUNT}]"
    assert keys_of(env, "account", "update", "70001", "--name", "Harbour") == f"{ACCOUNT} changed[]"
    entry = "changed_at action os_user host changes"
    assert keys_of(env, "account", "show", "70001") == (
        f"{ACCOUNT} updated_at token_expires_at webhook_url audit[{entry}{{name{{new old}}}}|{entry}{{}}]"
    )
    for state in ("disable", "enable"):
        assert keys_of(env, "account", state, "70001") == "account_id is_active changed"
    env.sandbox.accounts[70001].hooks.create({"isEnabled": 1, "url": "https://example.org/elsewhere"})
    with running_receiver(env.database) as receiver:
        register = ("webhooks", "register", "70001", "--url", receiver.base)
        assert keys_of(env, *register) == f"account_id hook_id address is_new others[{HOOK}]"
        assert keys_of(env, "webhooks", "list") == f"[account_id {HOOK}]"
        audit = "audit{has_log announced lost is_whole is_first}"
        assert keys_of(env, "webhooks", "check") == (
            f"[account_id is_registered is_enabled problems[] others[{HOOK}] {audit}]"
        )
    assert keys_of(env, "account", "remove", "70001", "--yes") == (
        "account_id purged webhooks_removed token_revoked rows_deleted{} troubles[]"
    )


def test_documents_about_runs(sync_env: Build) -> None:
    """`sync`, `sync-all`, `verify`, `plan`, `doctor`, `prune` and `status --size`."""
    env = sync_env()
    params = ("limit includeResources offset", "limit includeResources")
    calls = [*map(CALL.format, params), CALL.format("limit includeResources includeScheduledMessages offset")]
    assert keys_of(env, "sync-all", "--enqueue") == "enqueued[]"
    assert keys_of(env, "sync", "70001", "--explain") == f"{REPORT} calls[{'|'.join(calls)}]"
    assert keys_of(env, "sync", "70001", "--full", "--dry-run") == f"{REPORT} {DRY}"
    assert keys_of(env, "sync-all") == f"state failed[] accounts[{REPORT} error]"
    assert keys_of(env, "sync-all", "--full", "--dry-run") == f"state failed[] accounts[{REPORT} {DRY} error]"
    assert keys_of(env, "verify", "70001") == certificate("")
    assert keys_of(env, "verify", "70001", "--repair") == certificate("{listings reservations conversations messages}")
    repaired = "{listings reservations conversations messages calendar}"
    with_days = certificate(repaired, more=f" calendar{{{FINDINGS}}}")
    assert keys_of(env, "verify", "70001", "--calendar", "--repair", CALENDAR_DAYS="60") == with_days
    need = "first_sync first_sync_minutes sweep run is_assumed runs_a_day sweeps_a_day a_day calendar other_resources"
    assert keys_of(env, "plan") == (
        "every_minutes accounts[account_id name rows{listings reservations conversations messages} "
        f"need{{{need}}}] address{{accounts a_day a_day_at_most fitting sweeps_minutes share calendar_a_day "
        "other_resources_a_day}"
    )
    assert "calendar{in_turn_a_day marks_a_day a_day}" in keys_of(env, "plan", CALENDAR_DAYS="90")
    assert "other_resources{first_sync a_day resources{tasks}}" in keys_of(env, "plan", RESOURCES="tasks")
    assert keys_of(env, "doctor") == "state findings[check grade says advice account_id]"
    assert keys_of(env, "prune", "--dry-run") == f"dry_run rows{{{PRUNED}}}"
    assert keys_of(env, "status", "--size") == "database tables[name rows heap indexes toast total]"


def test_documents_about_api_keys(sync_env: Build) -> None:
    """`api-key …`; a key itself is in two of them."""
    env = sync_env()
    key = (
        "key_id name state account_ids customer_id scopes[] created_at expires_at revoked_at last_used_at "
        "previous_until"
    )
    of_accounts = key.replace("account_ids", "account_ids[]")
    assert keys_of(env, "api-key", "create", "crm", "--account", "70001") == f"{of_accounts} key"
    assert keys_of(env, "api-key", "create", "all", "--all", "--expires-days", "1") == f"{key} key"
    assert keys_of(env, "api-key", "rotate", "crm") == f"{of_accounts} key"
    assert keys_of(env, "api-key", "revoke", "crm") == of_accounts
    assert keys_of(env, "api-key", "list") == f"[{key}|{of_accounts}]"


def test_documents_about_automations(sync_env: Build) -> None:
    """`automation …`; a URL and a command have the same keys."""
    env = sync_env()
    automation = (
        "name events[] awaited_events[] account_ids[] conditions{} url command is_active disabled_reason "
        "disabled_at active_since failing_since not_before_at delivered_at waiting waiting_since dead "
        "both_secrets_until created_at"
    )
    url = ("--on", "reservation.updated", "--account", "70001", "--url", "https://hooks.example.com/")
    whole = automation.replace("{status[]}", "{}")
    assert keys_of(env, "automation", "add", "crm", *url) == f"{whole} secret"
    of_command = whole.replace("account_ids[]", "account_ids").replace("command", "command[]")
    run = ("--on", "*", "--command", "cat")
    assert keys_of(env, "automation", "add", "cat", *run) == f"{of_command} secret"
    assert keys_of(env, "automation", "list") == f"[{of_command}|{whole}]"
    for command in ("show", "disable", "enable"):
        assert keys_of(env, "automation", command, "crm") == whole
    assert keys_of(env, "automation", "rotate", "crm") == "name secret both_secrets_until"
    assert keys_of(env, "automation", "test", "cat") == "name is_delivered status error answer output"
    sql.execute(
        env.database,
        "INSERT INTO automation_deliveries (automation_id, change_id, account_id, event, resource, record_id)"
        " VALUES (1, 1, 70001, 'task.created', 'tasks', '1')",
    )
    assert keys_of(env, "automation", "deliveries", "crm") == (
        "[change_id account_id event resource record_id state attempts not_before_at status error output created_at "
        "settled_at]"
    )
    assert f"automations[{of_command}|{whole}]" in keys_of(env, "status")
    assert keys_of(env, "automation", "remove", "crm") == whole


def test_document_of_a_calendar(sync_env: Build) -> None:
    """`calendar show`."""
    env = sync_env(listings=1, reservations=1)
    env.mirrored(calendar_days=9)
    (listing,) = map(str, env.truth("listings"))
    of_calendar = "account_id listing_id first last read_at due{} days[{}]"
    assert keys_of(env, "calendar", "show", listing) == of_calendar.format("", DAY)
    sql.execute(
        env.database,
        "INSERT INTO hostaway.calendar_due (account_id, listing_id, first_day, last_day, due_at, reason) "
        f"VALUES (70001, {listing}, current_date, current_date, now(), 'a stay changed')",
    )
    assert keys_of(env, "calendar", "show", listing) == of_calendar.format("{first last}", DAY)


def test_documents_about_one_reservation(sync_env: Build) -> None:
    """`show finance|logs|agreement`: its objects are Hostaway's own."""
    env = sync_env(listings=1, reservations=2)
    env.mirrored()
    for what in ("finance", "logs", "agreement"):
        shown = keys_of(env, "show", what, str(a_reservation(env)))
        assert shown.startswith("account_id reservation_id requested objects[")


def test_documents_of_writes_to_a_calendar(sync_env: Build) -> None:
    """`calendar block`, `open`, `set` and `writes`."""
    env = sync_env(listings=1, reservations=0)
    env.mirrored(calendar_days=9)
    (listing,) = env.truth("listings")
    (date,) = sql.row(env.database, "SELECT current_date + 2")
    day = str(date)
    head, values = "account_id listing_id first last values{is_available note}", "{is_available note}"
    row = f"write_id {head} state error os_user host created_at sending_at settled_at"
    options = ("calendar", "block", str(listing), day, day, "--note", "x")
    preview = f"{head} concerns[] days[date old{values} new{values}]"
    assert keys_of(env, *options, "--dry-run", CALENDAR_DAYS="9") == preview
    assert keys_of(env, *options, CALENDAR_DAYS="9") == f"{head} write{{{row}}} changed[] days[{DAY}]"
    assert keys_of(env, "calendar", "writes") == f"[{row}]"
    env.sandbox.world.edit_days(listing, date, date, isAvailable=1)
    changed = f"{head} write changed[date mirrored{{{DAY}}} live{{{DAY}}}] days[]"
    assert keys_of(env, *options, code=1, CALENDAR_DAYS="9") == changed


def test_documents_about_messages(sync_env: Build, tmp_path: Path) -> None:
    """`send-message`, `messages …`, `dead-letters …` and `forget-guest`."""
    env = sync_env()
    env.mirrored()
    reservation = str(a_reservation(env))
    assert keys_of(env, "send-message", reservation, "Hello", "--dry-run") == (
        "account_id reservation_id conversation_id channel_type idempotency_key text concerns[] "
        "would_send waits_until why_not"
    )
    assert keys_of(env, "send-message", reservation, "Hello", "--yes") == f"{MESSAGE} sent_now"
    batch = tmp_path / "batch"
    batch.write_text(json.dumps({"reservation_id": int(reservation), "text": "Hi", "key": "k"}), encoding="utf-8")
    assert keys_of(env, "send-message", "--batch", str(batch), "--yes") == (
        "queued known refused lines[line reservation_id idempotency_key placed why_not waits_until "
        f"message{{{MESSAGE}}}]"
    )
    assert keys_of(env, "messages", "list") == f"[{MESSAGE} text]"
    assert keys_of(env, "messages", "cancel", "2") == MESSAGE
    env.sandbox.faults.add(faults.status(400), route="GET /listings/{id}", times=None)
    deliver(env.database, env.account_id, Resource.LISTINGS, min(env.truth("listings")))
    assert run_program(env.environment(), "worker", "--drain").returncode == 0
    assert keys_of(env, "dead-letters", "list") == f"[{DEAD_LETTER} error {RESOLVED}]"
    assert keys_of(env, "dead-letters", "show", "1") == (
        f"{DEAD_LETTER} payload{{data{{id}} event}} headers{{user-agent}} error traceback "
        f"history[error number started_at finished_at] {RESOLVED}"
    )
    assert keys_of(env, "dead-letters", "retry", "1") == "retried[]"
    assert keys_of(env, "dead-letters", "discard", "--all") == "discarded[]"
    forget = ("forget-guest", "--account", "70001", "--reservation", reservation, "--yes")
    assert keys_of(env, *forget) == (
        "account_id dry_run reservations[] conversations[] "
        "rows{sent_messages webhook_log dead_letters changes reservations conversations conversation_messages} "
        "unknown_reservations[] unknown_addresses"
    )


def test_documents_about_the_database(
    sync_env: Build, db_roles: DbRoles, empty_database_url: str, tmp_path: Path
) -> None:
    """`keys …`, `roles list` and `database …`."""
    env = sync_env()
    db_roles.roles.bind(db_roles.create_login("somebody", db_roles.groups.reader), [70001], [])
    assert keys_of(env, "roles", "list") == "[role kind account_ids[] customer_ids[]]"
    assert keys_of(env, "keys", "status") == "store leaving kind source keys[key values seals is_known] plain outside"
    # A value that opens in its own column alone.
    db_roles.execute("UPDATE hostaway.accounts SET webhook_password = client_secret")
    assert keys_of(env, "keys", "check", code=1) == f"values orphans {TROUBLES}"
    keys = base64.b64encode(b"n" * 32).decode() + "," + env.environment()["HOSTAWAY_SYNC_MASTER_KEY"]
    assert keys_of(env, "keys", "rotate", code=1, MASTER_KEY=keys) == (
        f"made seals resealed retired[] unused[] {TROUBLES}"
    )
    assert keys_of(env, "keys", "move", "--to", "database") == "store moved orphans is_whole troubles[]"
    assert keys_of(env, "database", "payload-fields", "show") == "rule"
    assert keys_of(env, "database", "restored") == "looked_for"
    target = tmp_path / "url"
    target.write_text(empty_database_url, encoding="utf-8")
    target.chmod(0o600)
    env.database.engine.dispose()
    move = ("database", "move", "--to", str(target))
    assert keys_of(env, *move, "--dry-run") == "dry_run tables[name rows]"
    assert keys_of(env, *move, MASTER_KEY=keys) == "dry_run seconds tables[name rows checksum]"
    ((mark,),) = sql.rows(env.database, "SELECT version_num FROM alembic_version")
    assert re.fullmatch("moved [0-9]{4} [0-9a-f]{8}", mark)


def test_document_of_a_change() -> None:
    """A line of `changes --json`."""
    change = RecordChange(1, 2, None, "listings", "3", "updated", datetime(2026, 3, 1, tzinfo=UTC), keys=("name",))
    assert outline(change_document(FeedCursor(1, 2, 3), change)) == (
        "cursor change_id account_id customer_id resource record_id change changed_at source_updated_at keys[] before "
        "after cause cause_id"
    )


def test_document_of_a_life() -> None:
    """`history --json`."""
    event = LifeEvent(datetime(2026, 3, 1, tzinfo=UTC), LifeKind.MESSAGE, "guest", "messages", "3")
    assert outline(life_document(1, 2, [event])) == (
        "account_id reservation_id events[at kind says resource record_id change_id before after cause cause_id]"
    )
