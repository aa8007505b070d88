from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.project import core_page
from tests.support.records import add_account, at

from hostaway_sync.app.resources import name_core
from hostaway_sync.errors import SchemaOutdated
from hostaway_sync.platforms.hostaway.statuses import VACANT
from hostaway_sync.store.database_move import relocate
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import core_columns, core_views, roles
from hostaway_sync.store.tables import MIRRORED, metadata

if TYPE_CHECKING:
    from tests.support.db_roles import DbRoles


CORE = name_core("core")
KEYS = "source account_id"
PROVENANCE = "source_created_at source_updated_at first_seen_at observed_at missing_since raw_payload"
# The columns of each view are a contract.
VIEWS = {
    "accounts": "account_key name time_zone currency",
    "listings": """listing_id listing_key name internal_name status is_listed listing_type parent_listing_key street
        city region postal_code country_code latitude longitude time_zone utc_offset max_guests bedrooms beds bathrooms
        currency default_check_in_time default_check_out_time""",
    "reservations": """reservation_id reservation_key listing_key unit_key guest_key channel channel_raw
        confirmation_code status status_raw status_reason stay_type stay_state blocks_calendar booked_at confirmed_at
        cancelled_at check_in_date check_out_date check_in_time check_out_time check_in_at check_out_at nights
        guest_count adults children infants pets guest_name guest_first_name guest_last_name guest_email guest_phone
        guest_language currency guest_total accommodation_amount cleaning_fee taxes_amount host_fee_amount host_payout
        paid_amount balance_due unit_count last_message_at""",
    "units": "unit_id unit_key listing_key name",
    "guests": "guest_id guest_key full_name first_name last_name email phone language is_identified",
    "conversations": """conversation_id conversation_key listing_key guest_key channel subject last_message_at
        last_guest_message_at last_host_message_at message_count is_awaiting_reply""",
    "conversation_reservations": "conversation_key reservation_key",
    "messages": """message_id message_key conversation_key reservation_key sent_at sender_type sender_name is_automated
        channel medium body status has_attachments""",
    "calendar_days": """calendar_day_id calendar_day_key listing_key date is_available reason reservation_key price
        currency min_nights is_closed_to_arrival is_closed_to_departure note""",
    "inquiries": """inquiry_id inquiry_key reservation_key listing_key guest_key channel channel_raw status_raw asked_at
        check_in_date check_out_date nights guest_count guest_name guest_email guest_phone guest_language currency
        guest_total last_message_at""",
}
# What may stand under any key of a payload.
ODD_VALUES = (
    "null",
    '""',
    '"text"',
    "[1]",
    '{"a": 1}',
    "1e400",
    '"0000-00-00"',
    '"2026-02-31 25:61:00"',
    "-0.0",
    "true",
)
STAMPED = ("arrival_date", "departure_date", "sent_at", "date")


