"""Dumps of a whole mirror, and a shell, by PostgreSQL's own programs.

    dump       pg_dump → a hidden file beside the wanted one → renamed when it is whole
    restore    pg_restore → SQL → psql, in one transaction that only a whole dump commits; then migrate, grant, settle
    shell      psql, on the terminal

programs          which psql, pg_dump and pg_restore to run
child_environment where they connect to: never by words that others can read
"""

from __future__ import annotations
