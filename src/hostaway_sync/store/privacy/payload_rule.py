"""Which fields of payloads this database has hidden, whatever a process is told: the rule, and who may change it.

A process that hides more makes its setting the rule. One that hides less is refused at its start; one that was started
before the rule began, or began to hide more, is refused in the transaction in which it would write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, StoreBusy, StoreUnavailable
from hostaway_sync.model.redaction import (
    MARK_BYTES,
    Redaction,
    format_rules,
    hides_at_least,
    parse_rules,
    redacted_resources,
    require_needed_fields,
)
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
# The rule itself would not pass the gate of sentences: to that, it looks like a guest's address.
_CHANGED: Final = (
    f"which fields of payloads this database hides was changed: set {SETTING} to what {SHOW} prints, and start this"
    " process again"
)
# A transaction that stores payloads has the first lock before it reads the rule; one that changes it, the other.
# A role that may only read can have neither, and what it has conflicts with neither. The first writes nothing anywhere.
_SHARED: Final = "LOCK TABLE {}.redactions IN ROW SHARE MODE"
_ALONE: Final = "LOCK TABLE {}.redactions IN EXCLUSIVE MODE"
_PATIENCE: Final = "SET LOCAL lock_timeout TO '1s'"
_LOCK_TIMEOUT: Final = "55P03"


@dataclass(frozen=True, slots=True)
class PayloadRule:
    """What the database remembers.

    Attributes:
        text: the rule, as the setting would have it; empty: nothing is hidden. None: no process has set one yet.
        mark: how the hash of a payload begins that follows it; None: nothing is hidden, or no process has set one.
        applied: the mark that all stored rows follow; None: not known.
    """

    text: str | None = None
    mark: bytes | None = None
    applied: bytes | None = None

    @property
    def rules(self) -> tuple[RedactionRule, ...]:
        """The fields."""
        return parse_rules(self.text or "")


def read_rule(database: Database) -> PayloadRule:
    """Return the rule."""
    return database.transaction(_read, is_one_statement=True)


def parse_own_rules(setting: str, words: Vocabulary) -> tuple[RedactionRule, ...]:
    """Return the rules of a process's own.

    Raises:
        ConfigurationError: they hide what the mirror itself needs.
    """
    rules = parse_rules(setting)
    try:
        require_needed_fields(rules, words)
    except ValueError as error:
        raise ConfigurationError(f"settings: {SETTING} {error}") from None
    return rules


def require_compatible(rule: PayloadRule, own: tuple[RedactionRule, ...], words: Vocabulary) -> None:
    """Raise ConfigurationError if a process with rules of its own would show what the database hides."""
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
    """Return how payloads are hidden, by the rule of the database or by a process's own, which hides more.

    What hides more is the rule from then on. The database has its row already.

    Raises:
        ConfigurationError: the rule hides what these do not.
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
    return redaction if redaction.mark == rule.mark else _changing(database, tighten)


def replace_rule(database: Database, redaction: Redaction | None) -> None:
    """Make a rule that of the database, whatever it shows; None: nothing is hidden."""

    def write(connection: sa.Connection) -> None:
        _wait_for_writers(connection)
        _write(connection, redaction)

    _changing(database, write)


def delay_rewrites(connection: sa.Connection) -> None:
    """Have a rewriting of payloads wait until the transaction, which copies stored ones as they are, ends."""
    _lock(connection, _SHARED)


def wait_for_copies(database: Database) -> None:
    """Wait until no transaction is open that may have read payloads as they were before a rewriting.

    Raises:
        StoreBusy: one of them does not end.
    """
    _changing(database, _wait_for_writers)


def guard_payloads(connection: sa.Connection, mark: bytes | None) -> None:
    """Make sure that payloads which follow the rule of a mark may be written until the transaction ends.

    Raises:
        ConfigurationError: the database has another rule by now.
    """
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is not None and rule.mark != mark:
        raise ConfigurationError(_CHANGED)


def guard_records(connection: sa.Connection, shape: Shape, hashes: Iterable[bytes]) -> None:
    """Make sure that records with these hashes, which begin with a mark, may be written: as `guard_payloads`."""
    _lock(connection, _SHARED)
    rule = _read(connection)
    if rule.mark is None or shape.resource.value not in redacted_resources(rule.rules, shape.vocabulary):
        return
    if any(digest[:MARK_BYTES] != rule.mark for digest in hashes):
        raise ConfigurationError(_CHANGED)


def _read(connection: sa.Connection) -> PayloadRule:
    columns = (redactions.c.rule, redactions.c.rule_mark, redactions.c.applied)
    row = connection.execute(sa.select(*columns)).one_or_none()
    return PayloadRule(*row) if row else PayloadRule()


def _changing(database: Database, change: Callable[[sa.Connection], T]) -> T:
    """Run a transaction that waits for those that store payloads.

    Raises:
        StoreBusy: one of them does not end.
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
    connection.exec_driver_sql(_PATIENCE)
    _lock(connection, _ALONE)


def _lock(connection: sa.Connection, statement: str) -> None:
    """Have a lock until the transaction ends."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    connection.exec_driver_sql(statement.format(connection.dialect.identifier_preparer.quote(schema)))


def _write(connection: sa.Connection, redaction: Redaction | None) -> None:
    values = {
        "rule": format_rules(redaction.rules) if redaction else "",
        "rule_mark": redaction.mark if redaction else None,
        "updated_at": sa.func.now(),
    }
    # Rows that are stored from now on follow no rule: the next one has to look at all of them again.
    forgets = {} if redaction else {"applied": None}
    connection.execute(sa.update(redactions).values(**values, **forgets))
