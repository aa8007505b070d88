"""The causes of alarms that a run saw, and the alarms that stand after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.alarms import AlarmFindings, AlarmKind, AlarmUpdate, Cause, update_alarms
from hostaway_sync.model.health import describe_differences
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.store.runs import alarms, certificates, leases

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from hostaway_sync.model.records import ResourceReport
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.runs.leases import Lease

Key = tuple[AlarmKind, str]


def find_causes(
    reports: Mapping[str, ResourceReport], whole: Collection[Resource], braked: Collection[str]
) -> AlarmFindings:
    """Return what a run saw.

    A list that was read whole is a sweep of it. So is any reading of messages, because it reads all threads that are
    due, and any of calendars and of the other kinds. A resource that is wrong only because another one was not whole
    causes no alarm of its own, and one that is excused neither causes nor ends one.

    Args:
        reports: how each resource ended.
        whole: lists that the run was to read whole.
        braked: resources of which suspiciously many rows were gone, so that none was marked missing.
    """
    causes: list[Cause] = []
    gone: set[Key] = set()
    swept: set[Key] = set()
    for resource, report in reports.items():
        if report.is_excused:
            continue
        is_sweep = resource in {*whole, Resource.MESSAGES, Resource.CALENDAR} or resource not in set(Resource)
        partial, brake = (AlarmKind.PARTIAL, str(resource)), (AlarmKind.BRAKE, str(resource))
        sentence = f"{resource}: {report.error}"
        if resource in braked:
            causes.append(Cause(AlarmKind.BRAKE, str(resource), sentence, needs_sweep=True))
            swept.add(partial)
        elif report.state is RunState.SUCCESS:
            gone |= {partial, brake}
            swept |= {partial, brake} if is_sweep else set()
        elif report.away is None and report.caused_by is None:
            is_doubt = report.state is RunState.PARTIAL and resource in whole
            causes.append(Cause(AlarmKind.PARTIAL, str(resource), sentence, needs_sweep=is_doubt))
    return AlarmFindings(tuple(causes), frozenset(gone), frozenset(swept))


def settle_alarms(database: Database, lease: Lease, found: AlarmFindings) -> AlarmUpdate:
    """Store which alarms of an account stand after a run, and return them.

    Raises:
        LeaseLost: another run took over.
    """

    def write(connection: sa.Connection) -> AlarmUpdate:
        leases.fence_transaction(connection, lease)
        now: datetime = connection.scalars(sa.select(sa.func.now())).one()
        before = alarms.list_standing(connection, lease.account_id).get(lease.account_id, ())
        standing = update_alarms(before, _with_certificate(connection, lease.account_id, found), now)
        alarms.store_alarms(connection, lease.account_id, standing)
        return standing

    return database.transaction(write)


def read_unchanged_alarms(database: Database, account_id: int, *, tells: bool = False) -> AlarmUpdate:
    """Return the alarms that stand for an account, for a run that looks at nothing; with `tells`, all as news."""
    standing = database.transaction(lambda c: alarms.list_standing(c, account_id)).get(account_id, ())
    return AlarmUpdate(standing, reported=standing if tells else ())


def _with_certificate(connection: sa.Connection, account_id: int, found: AlarmFindings) -> AlarmFindings:
    certificate = certificates.find_effective(connection, account_id).get(account_id)
    if certificate is None or not certificate.damage:
        return replace(found, swept=found.swept | {(AlarmKind.DIFFERS, "")})
    when = f"at {certificate.verified_at:%Y-%m-%d %H:%M} UTC"
    cause = Cause(AlarmKind.DIFFERS, "", describe_differences(account_id, certificate, when))
    return replace(found, causes=(*found.causes, cause))
