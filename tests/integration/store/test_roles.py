from __future__ import annotations

import base64
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK, eventually
from tests.support.servers.receiver import event, running_receiver
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.db_roles import DbRoles
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_writer_can_do_everything_but_migrate(sync_env: Build, db_roles: DbRoles) -> None:
    """An account is added, synced, verified, delivered to, its jobs done, its keys rotated, and it is purged."""
    env = sync_env(store=False, reservations=6)
    writer = db_roles.create_login("sync", db_roles.groups.writer)
    url = db_roles.url(writer)
    mirror = env.mirror(database_url=url)
    secret = SecretStr(env.sandbox.accounts[env.account_id].spec.secret)
    mirror.accounts.add(env.account_id, secret, name="Casa", customer_id=None)
    assert mirror.sync.run(env.account_id).state == "success"
    assert mirror.sync.verify(env.account_id, repair=True).state == "equal"
    (number, *_) = env.truth("reservations")
    env.sandbox.account(env.account_id).update_reservation(number, guestName="Another")
    with db_roles.as_role(writer) as opened:
        ring = KeyRing([MASTER_KEY])
        renew = partial(
            webhook_credentials.renew_credentials, vault=ring, account_id=env.account_id, url="https://sync.example.org"
        )
        credentials = opened.transaction(renew)
        with running_receiver(opened, ring=ring) as receiver:
            assert receiver.deliver(credentials, event(id=number)).status == 200
    with mirror.jobs.start_worker(policy=ONE_RETRY, timings=QUICK):
        eventually(
            lambda: sql.rows(env.database, "SELECT 1 FROM webhook_log WHERE status = 'processed'"), "it was worked off"
        )
    assert mirror.jobs.enqueue_syncs() == [env.account_id]
    with mirror.jobs.start_worker(policy=ONE_RETRY, timings=QUICK, drain=True) as working:
        working.wait()
    assert env.differences() == {}
    assert mirror.status.overview(env.account_id).accounts
    assert mirror.status.forecast(every=timedelta(hours=1))
    keys = b" ".join(base64.b64encode(key) for key in (b"n" * 32, MASTER_KEY)).decode()
    assert env.mirror(database_url=url, master_key=keys).secrets.rotate().resealed > 0
    mirror = env.mirror(database_url=url, master_key=keys)
    assert mirror.accounts.update(env.account_id, {"customer_id": None, "name": "Casa Rosa"}) == ("name",)
    mirror.accounts.remove(env.account_id, purge=True)
    assert sql.rows(env.database, "SELECT count(*) FROM accounts") == [(0,)]
    assert [action for (action,) in sql.rows(env.database, "SELECT action FROM audit_log ORDER BY audit_id")][
        -1
    ] == "purged"


def test_writer_may_change_rows_only(db_roles: DbRoles) -> None:
    """No table, no policy, no line of the audit log, and no reader's binding."""
    writer = db_roles.create_login("sync", db_roles.groups.writer)
    for attempt in (
        "CREATE TABLE more (id integer)",
        "ALTER TABLE accounts ADD COLUMN more text",
        "ALTER TABLE listings DISABLE ROW LEVEL SECURITY",
        "DROP POLICY readers ON listings",
        "TRUNCATE listings",
        "UPDATE audit_log SET os_user = 'nobody'",
        "DELETE FROM audit_log",
        "UPDATE alembic_version SET version_num = '0001'",
        "INSERT INTO reader_bindings (role_name, bound_account_id) VALUES ('x', 1)",
    ):
        with pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|must be owner"):
            db_roles.rows(writer, attempt)


def test_writer_that_migrates_is_refused(sync_env: Build, db_roles: DbRoles) -> None:
    """It finds a present schema in order, and cannot migrate an old one."""
    env = sync_env(store=False)
    mirror = env.mirror(database_url=db_roles.url(db_roles.create_login("sync", db_roles.groups.writer)))
    assert mirror.migrate()[0] == mirror.database.revisions()[1]
    db_roles.execute("UPDATE hostaway.alembic_version SET version_num = '0010'")
    with pytest.raises(ConfigurationError, match="the database refuses us: permission denied for schema"):
        mirror.migrate()