def columns(database: Database) -> dict[str, list[tuple[str, str | None]]]:
    """Return name and comment of the columns of each view."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for view, _, column, _, comment in sql.rows(database, core_page.COLUMNS):
        found.setdefault(view, []).append((column, comment))
    return found


def insert(database: Database, table: str, **values: object) -> None:
    """Store a row of a mirrored table; its payload may be JSON text."""
    place = metadata.tables[table]
    payload = values.pop("raw_payload", {})
    if isinstance(payload, str):
        payload = sa.cast(sa.literal(payload), place.c.raw_payload.type)
    base = {"observed_at": at(0), "payload_hash": b"", "raw_payload": payload}
    database.transaction(lambda connection: connection.execute(sa.insert(place).values({**base, **values})))


def add_town(database: Database, account_id: int) -> None:
    """Store an account with a row in each mirrored table."""
    add_account(database, account_id)
    insert(database, "listings", account_id=account_id, id=5, raw_payload={"listingUnits": [{"id": 3, "name": "B"}]})
    insert(database, "reservations", account_id=account_id, id=7, listing_id=5, status="inquiry")
    insert(database, "conversations", account_id=account_id, id=8, listing_id=5, reservation_id=7)
    insert(database, "conversation_messages", account_id=account_id, id=9, conversation_id=8, reservation_id=7)
    insert(database, "calendar_days", account_id=account_id, listing_id=5, date=at(0).date())


def payload_keys(view: str) -> list[str]:
    """Return the keys that a view reads out of payloads."""
    texts = [text[view] for text in CORE.sources.values() if view in text]
    records = "".join(re.findall(r"AS \w+ \((.*?)\n\)", "".join(texts), re.DOTALL))
    return re.findall(r'"?(\w+)"? (?:text|jsonb)', records)


def test_views_have_the_columns_of_the_contract(database: Database) -> None:
    """In this order, each with a comment, and so have the views themselves."""
    found = columns(database)
    for view, names in VIEWS.items():
        assert [name for name, _ in found[view]] == f"{KEYS} {names} {PROVENANCE}".split(), view
    assert [name for listed in found.values() for name, comment in listed if not comment] == []
    assert sql.rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'core'\\:\\:regnamespace"
                    " AND relkind = 'v' AND coalesce(obj_description(oid, 'pg_class'), '') = ''") == []  # fmt: skip


def test_page_of_core_is_the_databases_own(database: Database) -> None:
    """`python -m tests.support.project.core_page` renews it."""
    assert core_page.PAGE.read_text(encoding="utf-8").partition(core_page.BEGIN)[2] == core_page.render(database)
    assert core_page.PICTURE.read_text(encoding="utf-8") == core_page.draw_views(database)


def test_views_translate_what_hostaway_says(database: Database) -> None:
    """Keys, words, times by the listing's clock, and amounts; what is not said is null."""
    add_account(database)
    listing = {"name": "Loft", "timeZoneName": "Europe/Oslo", "currencyCode": "NOK", "lat": 59.91, "checkOutTime": 11}
    insert(database, "listings", account_id=1, id=5, raw_payload=listing | {"insertedOn": "2024-02-29 10:00:00"})
    stay = {
        "channelName": "airbnbOfficial", "totalPrice": 512.4, "cleaningFee": "60", "taxAmount": None,
        "checkInTime": 15, "checkOutTime": 0, "reservationUnit": [{"listingUnitId": 31}, {"listingUnitId": 32}],
        "guestName": "", "nights": 3,
    }  # fmt: skip
    dates = {"arrival_date": "2026-07-04", "departure_date": "2026-07-07"}
    typed: dict[str, Any] = {"listing_id": 5, "channel_id": 2018, "status": "modified", **dates}
    insert(database, "reservations", account_id=1, id=7, raw_payload=stay, **typed)
    insert(database, "conversation_messages", account_id=1, id=1, reservation_id=7, status="sent", sent_at=at(5))
    insert(database, "conversation_messages", account_id=1, id=2, reservation_id=7, status="awaiting", sent_at=at(9))
    found = sql.row(database, "SELECT * FROM core.listings")
    assert (found.listing_key, found.listing_id, found.account_id) == ("hostaway:1:5", "5", "1")
    assert (found.name, found.status, found.currency, float(found.latitude)) == ("Loft", "active", "NOK", 59.91)
    assert (str(found.default_check_out_time), found.source_created_at.isoformat()) == (
        "11:00:00", "2024-02-29T10:00:00+00:00",
    )  # fmt: skip
    found = sql.row(database, "SELECT * FROM core.reservations")
    assert (found.listing_key, found.unit_key, found.guest_key) == ("hostaway:1:5", "hostaway:1:31", "hostaway:1:7")
    assert (found.channel, found.status, found.status_raw, found.stay_type) == (
        "airbnb", "confirmed", "modified", "guest",
    )  # fmt: skip
    assert (found.check_in_at.isoformat(), found.check_out_time, found.check_out_at) == (
        "2026-07-04T13:00:00+00:00", None, None,
    )  # fmt: skip
    assert (str(found.guest_total), str(found.accommodation_amount), found.taxes_amount) == ("512.4", "452.4", None)
    assert (found.guest_name, found.nights, found.last_message_at) == ("", 3, at(5))


