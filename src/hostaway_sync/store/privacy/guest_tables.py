"""Which tables hold words of guests, and how one guest's are taken out of each.

Each table stands in `GUEST_TABLES` or, if it never holds such words, in `TABLES_WITHOUT_GUESTS`; a test checks that
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
    """A guest, as far as rows of an account can be known by it; `traces` are texts that nobody else has."""

    account_id: int
    objects: ForgottenObjects
    words: Vocabulary
    traces: tuple[str, ...] = ()

    def ids(self, resource: Resource) -> sa.ColumnElement[Any]:
        """Give the ids of the guest's objects as an array."""
        is_reservation = resource is Resource.RESERVATIONS
        ids = self.objects.reservations if is_reservation else self.objects.conversations
        return sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))

    def is_named_in(self, words: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Tell texts in which the id of one of these objects stands."""
        ids = "|".join(map(str, sorted(self.objects.reservations | self.objects.conversations)))
        return words.regexp_match(rf"\m({ids})\M") if ids else sa.false()


@dataclass(frozen=True, slots=True)
class GuestTable:
    """A table that may hold words of a guest.

    Attributes:
        table: with `account_id`.
        instead: by column, what stands there afterwards.
        whose: which rows are about the guest; None: only what is searched tells.
        searched: columns in which a trace or an id tells, and only those rows lose what `instead` names.
    """

    table: sa.Table
    instead: Mapping[str, Any]
    whose: Whose | None = None
    searched: tuple[str, ...] = ()

    def erase(self, connection: sa.Connection, guest: Guest) -> int:
        """Take a guest out; give from how many rows."""
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
    """Tell rows by the object that they are about."""
    kinds = (Resource.RESERVATIONS, Resource.CONVERSATIONS)
    return lambda guest: sa.or_(*(sa.and_(kind == one.value, number == sa.func.any(guest.ids(one))) for one in kinds))


def match_columns(reservation: sa.Column[Any], conversation: sa.Column[Any]) -> Whose:
    """Tell rows by the columns that name a reservation or a conversation."""
    return lambda guest: sa.or_(
        reservation == sa.func.any(guest.ids(Resource.RESERVATIONS)),
        conversation == sa.func.any(guest.ids(Resource.CONVERSATIONS)),
    )


def _in_inbox(guest: Guest) -> sa.ColumnElement[bool]:
    """Tell deliveries by their object, or because nobody can say what is in them."""
    target = match_target(webhook_log.c.target_resource, webhook_log.c.object_id)(guest)
    return sa.or_(target, webhook_log.c.payload.is_(None), webhook_log.c.object_id.is_(None))


def _in_jobs(guest: Guest) -> sa.ColumnElement[bool]:
    objects = [(Resource.RESERVATIONS, number) for number in guest.objects.reservations]
    objects += [(Resource.CONVERSATIONS, number) for number in guest.objects.conversations]
    return job_attempts.c.job.in_([Job(guest.account_id, RefreshTarget(*one)).key for one in objects])


def _in_letters(guest: Guest) -> sa.ColumnElement[bool]:
    target = match_target(dead_letters.c.target_resource, dead_letters.c.target_id)(guest)
    return sa.and_(dead_letters.c.kind == "delivery", target)


def _untold(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Say of a sentence that it is erased; where there was none, there is none."""
    return sa.case((column.is_not(None), sa.literal(ERASED)), else_=column)


_UNTOLD: Final[Mapping[str, Any]] = {
    "error": ERASED,
    "traceback": None,
    "history": sa.literal_column("'[]'::jsonb"),
}
_UNSENT = sent_messages.c.state == sa.literal_column("'pending'")
_UNSAID: Final[Mapping[str, Any]] = {
    "body": ERASED,
    "body_hash": b"",
    "error": _untold(sent_messages.c.error),
    # What waits to be sent must not be: it has no words any more, and nobody to hear them.
    "state": sa.case((_UNSENT, sa.literal_column("'failed'")), else_=sent_messages.c.state),
    "proof": sa.case((_UNSENT, sa.literal_column("'person'")), else_=sent_messages.c.proof),
    "settled_at": sa.case((_UNSENT, sa.func.now()), else_=sent_messages.c.settled_at),
}
_UNDELIVERED: Final = {**forgotten.EMPTIED_DELIVERY, "error": _untold(webhook_log.c.error)}
_LETTER: Final[Mapping[str, Any]] = {"payload": sa.null(), "headers": sa.null()}
# A certificate says of each resource what went wrong.
_CERTIFIED: Final = sa.cast(
    sa.func.regexp_replace(
        sa.cast(verifications.c.certificate, sa.Text),
        r'"(error|note)": "(?:[^"\\]|\\.)*"',
        rf'"\1": "{ERASED}"',
        "g",
    ),
    verifications.c.certificate.type,
)
# An alarm goes on standing, and must go on saying what to do.
_STILL_WRONG: Final = sa.func.format(
    sa.literal_column("'%s: what is wrong was %s; `hostaway-sync %s %s%s` says it anew'"),
    sa.func.coalesce(sa.func.nullif(alarms.c.resource, ""), "verify"),
    ERASED,
    sa.case((alarms.c.kind == AlarmKind.DIFFERS.value, "verify"), else_="sync"),
    alarms.c.account_id,
    sa.case((alarms.c.needs_sweep, " --full"), else_=""),
)
GUEST_TABLES: Final = (
    GuestTable(sent_messages, _UNSAID, match_columns(sent_messages.c.reservation_id, sent_messages.c.conversation_id)),
    GuestTable(webhook_log, _UNDELIVERED, _in_inbox, searched=("payload", "error", "headers", "event")),
    GuestTable(dead_letters, {**_LETTER, **_UNTOLD}, _in_letters),
    GuestTable(dead_letters, _LETTER, searched=("payload", "headers")),
    GuestTable(dead_letters, _UNTOLD, searched=("error", "traceback", "history")),
    GuestTable(job_attempts, {"error": ERASED, "traceback": None}, _in_jobs, searched=("error", "traceback")),
    GuestTable(sync_runs, {"error": ERASED}, searched=("error",)),
    GuestTable(sync_run_resources, {"error": ERASED}, searched=("error",)),
    GuestTable(alarms, {"sentence": _STILL_WRONG}, searched=("sentence",)),
    GuestTable(verifications, {"certificate": _CERTIFIED}, searched=("certificate",)),
)
# Numbers, marks and times; of `audit_log`, ids and counts. `accounts` has people, but no guests.
TABLES_WITHOUT_GUESTS: Final = frozenset(
    {
        "accounts",
        "audit_log",
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
    """Tell the rows of the mirror that are of a guest."""
    table = MIRRORED[resource]
    if resource is Resource.RESERVATIONS:
        return table.c.id == sa.func.any(guest.ids(resource))
    conversation = table.c.id if resource is Resource.CONVERSATIONS else table.c.conversation_id
    return match_columns(table.c.reservation_id, conversation)(guest)


def erase_payloads(connection: sa.Connection, resource: Resource, guest: Guest) -> int:
    """Leave of the guest's rows in the mirror what may stay; give how many lost anything."""
    table = MIRRORED[resource]
    payload = sa.cast(table.c.raw_payload, sa.Text).label("payload")
    mine = (table.c.account_id == guest.account_id, match_mirrored_rows(resource, guest))
    rows = connection.execute(sa.select(table.c.id, payload).where(*mine).with_for_update()).all()
    touched = 0
    for row in rows:
        staying = erasure_rules.remaining_payload(resource, row.payload, guest.words)
        new = sa.cast(sa.literal(staying, sa.Text), table.c.raw_payload.type)
        statement = sa.update(table).where(
            table.c.account_id == guest.account_id, table.c.id == row.id, table.c.raw_payload != new
        )
        values = {"raw_payload": new, "payload_hash": erasure_rules.hash_remains(staying), "updated_at": sa.func.now()}
        values |= {name: _fitting(table.c[name], form) for name, form in erasure_rules.FORMS.items() if name in table.c}
        touched += connection.execute(statement.values(values)).rowcount
    return touched


def _fitting(column: sa.Column[Any], form: str) -> sa.ColumnElement[Any]:
    """Leave a typed column as it is where it has no room for a person."""
    return sa.case((column.regexp_match(f"^({form})$"), column), else_=sa.null())


def erase_quarantine(connection: sa.Connection, guest: Guest, messages: list[int]) -> int:
    """Delete what was kept beside the guest's rows; of records without an id nobody can say whose they are."""
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
    """Give the texts by which the guest can be known where no id is; they are nowhere once the guest is erased."""
    found: set[str] = set()
    for resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS):
        table = MIRRORED[resource]
        query = sa.select(sa.cast(table.c.raw_payload, sa.Text))
        mine = query.where(table.c.account_id == guest.account_id, match_mirrored_rows(resource, guest))
        for payload in connection.scalars(mine.execution_options(yield_per=_BATCH)):
            found |= guest_traces.find_traces(payload, guest.words)
    return tuple(sorted(found))


def _has_trace(words: sa.ColumnElement[str], known: tuple[str, ...]) -> sa.ColumnElement[bool]:
    # Small letters of ASCII alone: others depend on the locale of the database.
    lowered = sa.func.translate(words, ascii_uppercase, ascii_lowercase)
    return sa.or_(
        sa.false(), *(sa.func.strpos(lowered, form) > 0 for form in sorted(guest_traces.list_spellings(known)))
    )
