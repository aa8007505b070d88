"""The tables that hold data of guests, and how the data of one guest is erased from each.

Each table stands in `GUEST_TABLES` or, if it never holds such data, in `TABLES_WITHOUT_GUESTS`; a test checks that
none is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.alarms import AlarmKind
from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.privacy import erasure_rules, forgotten, guest_traces
from hostaway_sync.store.tables import (
    MIRRORED,
    alarms,
    calendar_days,
    dead_letters,
    job_attempts,
    quarantined_records,
    sent_messages,
    sync_run_resources,
    sync_runs,
    verifications,
    webhook_log,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.privacy.forgotten import ForgottenObjects

    Whose = Callable[["Guest"], sa.ColumnElement[bool]]

ERASED: Final = erasure_rules.ERASED
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Guest:
    """What identifies rows of a guest in an account: ids of objects, and `traces`, texts that name this guest only."""

    account_id: int
    objects: ForgottenObjects
    words: Vocabulary
    traces: tuple[str, ...] = ()

    def ids(self, resource: Resource) -> sa.ColumnElement[Any]:
        """Return the ids of the guest's reservations or conversations as an array."""
        is_reservation = resource is Resource.RESERVATIONS
        ids = self.objects.reservations if is_reservation else self.objects.conversations
        return sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))

    def is_named_in(self, words: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a text holds the id of one of the guest's objects."""
        ids = "|".join(map(str, sorted(self.objects.reservations | self.objects.conversations)))
        return words.regexp_match(rf"\m({ids})\M") if ids else sa.false()


@dataclass(frozen=True, slots=True)
class GuestTable:
    """A table that may hold data of guests, and how its rows are found and emptied.

    Attributes:
        table: the table; it has a column `account_id`.
        instead: the new values of emptied rows, by column.
        whose: the condition of rows about a guest; None: only `searched` finds rows.
        searched: columns that are searched for traces and ids; a row with a hit is emptied.
    """

    table: sa.Table
    instead: Mapping[str, Any]
    whose: Whose | None = None
    searched: tuple[str, ...] = ()

    def erase(self, connection: sa.Connection, guest: Guest) -> int:
        """Empty the rows of a guest; return how many changed."""
        found = [self.whose(guest)] if self.whose else []
        for name in self.searched:
            words = sa.cast(self.table.c[name], sa.Text)
            found += [_has_trace(words, guest.traces), guest.is_named_in(words)]
        differs = [self.table.c[name].is_distinct_from(value) for name, value in self.instead.items()]
        statement = sa.update(self.table).where(
            self.table.c.account_id == guest.account_id, sa.or_(sa.false(), *found), sa.or_(*differs)
        )
        return connection.execute(statement.values(dict(self.instead))).rowcount


def match_target(kind: sa.Column[Any], number: sa.Column[Any]) -> Whose:
    """Return the condition of rows that name an object of the guest as their target."""
    kinds = (Resource.RESERVATIONS, Resource.CONVERSATIONS)
    return lambda guest: sa.or_(*(sa.and_(kind == one.value, number == sa.func.any(guest.ids(one))) for one in kinds))


def match_columns(reservation: sa.Column[Any], conversation: sa.Column[Any]) -> Whose:
    """Return the condition of rows with a reservation or a conversation of the guest in one of two columns."""
    return lambda guest: sa.or_(
        reservation == sa.func.any(guest.ids(Resource.RESERVATIONS)),
        conversation == sa.func.any(guest.ids(Resource.CONVERSATIONS)),
    )


def _in_inbox(guest: Guest) -> sa.ColumnElement[bool]:
    """Return the condition of deliveries about an object of the guest, and of those whose object cannot be told."""
    target = match_target(webhook_log.c.target_resource, webhook_log.c.object_id)(guest)
    return sa.or_(target, webhook_log.c.payload.is_(None), webhook_log.c.object_id.is_(None))


def _in_jobs(guest: Guest) -> sa.ColumnElement[bool]:
    objects = [(Resource.RESERVATIONS, number) for number in guest.objects.reservations]
    objects += [(Resource.CONVERSATIONS, number) for number in guest.objects.conversations]
    return job_attempts.c.job.in_([Job(guest.account_id, RefreshTarget(*one)).key for one in objects])


def _in_dead_letters(guest: Guest) -> sa.ColumnElement[bool]:
    target = match_target(dead_letters.c.target_resource, dead_letters.c.target_id)(guest)
    return sa.and_(dead_letters.c.kind == "delivery", target)


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
_EMPTIED_PAYLOAD: Final[Mapping[str, Any]] = {"payload": sa.null(), "headers": sa.null()}
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
GUEST_TABLES: Final = (
    GuestTable(
        sent_messages, _EMPTIED_MESSAGE, match_columns(sent_messages.c.reservation_id, sent_messages.c.conversation_id)
    ),
    GuestTable(webhook_log, _EMPTIED_DELIVERY, _in_inbox, searched=("payload", "error", "headers", "event")),
    GuestTable(dead_letters, {**_EMPTIED_PAYLOAD, **_EMPTIED_ERROR}, _in_dead_letters),
    GuestTable(dead_letters, _EMPTIED_PAYLOAD, searched=("payload", "headers")),
    GuestTable(dead_letters, _EMPTIED_ERROR, searched=("error", "traceback", "history")),
    GuestTable(job_attempts, {"error": ERASED, "traceback": None}, _in_jobs, searched=("error", "traceback")),
    GuestTable(sync_runs, {"error": ERASED}, searched=("error",)),
    GuestTable(sync_run_resources, {"error": ERASED}, searched=("error",)),
    GuestTable(calendar_days, _EMPTIED_DAY, searched=("note",)),
    GuestTable(alarms, {"sentence": _EMPTIED_ALARM}, searched=("sentence",)),
    GuestTable(verifications, {"certificate": _EMPTIED_CERTIFICATE}, searched=("certificate",)),
)
# They hold numbers, marks and times; `audit_log` ids and counts; `accounts` names persons, but no guests.
TABLES_WITHOUT_GUESTS: Final = frozenset(
    {
        "accounts",
        "audit_log",
        "calendar_due",
        "calendar_readings",
        "database_identity",
        "delivery_audits",
        "forgotten_guests",
        "leases",
        "listings",
        "observations",
        "polled_changes",
        "reader_bindings",
        "redactions",
        "request_budget",
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
    """Delete the guest's records in quarantine; empty all records without an id, whose owner cannot be told."""
    table = quarantined_records
    in_account = table.c.account_id == guest.account_id
    listed = sa.literal(messages, sa.ARRAY(sa.BigInteger))
    beside = sa.or_(
        match_target(table.c.resource, table.c.record_id)(guest),
        sa.and_(table.c.resource == Resource.MESSAGES.value, table.c.record_id == sa.func.any(listed)),
    )
    deleted = connection.execute(sa.delete(table).where(in_account, beside)).rowcount
    nameless = sa.and_(table.c.record_id.is_(None), table.c.resource != Resource.LISTINGS.value)
    emptied = forgotten.keep_size_only(table.c.exact)
    statement = sa.update(table).where(in_account, nameless, table.c.exact != emptied).values(exact=emptied)
    return deleted + connection.execute(statement).rowcount


def read_traces(connection: sa.Connection, guest: Guest) -> tuple[str, ...]:
    """Return the texts that identify the guest in rows without ids; read them before the guest is erased."""
    found: set[str] = set()
    for resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS):
        table = MIRRORED[resource]
        query = sa.select(sa.cast(table.c.raw_payload, sa.Text))
        mine = query.where(table.c.account_id == guest.account_id, match_mirrored_rows(resource, guest))
        for payload in connection.scalars(mine.execution_options(yield_per=_BATCH)):
            found |= guest_traces.find_traces(payload, guest.words)
    return tuple(sorted(found))


def _has_trace(words: sa.ColumnElement[str], known: tuple[str, ...]) -> sa.ColumnElement[bool]:
    # Only ASCII letters are lowered: others depend on the locale of the database.
    lowered = sa.func.translate(words, ascii_uppercase, ascii_lowercase)
    return sa.or_(
        sa.false(), *(sa.func.strpos(lowered, form) > 0 for form in sorted(guest_traces.list_spellings(known)))
    )
