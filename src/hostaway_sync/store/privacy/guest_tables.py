"""The tables that hold data of guests, and how the data of one guest is erased from each.

Each table stands in `GUEST_TABLES` or, if it never holds such data, in `TABLES_WITHOUT_GUESTS`; a test checks that
none is missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.alarms import AlarmKind
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.privacy import erasure_rules, forgotten, guest_traces
from hostaway_sync.store.privacy.guest_names import GuestNames, find_names
from hostaway_sync.store.privacy.guest_rows import (
    GuestTable,
    is_ownerless,
    is_unknown,
    match_columns,
    match_reservation,
    match_target,
)
from hostaway_sync.store.privacy.record_history import HISTORY, TOLD
from hostaway_sync.store.tables import (
    MIRRORED,
    alarms,
    calendar_days,
    calendar_writes,
    dead_letters,
    job_attempts,
    quarantined_records,
    reservations,
    resources,
    reviews,
    sent_messages,
    sync_run_resources,
    sync_runs,
    tasks,
    verifications,
    webhook_log,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostaway_sync.store.privacy.guest_rows import Guest

ERASED: Final = erasure_rules.ERASED
_BATCH: Final = 500


_IN_INBOX: Final = (webhook_log.c.target_resource, webhook_log.c.object_id)
_IN_LETTER: Final = (dead_letters.c.target_resource, dead_letters.c.target_id)
_IS_DELIVERY: Final = dead_letters.c.kind == "delivery"


def _in_inbox(guest: Guest) -> sa.ColumnElement[bool]:
    """Return the condition of deliveries about an object of the guest, and of those that may be about any guest."""
    return sa.or_(match_target(*_IN_INBOX)(guest), webhook_log.c.payload.is_(None), is_ownerless(*_IN_INBOX))


def _in_jobs(guest: Guest) -> sa.ColumnElement[bool]:
    objects = [(Resource.RESERVATIONS, number) for number in guest.objects.reservations]
    objects += [(Resource.CONVERSATIONS, number) for number in guest.objects.conversations]
    return job_attempts.c.job.in_([Job(guest.account_id, RefreshTarget(*one)).key for one in objects])


def _in_dead_letters(guest: Guest) -> sa.ColumnElement[bool]:
    return sa.and_(_IS_DELIVERY, match_target(*_IN_LETTER)(guest))


def _in_ownerless_letters(guest: Guest) -> sa.ColumnElement[bool]:
    del guest
    return sa.and_(_IS_DELIVERY, is_ownerless(*_IN_LETTER))


def _erased_text(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return an expression that replaces a text by the note that it was erased; null stays null."""
    return sa.case((column.is_not(None), sa.literal(ERASED)), else_=column)


