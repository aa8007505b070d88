"""Remove variables of libpq from the environment that would change where and how the URL connects."""

from __future__ import annotations

import os
from typing import Final

from psycopg.pq import Conninfo

# Options whose variables stay in force: they authenticate us and the server, and protect the connection.
_AUTHENTICATION: Final = (b"ssl", b"gss", b"krb", b"pass", b"require", b"channel_binding")
# libpq sends these to the server, and has no option for them.
_SENT_TO_SERVER: Final = ("PGDATESTYLE", "PGTZ", "PGGEQO")


def ignore_environment() -> None:
    """Remove the variables from this process that set the server's address or the session's settings.

    libpq reads them at every connection and cannot be told to ignore them. Variables that authenticate stay.
    """
    for name in _ignored_variables():
        os.environ.pop(name, None)


def _ignored_variables() -> list[str]:
    known = [option.envvar for option in Conninfo.get_defaults() if not option.keyword.startswith(_AUTHENTICATION)]
    return [*(name.decode() for name in known if name is not None), *_SENT_TO_SERVER]
