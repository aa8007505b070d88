"""Variables of libpq that would say, in the URL's place, where a server is or how a session is."""

from __future__ import annotations

import os
from typing import Final

from psycopg.pq import Conninfo

# Options whose variables stay in force: they prove who we are, and make sure of the server and of the way to it.
_PROOFS: Final = (b"ssl", b"gss", b"krb", b"pass", b"require", b"channel_binding")
# The client library sends these to the server, and has no option for them.
_SENT_TO_SERVER: Final = ("PGDATESTYLE", "PGTZ", "PGGEQO")


def ignore_environment() -> None:
    """Take the variables out of this process that say where a server is, or how a session is, in the URL's place.

    libpq reads them at every connection, and has no other way to be told not to. Those that authenticate stay.
    """
    for name in _ignored_variables():
        os.environ.pop(name, None)


def _ignored_variables() -> list[str]:
    known = [option.envvar for option in Conninfo.get_defaults() if not option.keyword.startswith(_PROOFS)]
    return [*(name.decode() for name in known if name is not None), *_SENT_TO_SERVER]