def test_threads_and_calendars_are_translated(database: Database) -> None:
    """Who waits for an answer, what is scheduled, why a day cannot be booked; automated messages are no answer."""
    add_town(database, 1)
    base: dict[str, Any] = {"account_id": 1, "conversation_id": 8, "reservation_id": 7}
    said = [
        (1, "sent", True, at(5), {"AirbnbOfficialMessageMetadata": {"userName": "Ida"}, "channelId": "2018"}),
        (2, "sent", False, at(7), {"originatedBy": "Automation #3", "communicationType": "email"}),
        (3, "paused", False, at(9), {"attachments": [{"id": 1}]}),
        (4, "lost", False, at(11), {"imagesUrls": "[]"}),
    ]  # fmt: skip
    for number, status, is_incoming, moment, payload in said:
        values = base | {"id": number, "status": status, "is_incoming": is_incoming, "sent_at": moment}
        insert(database, "conversation_messages", raw_payload=payload, **values)
    query = "SELECT sender_type, sender_name, is_automated, channel, medium, status, has_attachments FROM core.messages"
    assert sql.rows(database, f"{query} WHERE message_id < '5' ORDER BY message_id") == [
        ("guest", "Ida", False, "airbnb", None, "sent", False),
        ("host", None, True, None, "email", "sent", False),
        ("host", None, False, None, None, "scheduled", True),
        ("host", None, False, None, None, "unknown", False),
    ]
    query = (
        "SELECT last_guest_message_at, last_host_message_at, message_count, is_awaiting_reply FROM core.conversations"
    )
    assert sql.rows(database, query) == [(at(5), at(7), 2, True)]
    insert(database, "conversation_messages", **base, id=6, status="sent", is_incoming=False, sent_at=at(8))
    assert sql.rows(database, query) == [(at(5), at(8), 3, False)]
    days = [(True, "available"), (False, "reserved"), (False, "mblocked"), (False, "new"), (None, None)]
    for number, (is_available, state) in enumerate(days, 1):
        day = {"date": f"2026-07-0{number}", "is_available": is_available, "status": state, "minimum_stay": 2}
        insert(database, "calendar_days", account_id=1, listing_id=5, **day)
    query = (
        "SELECT reason FROM core.calendar_days WHERE listing_key = 'hostaway:1:5' AND date > '2026-06-01' ORDER BY date"
    )
    assert [reason for (reason,) in sql.rows(database, query)] == [None, "reserved", "blocked", "other", None]
    day_keys = sql.row(
        database, "SELECT calendar_day_id, calendar_day_key FROM core.calendar_days WHERE reason = 'other'"
    )
    assert tuple(day_keys) == ("5/2026-07-04", "hostaway:1:5/2026-07-04")
    unit = sql.row(database, "SELECT unit_id, unit_key, listing_key, name FROM core.units")
    assert tuple(unit) == ("3", "hostaway:1:3", "hostaway:1:5", "B")
    assert sql.rows(database, "SELECT inquiry_key FROM core.inquiries") == [("hostaway:1:7",)]
    assert sql.rows(database, "SELECT * FROM core.conversation_reservations")[0][2:4] == (
        "hostaway:1:8",
        "hostaway:1:7",
    )


STATUSES = {
    "inquiry": "inquiry inquiryPreapproved", "pending": "pending awaitingPayment unconfirmed awaitingGuestVerification",
    "confirmed": "new modified confirmed ownerStay", "cancelled": "cancelled",
    "declined": "declined inquiryDenied inquiryNotPossible", "expired": "expired inquiryTimedout inquiryTimeout",
    "unknown": "unknown brandNew",
}  # fmt: skip
CHANNELS = {
    "airbnb": "airbnb2 airbnbOfficial 2018", "vrbo": "homeaway homeawayical vrboical 2002 2009 2010",
    "booking_com": "bookingCom booking bookingcom 2005", "expedia": "expedia 2007", "ical": "customIcal 2015 2016",
    "direct": "direct bookingengine wordpress 2000 2013 2017", "manual": "manual", "other": "brandNew 2019 2022 9999",
}  # fmt: skip


