from __future__ import annotations

import base64
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support.deliveries import ONE_RETRY, QUICK, until
from tests.support.servers.receiver import event, office
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.errors import StoreError
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.db_roles import Staff
    from tests.support.sync_env import Town

    Build = Callable[..., Town]


def test_writer_does_all_but_migrate(town: Build, staff: Staff) -> None:
    """A whole life of an account: added, synced, verified, delivered to, worked off, keys rotated, purged."""
    here = town(store=False, reservations=6)
    writer = staff.hire("sync", staff.groups.writer)
    url = staff.url(writer)
    mirror = here.mirror(database_url=url)
    secret = SecretStr(here.sandbox.accounts[here.account_id].spec.secret)
    mirror.roster.add(here.account_id, secret, name="Casa", customer_id=None)
    assert mirror.sync(here.account_id).state == "success"
    assert mirror.verify(here.account_id, repair=True).state == "equal"
    (number, *_) = here.truth("reservations")
    here.sandbox.account(here.account_id).update_reservation(number, guestName="Another")
    with staff.as_role(writer) as opened:
        ring = KeyRing([MASTER_KEY])
        renew = partial(
            webhook_credentials.renew, safe=ring, account_id=here.account_id, url="https://sync.example.org"
        )
        credentials = opened.transaction(renew)
        with office(opened, ring=ring) as receiver:
            assert receiver.deliver(credentials, event(id=number)).status == 200
    with mirror.push.worker(policy=ONE_RETRY, rhythm=QUICK):
        until(lambda: here.ask("SELECT 1 FROM webhook_log WHERE status = 'processed'"), "it was worked off")
    assert mirror.push.enqueue_syncs() == [here.account_id]
    with mirror.push.worker(policy=ONE_RETRY, rhythm=QUICK, drain=True) as working:
        working.wait()
    assert here.differences() == {}
    assert mirror.status(here.account_id).accounts
    assert mirror.plan(every=timedelta(hours=1))
    keys = b" ".join(base64.b64encode(key) for key in (b"n" * 32, MASTER_KEY)).decode()
    assert here.mirror(database_url=url, master_key=keys).keys.rotate().resealed > 0
    mirror = here.mirror(database_url=url, master_key=keys)
    assert mirror.roster.update(here.account_id, {"customer_id": None, "name": "Casa Rosa"}) == ("name",)
    mirror.roster.remove(here.account_id, purge=True)
    assert here.ask("SELECT count(*) FROM accounts") == [(0,)]
    assert [action for (action,) in here.ask("SELECT action FROM audit_log ORDER BY audit_id")][-1] == "purged"


def test_writer_changes_rows_and_nothing_else(staff: Staff) -> None:
    """No table, no policy, no line of the audit log, nobody's binding."""
    writer = staff.hire("sync", staff.groups.writer)
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
            staff.ask(writer, attempt)


def test_writer_that_migrates_is_refused(town: Build, staff: Staff) -> None:
    """It finds an up-to-date schema in order, and cannot bring an old one up."""
    here = town(store=False)
    mirror = here.mirror(database_url=staff.url(staff.hire("sync", staff.groups.writer)))
    assert mirror.migrate()[0] == mirror.revisions()[1]
    staff.run("UPDATE hostaway.alembic_version SET version_num = '0010'")
    with pytest.raises(StoreError, match="the database refuses us: permission denied for schema"):
        mirror.migrate()
