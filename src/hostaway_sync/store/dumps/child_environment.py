"""How a program of PostgreSQL's is told where to connect: by variables, which other users cannot read, not by words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from psycopg import pq
from psycopg.conninfo import make_conninfo

from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    import sqlalchemy as sa

# Of our settings, which hold secrets, these programs need none.
_OURS: Final = "HOSTAWAY_SYNC_"
_SECRET: Final = b"*"


def connection_of(url: sa.URL, *, application: str, options: str = "") -> tuple[dict[str, str], list[str]]:
    """Return the environment of a program, and what its command line needs beside it, which is no secret.

    Args:
        url: of the database.
        application: the name under which the server lists the connection.
        options: settings of the session, as PGOPTIONS has them.

    Raises:
        ConfigurationError: an option of the URL is a secret that has no variable.
    """
    wanted = {name: str(value) for name, value in _parameters(url).items()} | {"application_name": application}
    wanted["options"] = f"{wanted.get('options', '')} {options}".strip()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    words = {}
    known = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    for name, value in wanted.items():
        option = known[name]
        if option.envvar is not None:
            environment[option.envvar.decode()] = value
        elif option.dispchar == _SECRET:
            raise ConfigurationError(
                f"the option {name} of HOSTAWAY_SYNC_DATABASE_URL cannot be handed on without showing it to all users"
                " of this machine: use a key file without a password"
            )
        else:
            words[name] = value
    return environment, [f"--dbname={make_conninfo(**words)}"] if words else []


def _parameters(url: sa.URL) -> dict[str, object]:
    names = {"user": url.username, "password": url.password, "host": url.host, "port": url.port, "dbname": url.database}
    return {name: value for name, value in names.items() if value is not None} | dict(url.query)
