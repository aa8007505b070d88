from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import eventually

from hostaway_sync.api.turns import MOST_AT_ONCE

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

    from hostaway_sync.store.postgres.database import Database

LISTINGS = "/api/v1/listings"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'hostaway.listings'::regclass"


def count_waiting(database: Database) -> int:
    """Return how many questions wait for the table."""
    ((found,),) = sql.rows(database, WAITING.replace("::", r"\:\:"))
    return int(found)


def test_a_caller_of_slow_questions_leaves_the_others_room(callers: Callers, database: Database) -> None:
    """Its requests wait for each other without a connection, and are answered in the end."""
    with database.engine.connect() as holder, ThreadPoolExecutor(20) as pool:
        holder.execute(sa.text("LOCK TABLE hostaway.listings IN ACCESS EXCLUSIVE MODE"))
        slow = [pool.submit(callers.of_one.get, LISTINGS) for _ in range(20)]
        eventually(lambda: count_waiting(database) == MOST_AT_ONCE, "as many wait as may")
        assert callers.of_two.get("/api/v1/accounts").status_code == 200
        assert count_waiting(database) == MOST_AT_ONCE
        holder.rollback()
        assert [answer.result().status_code for answer in slow] == [200] * 20