def test_each_word_of_hostaway_has_its_place(database: Database) -> None:
    """A new one is `unknown` or `other`; what takes days of the calendar is what calendars say of it."""
    add_account(database)
    words = [(unified, word) for unified, listed in STATUSES.items() for word in listed.split()]
    for number, (_, word) in enumerate(words, 1):
        insert(database, "reservations", account_id=1, id=number, status=word)
    found = sql.rows(database, "SELECT status, status_raw, blocks_calendar FROM core.reservations")
    assert sorted((unified, word) for unified, word, _ in found) == sorted(words)
    blocking = {word: blocks for unified, word, blocks in found if unified != "unknown"}
    assert blocking == {word: word not in VACANT for word in blocking}
    assert {blocks for unified, _, blocks in found if unified == "unknown"} == {None}
    for unified, listed in CHANNELS.items():
        for word in listed.split():
            code, name = (int(word), None) if word.isdigit() else (None, word)
            call = "SELECT core.hostaway_channel(CAST(:code AS bigint), CAST(:name AS text)) AS channel"
            assert sql.row(database, call, code=code, name=name).channel == unified, word
    assert sql.row(database, "SELECT core.hostaway_channel(NULL, '') AS channel").channel is None


def test_no_value_of_a_payload_makes_a_view_fail(database: Database) -> None:
    """Each odd value under every key that a view reads, payloads that are no object, the first day and the last."""
    add_account(database)
    payloads = [
        "{" + ", ".join(f"{json.dumps(key)}: {odd}" for key in payload_keys(view)) + "}"
        for view in VIEWS
        for odd in ODD_VALUES
    ]
    assert sum(len(payload_keys(view)) for view in VIEWS) > 40
    payloads += ["[]", '"text"', "null", '{"timeZoneName": "Nowhere/Town"}', '{"timeZoneName": ["UTC"]}']
    days = ("0001-01-01", "9999-12-31", None)
    for number, payload in enumerate(payloads, 1):
        for table in (*(one.name for one in MIRRORED.values()), "calendar_days"):
            values: dict[str, object] = {"listing_id": number, "reservation_id": number, "conversation_id": number}
            values |= {"id": number, "status": payload, "account_id": 1, "raw_payload": payload}
            values |= {"minimum_stay": (-1) ** number * 2**62, "is_incoming": number % 2 == 0}
            values |= dict.fromkeys(STAMPED, days[number % 3] or (at(0) if table == "calendar_days" else None))
            insert(
                database, table, **{name: value for name, value in values.items() if name in metadata.tables[table].c}
            )
    for view in columns(database):
        sql.rows(database, f"SELECT {view}.*, {view}\\:\\:text FROM core.{view}")


def test_words_and_numbers_of_functions_are_exact(database: Database) -> None:
    """What looks like a value is one, and nothing else is."""
    cases = {
        "as_number": {"1": "1", "-1.50": "-1.50", "1e5": None, "9" * 16: None, " 1": None},
        "as_integer": {"2.0": "2", "2.5": None, "9" * 10: None},
        "as_boolean": {"1": "true", "false": "false", "yes": None},
        "as_date": {"2024-02-29": "2024-02-29", "2023-02-29": None, "0000-01-01": None, "2023-01-31 1": "2023-01-31"},
        "as_moment": {
            "2024-02-29 23:59:59": "2024-02-29 23:59:59+00",
            "2024-02-29T01:02:03.5Z": "2024-02-29 01:02:03.5+00",
            "2024-02-30 00:00:00": None,
            "2024-02-29": None,
        },
        "as_hour": {"15": "15:00:00", "24": None, "-1": None, "7.0": "07:00:00"},
        "known_zone": {"Europe/Oslo": "Europe/Oslo", "US/Eastern": "America/New_York", "Nowhere": None},
    }  # fmt: skip
    for function, values in cases.items():
        for text, expected in values.items():
            call = f"SELECT core.{function}(:text)\\:\\:text AS value FROM set_config('TimeZone', 'UTC', false)"
            assert sql.row(database, call, text=text).value == expected, (function, text)


def test_every_known_zone_is_one_of_the_servers(database: Database) -> None:
    """Converting a time into a zone that the server does not know would fail."""
    body = sql.row(database, "SELECT pg_get_functiondef('core.known_zone'\\:\\:regproc) AS text").text
    zones = {name for name in re.findall(r"'([\w/+-]+)'", body) if "/" in name}
    assert len(zones) > 400
    known = {name for (name,) in sql.rows(database, "SELECT name FROM pg_timezone_names")}
    assert {sql.row(database, "SELECT core.known_zone(:zone) AS zone", zone=zone).zone for zone in zones} <= known


