"""Empties a database for the next test: a new copy of the template takes twenty times as long."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa

# Connections that are left, such as those of a killed program, must end before the next test begins.
_TERMINATE_OTHERS = """
WITH others AS MATERIALIZED (
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
)
SELECT count(*) FROM others WHERE NOT pg_terminate_backend(pid, 10000)
"""
_EMPTY = """
DO $$
DECLARE
    place text;
    start bigint;
    used boolean;
    large text[] := '{}';
BEGIN
    -- Neither triggers nor foreign keys: every table is emptied.
    SET LOCAL session_replication_role = replica;
    FOR place IN
        SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'hostaway' AND tablename <> 'alembic_version'
    LOOP
        CONTINUE WHEN pg_relation_size(place::regclass) = 0;
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || place || ')' INTO used;
        -- TRUNCATE makes new files for a table and each of its indexes: some rows are deleted in a tenth of the time.
        IF pg_table_size(place::regclass) > 1000000 THEN
            large := large || place;
        ELSIF used THEN
            EXECUTE 'DELETE FROM ' || place;
        END IF;
    END LOOP;
    IF large <> '{}' THEN
        EXECUTE 'TRUNCATE ' || array_to_string(large, ', ') || ' CASCADE';
    END IF;
    FOR place, start IN
        SELECT format('%I.%I', schemaname, sequencename), start_value FROM pg_sequences WHERE last_value IS NOT NULL
    LOOP
        PERFORM setval(place::regclass, start, false);
    END LOOP;
END $$
"""
# A table without a page has no rows; one with pages may have some.
TABLES_WITH_PAGES = """
SELECT place FROM (
    SELECT format('%I.%I', schemaname, tablename) AS place FROM pg_tables WHERE schemaname = 'hostaway'
) AS tables WHERE pg_relation_size(place::regclass) > 0
"""
# Whatever is created, dropped or set is another row of a catalog: as long as these are equal, so is the shape.
_CATALOGS = """
SELECT concat_ws('|',
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_namespace),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_class),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_attribute),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_proc),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_trigger),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_constraint),
    (SELECT count(*) || ':' || max(xmin::text::bigint) FROM pg_db_role_setting),
    (SELECT version_num FROM hostaway.alembic_version)
)
"""
# Everything that a test may have created, dropped or set besides rows.
_SHAPE = """
SELECT md5(concat_ws('|',
    (SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'),
    (SELECT string_agg(concat_ws(':', n.nspname, c.relname, c.relkind, c.relowner, c.relacl::text, c.relchecks,
        c.relrowsecurity, c.reloptions::text), ',' ORDER BY n.nspname, c.relname)
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
    (SELECT string_agg(concat_ws(':', attrelid::regclass, attname, atttypid, attnotnull, attisdropped, attacl::text),
        ',' ORDER BY attrelid::regclass::text, attnum)
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND attnum > 0),
    (SELECT string_agg(concat_ws(':', oid::regprocedure, md5(prosrc), proconfig::text, proacl::text), ','
        ORDER BY oid::regprocedure::text)
     FROM pg_proc WHERE pronamespace = to_regnamespace('hostaway')),
    (SELECT string_agg(concat_ws(':', tgrelid::regclass, tgname, tgenabled), ',' ORDER BY tgname)
     FROM pg_trigger WHERE NOT tgisinternal),
    (SELECT string_agg(conrelid::regclass || ':' || conname, ',' ORDER BY conrelid::regclass::text, conname)
     FROM pg_constraint WHERE connamespace = to_regnamespace('hostaway')),
    (SELECT version_num FROM hostaway.alembic_version),
    (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting
     WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) OR setdatabase = 0)
))
"""


# By database, its catalogs when its shape was found equal last.
_catalogs: dict[str, str] = {}


def reset_database(url: str, *, like: str) -> bool:
    """Empty a database; return whether its schema equals that of the database at `like`."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            if connection.scalar(sa.text(_TERMINATE_OTHERS)):
                return False
            catalogs = str(connection.scalar(sa.text(_CATALOGS)))
            if _catalogs.get(url) != catalogs:
                if connection.scalar(sa.text(_SHAPE)) != _shape(like):
                    return False
                _catalogs[url] = catalogs
            empty_tables(connection)
    except sa.exc.DBAPIError:
        return False  # the next test gets another database
    return True


def empty_tables(connection: sa.Connection) -> None:
    """Delete all rows, and begin all sequences anew."""
    connection.execute(sa.text(_EMPTY))


@lru_cache
def _shape(url: str) -> str:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        return str(connection.scalar(sa.text(_SHAPE)))