_EMPTIED_ERROR: Final[Mapping[str, Any]] = {
    "error": ERASED,
    "traceback": None,
    "history": sa.literal_column("'[]'::jsonb"),
}
_IS_PENDING = sent_messages.c.state == sa.literal_column("'pending'")
_EMPTIED_MESSAGE: Final[Mapping[str, Any]] = {
    "body": ERASED,
    "body_hash": b"",
    "error": _erased_text(sent_messages.c.error),
    # A message that waits must not be sent: its text and its recipient are erased.
    "state": sa.case((_IS_PENDING, sa.literal_column("'failed'")), else_=sent_messages.c.state),
    "proof": sa.case((_IS_PENDING, sa.literal_column("'person'")), else_=sent_messages.c.proof),
    "settled_at": sa.case((_IS_PENDING, sa.func.now()), else_=sent_messages.c.settled_at),
}
_EMPTIED_DELIVERY: Final = {**forgotten.EMPTIED_DELIVERY, "error": _erased_text(webhook_log.c.error)}
# A certificate holds an error and a note for each resource.
_EMPTIED_CERTIFICATE: Final = sa.cast(
    sa.func.regexp_replace(
        sa.cast(verifications.c.certificate, sa.Text),
        r'"(error|note)": "(?:[^"\\]|\\.)*"',
        rf'"\1": "{ERASED}"',
        "g",
    ),
    verifications.c.certificate.type,
)
# The alarm stays, and its sentence must still name the command that helps.
_EMPTIED_ALARM: Final = sa.func.format(
    sa.literal_column("'%s: what is wrong was %s; `hostaway-sync %s %s%s` says it anew'"),
    sa.func.coalesce(sa.func.nullif(alarms.c.resource, ""), "verify"),
    ERASED,
    sa.case((alarms.c.kind == AlarmKind.DIFFERS.value, "verify"), else_="sync"),
    alarms.c.account_id,
    sa.case((alarms.c.needs_sweep, " --full"), else_=""),
)
# What a host wrote to a day may name a guest. The hash stays, so that no reading of the same day restores it.
_EMPTIED_DAY: Final[Mapping[str, Any]] = {
    "note": _erased_text(calendar_days.c.note),
    "raw_payload": sa.literal_column("'{}'::jsonb"),
}
_EMPTIED_WRITE: Final[Mapping[str, Any]] = {
    "new_values": sa.literal_column("'{}'::jsonb"),
    "old_values": sa.literal_column("'[]'::jsonb"),
    "error": _erased_text(calendar_writes.c.error),
}
# The hash stays, as of a day; see `forgotten.erase_kind_records` for what comes later.
_EMPTIED_OBJECT: Final[Mapping[str, Any]] = {"raw_payload": sa.literal_column("'{}'::jsonb")}
GUEST_TABLES: Final = (
    GuestTable(
        sent_messages, _EMPTIED_MESSAGE, match_columns(sent_messages.c.reservation_id, sent_messages.c.conversation_id)
    ),
    GuestTable(
        webhook_log,
        _EMPTIED_DELIVERY,
        _in_inbox,
        searched=("payload", "error", "headers", "event"),
        unclear=is_unknown(*_IN_INBOX, reservations),
    ),
    GuestTable(dead_letters, {**forgotten.EMPTIED_LETTER, **_EMPTIED_ERROR}, _in_dead_letters),
    GuestTable(
        dead_letters,
        forgotten.EMPTIED_LETTER,
        _in_ownerless_letters,
        searched=("payload", "headers"),
        unclear=is_unknown(*_IN_LETTER, reservations),
    ),
    GuestTable(dead_letters, _EMPTIED_ERROR, searched=("error", "traceback", "history")),
    GuestTable(job_attempts, {"error": ERASED, "traceback": None}, _in_jobs, searched=("error", "traceback")),
    GuestTable(sync_runs, {"error": ERASED}, searched=("error",)),
    GuestTable(sync_run_resources, {"error": ERASED}, searched=("error",)),
    GuestTable(calendar_days, _EMPTIED_DAY, searched=("note",)),
    GuestTable(calendar_writes, _EMPTIED_WRITE, searched=("new_values", "old_values", "error")),
    GuestTable(reviews, _EMPTIED_OBJECT, match_reservation(reviews.c.reservation_id), searched=("raw_payload",)),
    GuestTable(
        tasks,
        {**_EMPTIED_OBJECT, "title": _erased_text(tasks.c.title)},
        match_reservation(tasks.c.reservation_id),
        searched=("raw_payload",),
    ),
    GuestTable(resources, _EMPTIED_OBJECT, searched=("raw_payload",)),
    HISTORY,
    TOLD,
    GuestTable(alarms, {"sentence": _EMPTIED_ALARM}, searched=("sentence",)),
    GuestTable(verifications, {"certificate": _EMPTIED_CERTIFICATE}, searched=("certificate",)),
)
# They hold numbers, marks and times; `audit_log` ids and counts; `accounts` names persons, but no guests.
TABLES_WITHOUT_GUESTS: Final = frozenset(
    {
        "accounts",
        "api_key_pepper",
        "api_keys",
        "api_limits",
        "audit_log",
        "automation_cursor",
        "automations",
        "calendar_due",
        "calendar_readings",
        "change_clock",
        "database_identity",
        "delivery_audits",
        "forgotten_guests",
        "leases",
        "listings",
        "observations",
        "polled_changes",
        "reader_bindings",
        "redactions",
        "reference_data",
        "reference_readings",
        "request_budget",
        "resource_readings",
        "rights",
        "secrets_store",
        "setbacks",
        "setting_names",
        "source_outages",
        "suspicions",
        "verification_notes",
        "walk_pages",
        "walks",
        "watermarks",
    }
)


