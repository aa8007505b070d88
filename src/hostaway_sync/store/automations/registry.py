"""Automations: added, read, disabled, enabled, removed; the secrets of their consumers, and what they met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import AutomationError
from hostaway_sync.store.automations.states import Automation, AutomationRequest, ConsumerSecrets
from hostaway_sync.store.history import feed
from hostaway_sync.store.processes import rights
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import run_secret_transaction
from hostaway_sync.store.tables import automation_cursor, automation_deliveries, automations, dead_letters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from pydantic import SecretStr

    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

_RIGHT: Final = "beginning to tell"
_IS_ACTIVE: Final = automations.c.is_active
IS_ANY_ACTIVE: Final = sa.exists().where(_IS_ACTIVE)
_SEALED: Final = frozenset({"secret", "previous_secret", "whole_url"})
_COLUMNS: Final = tuple(column for column in automations.c if column.name not in _SEALED)
_UNSET: Final = ("failing_since", "not_before_at", "disabled_error", "disabled_at")
_FRESH: Final = dict.fromkeys(_UNSET) | {"failed_rounds": 0}


def add_automation(
    database: Database,
    vault: Vault | SecretWriter,
    request: AutomationRequest,
    secret: SecretStr,
    whole_url: SecretStr | None = None,
) -> int:
    """Store an automation, which is told of changes from now on; return its number.

    Args:
        database: where.
        vault: seals.
        request: what is stored for all to read; of a URL its scheme and host.
        secret: what requests are signed with, or the command.
        whole_url: what is asked; None: a command is run.

    Raises:
        AutomationError: there is one of this name.
        SecretError: its secret cannot be sealed.
    """
    sequence = sa.func.pg_get_serial_sequence(f"{database.schema}.{automations.name}", automations.c.automation_id.name)
    draw = sa.select(sa.func.nextval(sequence))
    number: int = database.transaction(lambda connection: connection.execute(draw).scalar_one(), is_one_statement=True)

    def write(connection: sa.Connection, store: SecretWriter) -> None:
        _skip_past_changes(connection)
        connection.execute(
            sa.insert(automations).values(
                automation_id=number,
                name=request.name,
                events=list(request.events),
                chosen_accounts=None if request.account_ids is None else list(request.account_ids),
                conditions={key: list(values) for key, values in request.conditions.items()},
                url=request.url,
                command=None if request.command is None else list(request.command),
            )
        )
        sealed = {"secret": sealing.seal_value(connection, store, secret, automations.c.secret, number)}
        if whole_url is not None:
            sealed["whole_url"] = sealing.seal_value(connection, store, whole_url, automations.c.whole_url, number)
        connection.execute(_update(number).values(sealed))

    if any(one.name == request.name for one in list_automations(database)):
        raise AutomationError.exists(request.name)
    run_secret_transaction(database, vault, number, write, table=automations)
    return number


def list_automations(database: Database) -> list[Automation]:
    """Return all automations by name, each with how many events wait for it or were given up."""
    return database.transaction(read_automations)


def read_automations(connection: sa.Connection) -> list[Automation]:
    """Return all automations by name, each with its counts, in the transaction of a connection."""
    deliveries = automation_deliveries
    counted = (
        sa.select(
            deliveries.c.automation_id,
            sa.func.count().filter(deliveries.c.state == "waiting").label("waiting"),
            sa.func.count().filter(deliveries.c.state == "dead").label("dead"),
            sa.func.min(deliveries.c.created_at).filter(deliveries.c.state == "waiting").label("waiting_since"),
        )
        .where(deliveries.c.state != "delivered")
        .group_by(deliveries.c.automation_id)
        .subquery()
    )
    query = (
        sa.select(*_COLUMNS, counted.c.waiting, counted.c.dead, counted.c.waiting_since)
        .outerjoin(counted, counted.c.automation_id == automations.c.automation_id)
        .order_by(automations.c.name)
    )
    return [_automation(row, row.waiting or 0, row.dead or 0, row.waiting_since) for row in connection.execute(query)]


def get_automation(database: Database, name: str) -> Automation:
    """Return the automation of a name.

    Raises:
        AutomationError: there is none.
    """
    found = next((one for one in list_automations(database) if one.name == name), None)
    if found is None:
        raise AutomationError.unknown(name)
    return found


def find_automation(connection: sa.Connection, automation_id: int) -> Automation | None:
    """Return an automation without its counts; None: it was removed."""
    row = connection.execute(sa.select(*_COLUMNS).where(automations.c.automation_id == automation_id)).one_or_none()
    return None if row is None else _automation(row)


def list_active(connection: sa.Connection) -> list[Automation]:
    """Return the automations that are told of events, without their counts."""
    rows = connection.execute(sa.select(*_COLUMNS).where(_IS_ACTIVE).order_by(automations.c.automation_id))
    return [_automation(row) for row in rows]


def has_active(connection: sa.Connection) -> bool:
    """Whether any automation is told of events."""
    return bool(connection.scalar(sa.select(IS_ANY_ACTIVE)))


def open_secrets(database: Database, vault: SecretReader, automation_id: int) -> ConsumerSecrets:
    """Return the whole URL, and what requests are signed with: the secret, and the one before while that is valid.

    Raises:
        SecretError, SecretsUnavailable: one cannot be opened.
    """
    columns = (automations.c.secret, automations.c.previous_secret, automations.c.whole_url)
    previous = sa.case((automations.c.previous_until > sa.func.now(), automations.c.previous_secret))
    query = sa.select(columns[0], previous, columns[2]).where(automations.c.automation_id == automation_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none(), is_one_statement=True)
    secret, before, whole_url = (
        vault.open(bytes(kept), sealing.place_of(column, automation_id)) if kept else None
        for kept, column in zip(row or (None, None, None), columns, strict=True)
    )
    return ConsumerSecrets(tuple(key for key in (secret, before) if key is not None), whole_url)


def rotate_secret(
    database: Database, vault: Vault | SecretWriter, automation_id: int, secret: SecretStr, *, valid: timedelta
) -> datetime:
    """Replace the secret; requests are signed with both for so long. Return until when."""

    def write(connection: sa.Connection, store: SecretWriter) -> datetime:
        mine = automations.c.automation_id == automation_id
        kept = connection.execute(sa.select(automations.c.secret).where(mine).with_for_update()).scalar_one()
        # A sealed value does not open in another column: it is sealed anew.
        before = store.open(bytes(kept), sealing.place_of(automations.c.secret, automation_id))
        values = {
            "secret": sealing.seal_value(connection, store, secret, automations.c.secret, automation_id),
            "previous_secret": sealing.seal_value(
                connection, store, before, automations.c.previous_secret, automation_id
            ),
            "previous_until": sa.func.now() + valid,
        }
        until: datetime = connection.execute(
            _update(automation_id).values(values).returning(automations.c.previous_until)
        ).scalar_one()
        return until

    return run_secret_transaction(database, vault, automation_id, write, table=automations)


def enable(connection: sa.Connection, automation_id: int) -> None:
    """Have an automation told again: of what waits for it, and of changes from now on; not of those between."""
    _skip_past_changes(connection)
    values = _FRESH | {"is_active": True, "active_since": sa.func.now()}
    statement = _update(automation_id).where(~_IS_ACTIVE)
    connection.execute(statement.values(values))


def disable(connection: sa.Connection, automation_id: int, *, error: str | None = None) -> bool:
    """Have an automation told no more; return whether it was told before. `error`: why the program does it."""
    disabled_at = None if error is None else sa.func.clock_timestamp()
    values = {"is_active": False, "disabled_error": error, "disabled_at": disabled_at}
    return connection.execute(_update(automation_id).where(_IS_ACTIVE).values(values)).rowcount == 1


def remove_automation(database: Database, vault: Vault | SecretWriter, automation_id: int) -> None:
    """Delete an automation, its secrets, and what waits for it."""

    def write(connection: sa.Connection, _store: SecretWriter) -> None:
        letters = dead_letters.c.job.startswith(f"deliver:{automation_id}:", autoescape=True)
        of_it = (dead_letters.c.kind == "automation", letters, dead_letters.c.resolved_at.is_(None))
        given_up = {"resolved_at": sa.func.now(), "resolution": "discarded"}
        connection.execute(sa.update(dead_letters).where(*of_it).values(given_up))
        of_automation = automation_deliveries.c.automation_id == automation_id
        connection.execute(sa.delete(automation_deliveries).where(of_automation))
        connection.execute(sa.delete(automations).where(automations.c.automation_id == automation_id))

    run_secret_transaction(database, vault, automation_id, write, table=automations)


def note_success(connection: sa.Connection, automation_id: int) -> None:
    """Note that an automation was told of an event."""
    connection.execute(_update(automation_id).values(delivered_at=sa.func.clock_timestamp(), **_FRESH))


def note_failure(connection: sa.Connection, automation_id: int) -> datetime:
    """Note that an automation was not told of an event; return since when nothing has succeeded."""
    since = sa.func.coalesce(automations.c.failing_since, sa.func.clock_timestamp())
    statement = _update(automation_id).values(failing_since=since).returning(automations.c.failing_since)
    moment: datetime = connection.execute(statement).scalar_one()
    return moment


def note_pause(connection: sa.Connection, automation_id: int, *, rounds: int, until: datetime) -> None:
    """Note that a consumer does not answer, and is left alone for a while."""
    connection.execute(_update(automation_id).values(failed_rounds=rounds, not_before_at=until))


def _update(automation_id: int) -> sa.Update:
    return sa.update(automations).where(automations.c.automation_id == automation_id)


def _skip_past_changes(connection: sa.Connection) -> None:
    """Begin with the changes of now where nobody was told of those before."""
    rights.lock_right(connection, _RIGHT)
    if not has_active(connection):
        place = {"cursor": str(feed.find_end(connection))}
        statement = insert(automation_cursor).values(cursor_id=1, **place)
        connection.execute(statement.on_conflict_do_update(index_elements=["cursor_id"], set_=place))


def _automation(
    row: Any,  # noqa: ANN401  (a row)
    waiting: int = 0,
    dead: int = 0,
    waiting_since: datetime | None = None,
) -> Automation:
    return Automation(
        row.automation_id,
        AutomationRequest(
            row.name,
            tuple(row.events),
            None if row.chosen_accounts is None else tuple(row.chosen_accounts),
            {key: tuple(values) for key, values in row.conditions.items()},
            row.url,
            _tuple(row.command),
        ),
        is_active=row.is_active,
        disabled_reason=row.disabled_error,
        active_since=row.active_since,
        failing_since=row.failing_since,
        failed_rounds=row.failed_rounds,
        not_before_at=row.not_before_at,
        delivered_at=row.delivered_at,
        created_at=row.created_at,
        previous_until=row.previous_until,
        disabled_at=row.disabled_at,
        waiting=waiting,
        waiting_since=waiting_since,
        dead=dead,
    )


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
