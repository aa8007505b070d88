"""The rule of this database: the payload fields that all processes hide, and how a process may change it.

A process that hides more makes its setting the rule. One that hides less is refused at its start. One that started
before the rule changed is refused in the transaction in which it would write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, StoreBusy, StoreUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import (
    MARK_BYTES,
    Redaction,
    format_rules,
    hides_at_least,
    is_redacted_kind,
    parse_rules,
    redacted_resources,
    require_needed_fields,
)
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.postgres import blocking_sessions
from hostaway_sync.store.tables import redactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostaway_sync.model.records import Shape
    from hostaway_sync.model.redaction import RedactionRule
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.postgres.database import Database

T = TypeVar("T")

SETTING: Final = "HOSTAWAY_SYNC_PAYLOAD_FIELDS"
SHOW: Final = "`hostaway-sync database payload-fields show`"
LOOSEN: Final = "`hostaway-sync database payload-fields set`"
# The sentence does not quote the rule: the redaction of log lines would take it for a guest's address.
_CHANGED: Final = (
    f"which fields of payloads this database hides was changed: set {SETTING} to what {SHOW} prints, and start this"
    " process again"
)
# A transaction that stores payloads has the first lock before it reads the rule; one that changes it, the other.
# A role that may only read can have neither, and what it has conflicts with neither. The first writes nothing anywhere.
_SHARED: Final = "LOCK TABLE {} IN ROW SHARE MODE"
_EXCLUSIVE: Final = "LOCK TABLE {} IN EXCLUSIVE MODE"
_SET_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout TO '1s'"
_LOCK_TIMEOUT: Final = "55P03"


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """The stored rule.

    Attributes:
        text: the rule, written as in the setting; empty: no field is hidden; None: no process has set a rule yet.
        mark: first bytes of the hash of payloads that follow the rule; None: no field is hidden, or no rule is set.
        applied: the mark that all stored rows follow; None: unknown.
    """

    text: str | None = None
    mark: bytes | None = None
    applied: bytes | None = None

    @property
    def rules(self) -> tuple[RedactionRule, ...]:
        """The parsed rules, one a field."""
        return parse_rules(self.text or "")


def read_rule(database: Database) -> PayloadRule:
    """Return the stored rule."""
    return database.transaction(_read, is_one_statement=True)


def parse_own_rules(setting: str, words: Vocabulary) -> tuple[RedactionRule, ...]:
    """Return the rules in the setting of this process.

    Raises:
        ConfigurationError: they hide a field that the mirror itself needs.
    """
    rules = parse_rules(setting)
    try:
        require_needed_fields(rules, words)
    except ValueError as error:
        raise ConfigurationError(f"settings: {SETTING} {error}") from None
    return rules


def require_compatible(rule: PayloadRule, own: tuple[RedactionRule, ...], words: Vocabulary) -> None:
    """Raise ConfigurationError if the rules of this process would store a field that the database hides."""
    if rule.text is None and rule.applied is not None and not own:
        raise ConfigurationError(
            f"this database hides fields of payloads, but {SETTING} is not set: set it as elsewhere"
        )
    if not hides_at_least(own, rule.rules, words):
        raise ConfigurationError(
            f"{SETTING} hides less than this database does: set it to what {SHOW} prints, or loosen that with {LOOSEN}"
        )


def agree_on_redaction(
    database: Database, own: tuple[RedactionRule, ...], secret: bytes, words: Vocabulary
) -> Redaction:
    """Return the redaction by the rule of the database, or by the rules of this process if they hide more.

    Rules that hide more become the rule of the database. The row of the rule must be stored already.

    Raises:
        ConfigurationError: the rules of this process hide less than the rule.
    """

    def decide(rule: PayloadRule) -> tuple[RedactionRule, ...]:
        require_compatible(rule, own, words)
        is_known = rule.text is not None and hides_at_least(rule.rules, own, words)
        return rule.rules if is_known else own

    def tighten(connection: sa.Connection) -> Redaction:
        _wait_for_writers(connection)
        redaction = Redaction(decide(_read(connection)), secret, words)
        _write(connection, redaction)
        return redaction

    rule = read_rule(database)
    redaction = Redaction(decide(rule), secret, words)
    return redaction if redaction.mark == rule.mark else _run_change(database, tighten)


def replace_rule(database: Database, redaction: Redaction | None) -> None:
    """Store a rule, also one that hides less than the stored one; None: no field is hidden."""

    def write(connection: sa.Connection) -> None:
        _wait_for_writers(connection)
        _write(connection, redaction)

    _run_change(database, write)


def delay_rewrites(connection: sa.Connection) -> None:
    """Make a rewriting of payloads wait until this transaction, which copies stored payloads, ends."""
    _lock(connection, _SHARED)


def wait_for_copies(database: Database) -> None:
    """Wait until every transaction ended that may have read payloads before a rewriting.

    Raises:
        StoreBusy: one of them does not end in time.
    """
    _run_change(database, _wait_for_writers)


def guard_payloads(connection: sa.Connection, mark: bytes | None) -> None:
    """Require that the rule has this mark, and keep it until the transaction, which writes payloads, ends.

    Raises:
        ConfigurationError: the database has another rule by now.
    """
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is not None and rule.mark != mark:
        raise ConfigurationError(_CHANGED)


def guard_records(connection: sa.Connection, shape: Shape, hashes: Iterable[bytes]) -> None:
    """Require that hashes of records begin with the mark of the rule; else as `guard_payloads`."""
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is None or shape.resource.value not in redacted_resources(rule.rules, shape.vocabulary):
        return
    if any(digest[:MARK_BYTES] != rule.mark for digest in hashes):
        raise ConfigurationError(_CHANGED)


def guard_days(connection: sa.Connection, hashes: Iterable[bytes]) -> None:
    """Require that hashes of days of calendars begin with the mark of the rule; else as `guard_payloads`."""
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is None or not any(one.resource == Resource.CALENDAR for one in rule.rules):
        return
    if any(digest[:MARK_BYTES] != rule.mark for digest in hashes):
        raise ConfigurationError(_CHANGED)


def guard_objects(connection: sa.Connection, kind: str, hashes: Iterable[bytes]) -> None:
    """Require that hashes of objects of another kind begin with the mark of the rule; else as `guard_payloads`."""
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is None or not is_redacted_kind(kind, rule.rules):
        return
    if any(digest[:MARK_BYTES] != rule.mark for digest in hashes):
        raise ConfigurationError(_CHANGED)


def _read(connection: sa.Connection) -> PayloadRule:
    columns = (redactions.c.rule, redactions.c.rule_mark, redactions.c.applied)
    row = connection.execute(sa.select(*columns)).one_or_none()
    return PayloadRule(*row) if row else PayloadRule()


def _run_change(database: Database, change: Callable[[sa.Connection], T]) -> T:
    """Run a transaction that waits for those that store payloads.

    Raises:
        StoreBusy: one of them does not end in time.
    """
    try:
        return database.transaction(change)
    except StoreUnavailable as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) != _LOCK_TIMEOUT:
            raise
        users = blocking_sessions.find_blocking_sessions(database, redactions.name)
        raise StoreBusy(
            f"which fields of payloads are hidden cannot be changed while payloads are stored by {users.sessions}:"
            f" wait until that ends{users.advice}, then try again; nothing was changed"
        ) from error


def _wait_for_writers(connection: sa.Connection) -> None:
    connection.exec_driver_sql(_SET_LOCK_TIMEOUT)
    _lock(connection, _EXCLUSIVE)


def _lock(connection: sa.Connection, statement: str) -> None:
    """Run a statement that takes a lock until the transaction ends."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    connection.exec_driver_sql(statement.format(quote_identifier(schema, redactions.name)))


def _write(connection: sa.Connection, redaction: Redaction | None) -> None:
    values = {
        "rule": format_rules(redaction.rules) if redaction else "",
        "rule_mark": redaction.mark if redaction else None,
        "updated_at": sa.func.now(),
    }
    # Rows that are stored from now on follow no rule: the next rule must be applied to all rows again.
    forgets = {} if redaction else {"applied": None}
    connection.execute(sa.update(redactions).values(**values, **forgets))
