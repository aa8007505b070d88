"""The secret that fields are hashed with, and rows that were stored under another setting, rewritten.

A row says by the beginning of its hash which rule it follows, so a rewriting that was killed goes on, and takes each
row once. Only what is hidden can be done so: what is no longer hidden comes with the next whole reading.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.privacy import erasure_rules, payload_rule
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import open_stored_secret, run_secret_transaction
from hostaway_sync.store.tables import MIRRORED, dead_letters, quarantined_records, redactions, webhook_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostaway_sync.model.records import Resource
    from hostaway_sync.model.redaction import Redaction, RedactionRule, Redactor
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

    Step = Callable[..., tuple[int, Any]]

BATCH: Final = 500
_ONE: Final = 1
_AS_RECEIVED: Final = b"\x01"

log = logging.getLogger(__name__)


def open_redaction(
    database: Database, vault: Callable[[], Vault], rules: Iterable[RedactionRule], words: Vocabulary
) -> Redaction | None:
    """Return how payloads are hidden, with the database's own secret, made on first use; without rules, None.

    Raises:
        ConfigurationError: the rules hide less than the database's.
        SecretError: the secret does not open.
        SecretsUnavailable: the store it lies in is away.
    """
    rules = tuple(rules)
    payload_rule.require_compatible(payload_rule.read_rule(database), rules, words)
    return (
        payload_rule.agree_on_redaction(database, rules, get_or_create_secret(database, vault()), words)
        if rules
        else None
    )


def get_or_create_secret(database: Database, vault: Vault) -> bytes:
    """Return what fields are hashed with; made on first use.

    Raises:
        SecretError, SecretsUnavailable: as `open_redaction`.
    """
    secret = _stored(database, vault) or run_secret_transaction(database, vault, _ONE, _made, table=redactions)
    return bytes.fromhex(secret.get_secret_value())


def rewrite_stored_payloads(database: Database, redaction: Redaction) -> int:
    """Hide in all stored rows what the setting hides, unless that is done; give how many rows were rewritten.

    If another process is at it, nothing is done.
    """
    applied = sa.select(redactions.c.applied)
    if database.transaction(lambda connection: connection.scalar(applied)) == redaction.mark:
        return 0
    with database.claim("rewriting of payloads") as is_ours:
        if not is_ours:
            return 0
        rows = sum(_whole(database, step) for step in _steps(redaction))
        # A dead letter is a copy of deliveries. From here on there are none but rewritten ones to copy.
        payload_rule.wait_for_copies(database)
        rows += _whole(database, partial(_letters, redactor=redaction.deliveries))
        done = sa.update(redactions).values(applied=redaction.mark, updated_at=sa.func.now())
        database.transaction(lambda connection: connection.execute(done))
    log.info("%d stored rows follow HOSTAWAY_SYNC_PAYLOAD_FIELDS now", rows)
    return rows


def _stored(database: Database, vault: SecretReader) -> SecretStr | None:
    query = sa.select(redactions.c.secret)
    return open_stored_secret(
        vault,
        lambda: database.transaction(lambda connection: connection.scalar(query), is_one_statement=True),
        sealing.place_of(redactions.c.secret, _ONE),
    )


def _made(connection: sa.Connection, store: SecretWriter) -> SecretStr:
    """Make the secret, unless somebody else was faster."""
    sealed = sealing.seal_value(connection, store, SecretStr(os.urandom(32).hex()), redactions.c.secret, _ONE)
    new = insert(redactions).values(redaction_id=_ONE, secret=sealed)
    connection.execute(new.on_conflict_do_nothing())
    kept: bytes = connection.execute(sa.select(redactions.c.secret)).scalar_one()
    return store.open(bytes(kept), sealing.place_of(redactions.c.secret, _ONE))


def _whole(database: Database, step: Step) -> int:
    rows, after = 0, None
    while True:
        touched, after = database.transaction(partial(step, after=after))
        rows += touched
        if after is None:
            return rows


def _steps(redaction: Redaction) -> list[Step]:
    steps: list[Step] = []
    for resource in MIRRORED:
        redactor = redaction.redactor_for(resource)
        if redactor is not None:
            steps.append(partial(_rows, resource=resource, redactor=redactor, mark=redaction.mark))
            steps.append(partial(_quarantine, resource=resource, redactor=redactor, mark=redaction.mark))
    steps.append(partial(_deliveries, redactor=redaction.deliveries))
    return steps


def _rows(
    connection: sa.Connection, after: tuple[int, int] | None, *, resource: Resource, redactor: Redactor, mark: bytes
) -> tuple[int, tuple[int, int] | None]:
    table = MIRRORED[resource]
    key = sa.tuple_(table.c.account_id, table.c.id)
    query = sa.select(table.c.account_id, table.c.id, sa.cast(table.c.raw_payload, sa.Text).label("payload"))
    begins = partial(sa.func.substring, table.c.payload_hash, 1)
    is_erased = begins(1) == sa.literal(erasure_rules.HASH_RULE, sa.LargeBinary)
    query = query.where(
        begins(MARK_BYTES) != sa.literal(mark, sa.LargeBinary), ~is_erased, key > sa.tuple_(*(after or (0, 0)))
    )
    rows = connection.execute(query.order_by(table.c.account_id, table.c.id).limit(BATCH).with_for_update()).all()
    if not rows:
        return 0, None
    covered = [redactor.redact(row.payload) for row in rows]
    columns = (
        sa.cast([row.account_id for row in rows], sa.ARRAY(sa.BigInteger)),
        sa.cast([row.id for row in rows], sa.ARRAY(sa.BigInteger)),
        sa.cast(covered, sa.ARRAY(sa.Text)),
    )
    names = (sa.column("account_id", sa.BigInteger), sa.column("id", sa.BigInteger), sa.column("payload", sa.Text))
    new = sa.func.unnest(*columns).table_valued(*names, name="new").render_derived()
    payload = sa.cast(new.c.payload, table.c.raw_payload.type)
    # What the bytes were is not known any more: the next reading compares the payloads, and takes the hash over.
    values = {
        "raw_payload": payload,
        "payload_hash": sa.literal(mark, sa.LargeBinary),
        "updated_at": sa.case((table.c.raw_payload == payload, table.c.updated_at), else_=sa.func.now()),
    }
    mine = (table.c.account_id == new.c.account_id, table.c.id == new.c.id)
    connection.execute(sa.update(table).where(*mine).values(values))
    return len(rows), (rows[-1].account_id, rows[-1].id)


def _quarantine(
    connection: sa.Connection, after: int | None, *, resource: Resource, redactor: Redactor, mark: bytes
) -> tuple[int, int | None]:
    table = quarantined_records
    number, kept = table.c.quarantine_id, sa.func.substring(table.c.payload_hash, 1, MARK_BYTES)
    query = sa.select(number, table.c.payload_hash, table.c.exact).where(
        table.c.resource == resource.value, number > (after or 0), kept != sa.literal(mark, sa.LargeBinary)
    )
    rows = connection.execute(query.order_by(number).limit(BATCH).with_for_update()).all()
    for row in rows:
        received, exact = bytes(row.payload_hash), bytes(row.exact)
        # Of untouched bytes the new hash is known; else they were covered before, and the old one serves to tell them.
        is_received = received[:1] == _AS_RECEIVED and not exact.startswith(erasure_rules.ERASED_BYTES)
        digest = redactor.digest(exact) if is_received else mark + received[-16:]
        values = {"payload_hash": digest, "exact": _covered(redactor, exact)}
        connection.execute(sa.delete(table).where(table.c.payload_hash == digest, number != row.quarantine_id))
        connection.execute(sa.update(table).where(number == row.quarantine_id).values(values))
    return len(rows), rows[-1].quarantine_id if rows else None


def _deliveries(connection: sa.Connection, after: Any, *, redactor: Redactor) -> tuple[int, Any]:  # noqa: ANN401  (a key)
    table = webhook_log
    query = sa.select(table.c.id, sa.cast(table.c.payload, sa.Text).label("payload"), table.c.body)
    query = query if after is None else query.where(table.c.id > after)
    rows = connection.execute(query.order_by(table.c.id).limit(BATCH).with_for_update()).all()
    touched = 0
    for row in rows:
        body = bytes(row.body)
        if row.payload is None:
            values: dict[str, Any] = {"body": _covered(redactor, body)}
        else:
            payload = redactor.redact(row.payload)
            values = {"payload": sa.cast(sa.literal(payload, sa.Text), table.c.payload.type), "body": payload.encode()}
        differs = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
        touched += connection.execute(sa.update(table).where(table.c.id == row.id, differs).values(values)).rowcount
    return touched, rows[-1].id if rows else None


def _letters(connection: sa.Connection, after: int | None, *, redactor: Redactor) -> tuple[int, int | None]:
    table = dead_letters
    query = sa.select(table.c.dead_letter_id, sa.cast(table.c.payload, sa.Text).label("payload")).where(
        table.c.dead_letter_id > (after or 0), table.c.payload.is_not(None)
    )
    rows = connection.execute(query.order_by(table.c.dead_letter_id).limit(BATCH).with_for_update()).all()
    touched = 0
    for row in rows:
        new = sa.cast(sa.literal(redactor.redact(row.payload), sa.Text), table.c.payload.type)
        mine = (table.c.dead_letter_id == row.dead_letter_id, table.c.payload != new)
        touched += connection.execute(sa.update(table).where(*mine).values(payload=new)).rowcount
    return touched, rows[-1].dead_letter_id if rows else None


def _covered(redactor: Redactor, exact: bytes) -> bytes:
    """Give what is kept of bytes; of what says so already, the same."""
    return exact if exact.startswith(erasure_rules.ERASED_BYTES) else redactor.redact_exact(exact, None)