def match_mirrored_rows(resource: Resource, guest: Guest) -> sa.ColumnElement[bool]:
    """Return the condition of mirrored rows that belong to a guest."""
    table = MIRRORED[resource]
    if resource is Resource.RESERVATIONS:
        return table.c.id == sa.func.any(guest.ids(resource))
    conversation = table.c.id if resource is Resource.CONVERSATIONS else table.c.conversation_id
    return match_columns(table.c.reservation_id, conversation)(guest)


def erase_payloads(connection: sa.Connection, resource: Resource, guest: Guest) -> int:
    """Erase the guest's data from mirrored rows, all but the fields that may stay; return how many changed."""
    table = MIRRORED[resource]
    payload = sa.cast(table.c.raw_payload, sa.Text).label("payload")
    mine = (table.c.account_id == guest.account_id, match_mirrored_rows(resource, guest))
    rows = connection.execute(sa.select(table.c.id, payload).where(*mine).with_for_update()).all()
    touched = 0
    for row in rows:
        remaining = erasure_rules.remaining_payload(resource, row.payload, guest.words)
        new = sa.cast(sa.literal(remaining, sa.Text), table.c.raw_payload.type)
        statement = sa.update(table).where(
            table.c.account_id == guest.account_id, table.c.id == row.id, table.c.raw_payload != new
        )
        values = {
            "raw_payload": new,
            "payload_hash": erasure_rules.hash_remains(remaining),
            "updated_at": sa.func.now(),
        }
        values |= {
            name: _keep_if_allowed(table.c[name], form) for name, form in erasure_rules.FORMS.items() if name in table.c
        }
        touched += connection.execute(statement.values(values)).rowcount
    return touched


def _keep_if_allowed(column: sa.Column[Any], form: str) -> sa.ColumnElement[Any]:
    """Return an expression that keeps a typed column only in a form that cannot hold personal data."""
    return sa.case((column.regexp_match(f"^({form})$"), column), else_=sa.null())


def erase_quarantine(connection: sa.Connection, guest: Guest, messages: list[int]) -> int:
    """Delete the guest's records in quarantine; empty all records whose owner their id does not tell."""
    table = quarantined_records
    in_account = table.c.account_id == guest.account_id
    listed = sa.literal(messages, sa.ARRAY(sa.BigInteger))
    beside = sa.or_(
        match_target(table.c.resource, table.c.record_id)(guest),
        sa.and_(table.c.resource == Resource.MESSAGES.value, table.c.record_id == sa.func.any(listed)),
    )
    deleted = connection.execute(sa.delete(table).where(in_account, beside)).rowcount
    told = (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS, Resource.MESSAGES)
    nameless = sa.or_(
        sa.and_(table.c.record_id.is_(None), table.c.resource != Resource.LISTINGS.value),
        table.c.resource.not_in([one.value for one in told]),
    )
    emptied = forgotten.keep_size_only(table.c.exact)
    statement = sa.update(table).where(in_account, nameless, table.c.exact != emptied).values(exact=emptied)
    return deleted + connection.execute(statement).rowcount


def identify_guest(connection: sa.Connection, guest: Guest) -> Guest:
    """Return a guest with the texts that identify rows without ids; read them before the guest is erased."""
    traces: set[str] = set()
    names = GuestNames()
    for payload in _payloads_of(connection, guest):
        traces |= guest_traces.find_traces(payload, guest.words)
        names |= find_names(payload, guest.words)
    return replace(guest, traces=tuple(sorted(traces)), names=names)


def _payloads_of(connection: sa.Connection, guest: Guest) -> Iterator[str]:
    """Yield what is stored about the guest's reservations and conversations, deliveries too."""
    rows = [
        (table.c.raw_payload, match_mirrored_rows(resource, guest))
        for resource, table in MIRRORED.items()
        if resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS)
    ]
    rows.append((webhook_log.c.payload, match_target(*_IN_INBOX)(guest)))
    for payload, is_one in rows:
        mine = (payload.table.c.account_id == guest.account_id, is_one, payload.is_not(None))
        query = sa.select(sa.cast(payload, sa.Text)).where(*mine)
        yield from connection.scalars(query.execution_options(yield_per=_BATCH))