def test_reader_sees_its_rows_alone_in_every_view(database: Database, db_roles: DbRoles) -> None:
    """By a plain log-in that is bound to one account; an analyst sees both."""
    for account_id in (1, 2):
        add_town(database, account_id)
        stay = {"status": "new", "arrival_date": "2026-03-01", "departure_date": "2026-03-03"}
        insert(database, "reservations", account_id=account_id, id=17, listing_id=5, **stay)
        word = {"is_incoming": True, "status": "sent", "sent_at": at(0)}
        insert(database, "conversation_messages", account_id=account_id, id=19, conversation_id=8, **word)
    reader = db_roles.create_login("bound")
    db_roles.roles.bind(reader, [2], [])
    db_roles.execute(f"GRANT {db_roles.groups.reader} TO {reader}")
    analyst = db_roles.create_login("anna", db_roles.groups.analyst)
    for view in columns(database):
        counted = f"SELECT account_id, count(*) > 0 FROM core.{view} GROUP BY 1 ORDER BY 1"
        seen = db_roles.rows(analyst, counted)
        assert seen == [("1", True), ("2", True)], view
        assert db_roles.rows(reader, counted) == seen[1:], view


LOOK_UPS = (
    "SELECT status FROM core.reservations WHERE reservation_key = 'hostaway:3:70'",
    "SELECT status FROM core.reservations WHERE reservation_id = '70'",
    "SELECT status FROM core.reservations WHERE listing_key = 'hostaway:3:70'",
    "SELECT name FROM core.listings WHERE listing_id = '70' AND account_id = '3'",
    "SELECT l.name FROM core.reservations r JOIN core.listings l USING (listing_key) WHERE reservation_id = '70'",
    "SELECT full_name FROM core.guests WHERE guest_key = 'hostaway:3:70'",
    "SELECT reason FROM core.calendar_days WHERE listing_key = 'hostaway:3:70' AND date = '2026-01-01'",
    "SELECT body FROM core.messages JOIN core.conversations USING (conversation_key) WHERE conversation_id = '70'",
    "SELECT m.body FROM core.messages m JOIN core.reservations r USING (reservation_key) WHERE reservation_id = '70'",
    "SELECT conversation_key FROM core.conversation_reservations WHERE reservation_key = 'hostaway:3:70'",
)


def test_keys_are_looked_up_and_joined_by_indexes(database: Database, db_roles: DbRoles) -> None:
    """Also as a reader: under row-level security most conditions find no index."""
    filled = "FROM generate_series(1, 4) AS a, generate_series(1, 1500) AS n"
    sql.execute(database, "INSERT INTO accounts (account_id) SELECT generate_series(1, 4)")
    for table, column, values in (
        ("listings", "id", "n"),
        ("reservations", "listing_id, id", "n, n"),
        ("conversations", "reservation_id, id", "n, n"),
        ("conversation_messages", "conversation_id, reservation_id, id", "n, n, n"),
        ("calendar_days", "listing_id, date", "n, '2026-01-01'\\:\\:date"),
    ):
        sql.execute(
            database,
            f"INSERT INTO {table} (account_id, {column}, observed_at, payload_hash, raw_payload)"
            f" SELECT a, {values}, now(), '', '{{}}' {filled}",
        )
        sql.execute(database, f"ANALYZE {table}")
    reader = db_roles.create_login("bound", db_roles.groups.reader)
    db_roles.roles.bind(reader, [3], [])
    for query in LOOK_UPS:
        plan = "\n".join(line for (line,) in db_roles.rows(reader, f"EXPLAIN {query}"))
        assert not re.search("Seq Scan on (?!accounts|reader_bindings|pg_authid)", plan), plan
        assert "core_" in plan, plan


def obstacle(database: Database) -> str:
    """Return why the views cannot be made."""
    found = core_views.create_core(database, CORE)
    assert found is not None
    return found


