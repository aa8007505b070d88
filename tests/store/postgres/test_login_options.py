"""The server's refusal of a log-in with unknown options."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from hostaway_sync.store.embedded import EmbeddedPostgres


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-cfoo=bar", '"foo"'),
        ("--xx", "xx"),
        ("-c", ""),
        ("-cwork_mem=1", "work_mem"),
        ("-cwork_mem=plenty", "work_mem"),
        ("-cstatement_timeout=abc", "statement_timeout"),
        ("-cdefault_transaction_isolation=x", "default_transaction_isolation"),
        ("-cTimeZone=Nowhere/Nothing", "TimeZone"),
        ("-cmax_connections=7", "max_connections"),
        ("-cserver_version=15", "server_version"),
        ("-q", ""),
        ("nothing", ""),
    ],
)
def test_login_with_wrong_options_blames_the_url(server: EmbeddedPostgres, options: str, words: str) -> None:
    """No statement ran, so that no table is wrong and none must be restored."""
    url = server.url().replace("postgresql+psycopg", "postgresql")
    sign = "&" if "?" in url else "?"
    database = Database(f"{url}{sign}options={quote(options)}", schema="hostaway", patience=0)
    with pytest.raises(
        ConfigurationError, match=r"^HOSTAWAY_SYNC_DATABASE_URL cannot be used: .*; correct its options"
    ) as caught:
        database.transaction(lambda connection: connection.execute(sa.text("SELECT 1")))
    database.close()
    assert words in str(caught.value)
    assert caught.value.exit_code == 78
    assert not {"backup", "tables"} & set(str(caught.value).split())
