"""The secret that payload fields are hashed with, and the rewriting of rows that were stored under another rule.

The first bytes of a row's hash name the rule that it follows, so a rewriting that was killed goes on, and rewrites each
row once. It can only hide fields: a field that is no longer hidden comes back with the next full sync.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.postgres import change_settings
from hostaway_sync.store.privacy import erasure_rules, payload_rule, record_history
from hostaway_sync.store.privacy.object_rewrite import DAYS, objects_of, rewrite_objects
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import open_stored_secret, run_secret_transaction
from hostaway_sync.store.tables import MIRRORED, dead_letters, quarantined_records, redactions, webhook_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostaway_sync.model.redaction import Redaction, RedactionRule, Redactor
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

    Step = Callable[..., tuple[int, Any]]

BATCH: Final = 500
_ONLY_ID: Final = 1
_AS_RECEIVED: Final = b"\x01"

log = logging.getLogger(__name__)


def open_redaction(
    database: Database, vault: Callable[[], Vault], rules: Iterable[RedactionRule], words: Vocabulary
) -> Redaction | None:
    """Return the redaction of payloads, with the secret of this database, made on first use; None: no rules are set.

    Raises:
        ConfigurationError: the rules hide less than the rule of the database.
        SecretError: the secret cannot be opened.
        SecretsUnavailable: the store of the secret does not answer.
    """
    rules = tuple(rules)
    payload_rule.require_compatible(payload_rule.read_rule(database), rules, words)
    return (
        payload_rule.agree_on_redaction(database, rules, get_or_create_secret(database, vault()), words)
        if rules
        else None
    )


def get_or_create_secret(database: Database, vault: Vault) -> bytes:
    """Return the secret that fields are hashed with; it is made on first use.

    Raises:
        SecretError, SecretsUnavailable: as `open_redaction`.
    """
    secret = _read_secret(database, vault) or run_secret_transaction(
        database, vault, _ONLY_ID, _store_secret, table=redactions
    )
    return bytes.fromhex(secret.get_secret_value())


def rewrite_stored_payloads(database: Database, redaction: Redaction) -> int:
    """Hide the fields of the rule in all stored rows, unless that was done; return how many rows were rewritten.

    While another process rewrites them, it returns 0.
    """
    applied = sa.select(redactions.c.applied)
    if database.transaction(lambda connection: connection.scalar(applied)) == redaction.mark:
        return 0
    with database.claim("rewriting of payloads") as is_ours:
        if not is_ours:
            return 0
        rows = sum(_run_all_batches(database, step) for step in _steps(redaction))
        # A dead letter is a copy of deliveries. From here on all deliveries are rewritten, and so are copies of them.
        payload_rule.wait_for_copies(database)
        rows += _run_all_batches(database, partial(_rewrite_dead_letters, redactor=redaction.deliveries))
        done = sa.update(redactions).values(applied=redaction.mark, updated_at=sa.func.now())
        database.transaction(lambda connection: connection.execute(done))
    log.info("payload fields: rewrote %d stored rows by HOSTAWAY_SYNC_PAYLOAD_FIELDS", rows)
    return rows


def _read_secret(database: Database, vault: SecretReader) -> SecretStr | None:
    query = sa.select(redactions.c.secret)
    return open_stored_secret(
        vault,
        lambda: database.transaction(lambda connection: connection.scalar(query), is_one_statement=True),
        sealing.place_of(redactions.c.secret, _ONLY_ID),
    )


def _store_secret(connection: sa.Connection, store: SecretWriter) -> SecretStr:
    """Store a new secret, unless another process was faster; return the stored one."""
    sealed = sealing.seal_value(connection, store, SecretStr(os.urandom(32).hex()), redactions.c.secret, _ONLY_ID)
    new = insert(redactions).values(redaction_id=_ONLY_ID, secret=sealed)
    connection.execute(new.on_conflict_do_nothing())
    kept: bytes = connection.execute(sa.select(redactions.c.secret)).scalar_one()
    return store.open(bytes(kept), sealing.place_of(redactions.c.secret, _ONLY_ID))


def _run_all_batches(database: Database, step: Step) -> int:
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
            steps.append(partial(_rewrite_rows, resource=resource, redactor=redactor, mark=redaction.mark))
            steps.append(partial(_rewrite_quarantine, resource=resource, redactor=redactor, mark=redaction.mark))
    rest = [(Resource.CALENDAR.value, DAYS, redaction.vocabulary.day_keys)]
    rest += [(kind, objects_of(kind), keys) for kind, keys in redaction.vocabulary.object_keys.items()]
    for name, objects, keys in rest:
        redactor = redaction.redactor_for(name)
        if redactor is not None:
            hide = partial(rewrite_objects, objects=objects, keys=keys, redactor=redactor)
            steps.append(partial(hide, mark=redaction.mark, limit=BATCH))
            steps.append(partial(_rewrite_quarantine, resource=name, redactor=redactor, mark=redaction.mark))
    steps.append(partial(_rewrite_deliveries, redactor=redaction.deliveries))
    return [*steps, *_history_steps(redaction)]


def _history_steps(redaction: Redaction) -> list[Step]:
    steps: list[Step] = []
    vocabulary = redaction.vocabulary
    found = {str(name): redaction.redactor_for(name) for name in (*MIRRORED, *vocabulary.object_keys)}
    redactors = {name: redactor for name, redactor in found.items() if redactor is not None}
    if redactors:
        steps.append(partial(record_history.rewrite_changes, redactors=redactors, limit=BATCH))
    of_days = redaction.redactor_for(Resource.CALENDAR.value)
    if of_days is not None:
        steps.append(partial(record_history.rewrite_day_changes, redactor=of_days, keys=vocabulary.day_keys))
    return steps


def _rewrite_rows(
    connection: sa.Connection, after: tuple[int, int] | None, *, resource: Resource, redactor: Redactor, mark: bytes
) -> tuple[int, tuple[int, int] | None]:
    change_settings.silence_changes(connection)
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
    payloads = [redactor.redact(row.payload) for row in rows]
    columns = (
        sa.cast([row.account_id for row in rows], sa.ARRAY(sa.BigInteger)),
        sa.cast([row.id for row in rows], sa.ARRAY(sa.BigInteger)),
        sa.cast(payloads, sa.ARRAY(sa.Text)),
    )
    names = (sa.column("account_id", sa.BigInteger), sa.column("id", sa.BigInteger), sa.column("payload", sa.Text))
    new = sa.func.unnest(*columns).table_valued(*names, name="new").render_derived()
    payload = sa.cast(new.c.payload, table.c.raw_payload.type)
    # The received bytes are unknown by now: the next sync compares the payloads, and stores the hash again.
    values = {
        "raw_payload": payload,
        "payload_hash": sa.literal(mark, sa.LargeBinary),
        "updated_at": sa.case((table.c.raw_payload == payload, table.c.updated_at), else_=sa.func.now()),
    }
    mine = (table.c.account_id == new.c.account_id, table.c.id == new.c.id)
    connection.execute(sa.update(table).where(*mine).values(values))
    return len(rows), (rows[-1].account_id, rows[-1].id)


def _rewrite_quarantine(
    connection: sa.Connection, after: int | None, *, resource: str, redactor: Redactor, mark: bytes
) -> tuple[int, int | None]:
    table = quarantined_records
    number, kept = table.c.quarantine_id, sa.func.substring(table.c.payload_hash, 1, MARK_BYTES)
    query = sa.select(number, table.c.payload_hash, table.c.exact).where(
        table.c.resource == str(resource), number > (after or 0), kept != sa.literal(mark, sa.LargeBinary)
    )
    rows = connection.execute(query.order_by(number).limit(BATCH).with_for_update()).all()
    for row in rows:
        received, exact = bytes(row.payload_hash), bytes(row.exact)
        # The new hash is taken over received bytes; bytes that were hidden before keep their old hash to stay distinct.
        is_received = received[:1] == _AS_RECEIVED and not exact.startswith(erasure_rules.ERASED_BYTES)
        digest = redactor.digest(exact) if is_received else mark + received[-16:]
        values = {"payload_hash": digest, "exact": _hide_fields(redactor, exact)}
        connection.execute(sa.delete(table).where(table.c.payload_hash == digest, number != row.quarantine_id))
        connection.execute(sa.update(table).where(number == row.quarantine_id).values(values))
    return len(rows), rows[-1].quarantine_id if rows else None


def _rewrite_deliveries(connection: sa.Connection, after: Any, *, redactor: Redactor) -> tuple[int, Any]:  # noqa: ANN401  (a key)
    table = webhook_log
    query = sa.select(table.c.id, sa.cast(table.c.payload, sa.Text).label("payload"), table.c.body)
    query = query if after is None else query.where(table.c.id > after)
    rows = connection.execute(query.order_by(table.c.id).limit(BATCH).with_for_update()).all()
    touched = 0
    for row in rows:
        body = bytes(row.body)
        if row.payload is None:
            values: dict[str, Any] = {"body": _hide_fields(redactor, body)}
        else:
            payload = redactor.redact(row.payload)
            values = {"payload": sa.cast(sa.literal(payload, sa.Text), table.c.payload.type), "body": payload.encode()}
        differs = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
        touched += connection.execute(sa.update(table).where(table.c.id == row.id, differs).values(values)).rowcount
    return touched, rows[-1].id if rows else None


def _rewrite_dead_letters(
    connection: sa.Connection, after: int | None, *, redactor: Redactor
) -> tuple[int, int | None]:
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


def _hide_fields(redactor: Redactor, exact: bytes) -> bytes:
    """Return bytes with the fields hidden; erased bytes stay as they are."""
    return exact if exact.startswith(erasure_rules.ERASED_BYTES) else redactor.redact_exact(exact, None)