def test_schema_without_rights_costs_the_views_alone(database: Database, db_roles: DbRoles) -> None:
    """The sentence has what an administrator types; when that was done, the views are made."""
    owner = db_roles.create_login("tenant")
    sql.execute(database, "DROP SCHEMA core CASCADE")
    sql.execute(database, f"GRANT USAGE ON SCHEMA hostaway TO {owner}")
    sql.execute(database, f"GRANT SELECT ON ALL TABLES IN SCHEMA hostaway TO {owner}")
    with db_roles.as_role(owner) as owned:
        assert f'`CREATE SCHEMA "core" AUTHORIZATION "{owner}";`' in obstacle(owned)
        sql.execute(database, "CREATE SCHEMA core")
        assert f'`GRANT USAGE, CREATE ON SCHEMA "core" TO "{owner}";`' in obstacle(owned)
        assert core_views.inspect_core(owned, CORE).obstacle == obstacle(owned)
        sql.execute(database, f'GRANT USAGE, CREATE ON SCHEMA core TO "{owner}"')
        assert core_views.create_core(owned, CORE) is None
        assert core_views.inspect_core(owned, CORE) == core_views.CoreState(())
    sql.execute(database, "DROP SCHEMA core CASCADE")


def test_objects_of_others_are_never_touched(database: Database) -> None:
    """A schema of others gets no view; beside ours a table of another name may stay."""
    sql.execute(database, "DROP SCHEMA core CASCADE")
    sql.execute(database, "CREATE SCHEMA core")
    sql.execute(database, "CREATE TABLE core.mine (n integer)")
    assert "that schema holds mine, which is not ours" in obstacle(database)
    assert '`ALTER SCHEMA "core" RENAME TO "core_old";`' in obstacle(database)
    sql.execute(database, "DROP TABLE core.mine")
    assert core_views.create_core(database, CORE) is None
    sql.execute(database, "CREATE TABLE core.mine (n integer)")
    sql.execute(database, "DROP VIEW core.reservations CASCADE")
    assert core_views.create_core(database, CORE) is None
    sql.execute(database, "DROP VIEW core.reservations CASCADE")
    sql.execute(database, "CREATE VIEW core.reservations AS SELECT 1 AS mine")
    assert "holds reservations, which is not ours" in obstacle(database)
    assert sql.rows(database, "SELECT * FROM core.reservations") == [(1,)]


def test_changed_views_are_replaced_and_grants_stay(database: Database, db_roles: DbRoles) -> None:
    """Also where columns go; views of others that depend on them are named, and stay."""
    sql.execute(database, "DROP VIEW core.listings CASCADE")
    text = CORE.sources["hostaway"]["listings"]
    older = replace(
        CORE,
        sources={
            "hostaway": {**CORE.sources["hostaway"], "listings": text.replace("p.city,", "'a'::varchar AS city,")}
        },
    )
    assert core_views.create_core(database, older) is None
    assert "listings" in core_views.inspect_core(database, CORE).outdated
    sql.execute(database, "CREATE VIEW hostaway.mine AS SELECT city FROM core.listings")
    assert "view mine depends on view core.listings" in obstacle(database) or "hostaway.mine" in obstacle(database)
    sql.execute(database, "DROP VIEW hostaway.mine")
    sql.execute(database, "COMMENT ON VIEW core.accounts IS 'older (hostaway-sync 000000000000)'")
    assert core_views.create_core(database, CORE) is None
    assert core_views.create_core(database, CORE) is None
    roles.restore_grants(database, "core")
    analyst = db_roles.create_login("anna", db_roles.groups.analyst)
    assert db_roles.rows(analyst, "SELECT city FROM core.listings") == []


def test_move_takes_filled_rows_alone_and_makes_core_in_the_target(database: Database, empty_database_url: str) -> None:
    """A `migrate` that was killed must end first, because the target would take all rows for filled."""
    add_town(database, 1)
    with closing(Database(empty_database_url, schema=database.schema, application="hostaway-sync move")) as target:
        sql.execute(database, "DROP INDEX reservations_core_key_idx")
        with pytest.raises(
            SchemaOutdated, match="rows of reservations are not filled yet: run `hostaway-sync migrate`"
        ):
            relocate.move_database(database, target, lambda *_: None, CORE)
        core_columns.finish_columns(database)
        relocate.move_database(database, target, lambda *_: None, CORE)
        assert sql.rows(target, "SELECT reservation_key FROM core.reservations") == [("hostaway:1:7",)]
        assert core_views.inspect_core(target, CORE) == core_views.CoreState(())
