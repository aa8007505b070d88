from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.support import sql
from tests.support.deliveries import deliver
from tests.support.messages import message_case
from tests.support.project.json_outline import outline
from tests.support.records import add_account

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

EVENT = "at kind says resource record_id change_id before after cause cause_id"
# What the history keeps of this stay: it came a day late and cost less, and was gone for a while; the days followed.
CHANGES = """
INSERT INTO changes (account_id, resource, record_id, change, keys, before, after, cause, position)
SELECT :account, resource, record, change, ARRAY(SELECT jsonb_object_keys(before)), before, after, 'sync', position
FROM (VALUES
    ('reservations', CAST(:reservation AS text), 'updated', '{"totalPrice": 10.50, "arrivalDate": "2026-01-01"}'::jsonb,
     (SELECT jsonb_build_object('totalPrice', raw_payload->'totalPrice', 'arrivalDate', raw_payload->'arrivalDate')
      FROM reservations WHERE id = CAST(:reservation AS bigint)), 1),
    ('reservations', :reservation, 'missing', NULL, NULL, 2),
    ('reservations', :reservation, 'returned', NULL, NULL, 3),
    ('calendar', CAST(:first AS text), 'updated', '{"status": "available"}', '{"status": "reserved"}', 4),
    ('calendar', CAST(:former AS text), 'updated', '{"status": "reserved"}', '{"status": "available"}', 4),
    ('calendar', CAST(:other AS text), 'updated', '{"status": "available"}', '{"status": "reserved"}', 4),
    ('reservations', '1', 'updated', '{"status": "a"}', '{"status": "b"}', 5)
) AS change (resource, record, change, before, after, position)
"""
COPY = """
INSERT INTO reservations (account_id, id, observed_at, payload_hash, raw_payload)
SELECT account.account_id, 7, observed_at, payload_hash, raw_payload
FROM reservations CROSS JOIN accounts AS account
"""


def test_life_of_a_stay_is_told_from_all_tables(sync_env: Build, program: Program) -> None:
    """Booked, moved, cheaper, gone and back, its days, its thread, what was sent and delivered: each once, in order."""
    case = message_case(sync_env)
    env, stay = case.env, str(case.reservation_id)
    case.send("The key is under the mat")
    env.mirror().sync.run(env.account_id)
    deliver(env.database, env.account_id, Resource.RESERVATIONS, case.reservation_id)
    deliver(env.database, env.account_id, Resource.CONVERSATIONS, case.conversation_id)
    deliver(env.database, env.account_id, Resource.LISTINGS, case.reservation_id)
    listing, arrival = sql.row(
        env.database, "SELECT listing_id, arrival_date FROM reservations WHERE id = :id", id=case.reservation_id
    )
    days = {"first": f"{listing}/{arrival}", "former": f"{listing}/2026-01-01", "other": f"{listing}/2020-01-01"}
    sql.execute(env.database, CHANGES, account=env.account_id, reservation=stay, **days)
    done = program(env, "history", stay)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines)
    said = [line[21:] for line in lines]
    assert re.fullmatch(r"booked: 2026-01-01 to .+, \d guests?, 10\.50 [A-Z]{3}, status \w+, by \w+", said[0])
    in_order = (
        'we, by \\S+, \\w+: "The key is under the mat"',
        r"our message 1: sent as message \d+",
        "delivery reservation.updated: pending",
        "delivery reservation.updated: pending",
        rf"dates 2026-01-01 to .* → {arrival} to .*; price 10\.50 .* → .* \(sync\)",
        r"missing: the source no longer has it \(sync\)",
        r"back at the source \(sync\)",
        rf"calendar {arrival}: status available → reserved \(sync\)",
        r"calendar 2026-01-01: status reserved → available \(sync\)",
    )
    places = [next(place for place, line in enumerate(said) if re.fullmatch(words, line)) for words in in_order]
    assert places == sorted(places)
    texts = sql.rows(env.database, "SELECT id FROM conversation_messages WHERE reservation_id = :id", id=int(stay))
    assert sum(line.startswith(("guest", "host")) for line in said) == len(texts) - 1
    assert len(said) == 1 + len(in_order) + len(texts) - 1
    document: dict[str, Any] = json.loads(program(env, "history", stay, "--json").stdout)
    keys = f"account_id reservation_id events[{EVENT}|"
    assert outline(document).startswith(keys)
    assert [event["says"] for event in document["events"]] == [re.sub(r" \(sync\)$", "", line) for line in said]
    assert (document["account_id"], document["reservation_id"]) == (str(env.account_id), stay)


def test_a_reservation_that_is_not_clear_is_one_sentence(sync_env: Build, program: Program) -> None:
    """Unknown ones end with 1, one of several accounts with 2; `--account` chooses."""
    env = sync_env(listings=1, reservations=1)
    env.mirror().sync.run(env.account_id)
    one, two = env.account_id, env.account_id + 1
    add_account(env.database, two)
    sql.execute(env.database, COPY)
    for words, code, sentence in (
        (("7",), 2, f"accounts {one}, {two} have a reservation 7: use --account"),
        (("8",), 1, "no account has a reservation 8 here: sync first, or check the id"),
        (("8", "--account", str(one)), 1, f"account {one} has no reservation 8 here: sync first"),
        (("7", "--account", "99"), 1, "account 99 is not known here"),
    ):
        done = program(env, "history", *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
        assert sentence in done.stderr
    assert program(env, "history", "7", "--account", str(two)).stdout.count("booked") == 1
    # A damaged payload is no failure.
    sql.execute(env.database, f"""UPDATE reservations SET raw_payload = '"x"' WHERE account_id = {two}""")
    done = program(env, "history", "7", "--account", str(two))
    assert (done.returncode, done.stdout.count("first seen: - to -, status -")) == (0, 1)
