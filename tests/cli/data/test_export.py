from __future__ import annotations

import csv
import io
import json
import stat
from typing import TYPE_CHECKING

from tests.support import sql
from tests.support.sync_env import mirrored_env

from hostaway_sync.store.queries.exports import EXPORTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

SPOIL = """
UPDATE reservations SET raw_payload = raw_payload || '{"guestName": "=HYPERLINK(\\"http://x\\")", "totalPrice": -12.5,
    "guestFirstName": "Zo\\u00eb;=1", "guestLastName": "a\\n+1"}' WHERE id = :id
"""
DAYS = "SELECT reservation_id, check_in_date FROM core.reservations WHERE missing_since IS NULL ORDER BY 2, 1"
REFUSED = (
    (("guests_of_mine",), 2, "guests_of_mine"),
    (("listings", "--from", "2026-01-01"), 2, "rows of listings have no day: leave --from and --to out"),
    (("reservations", "--from", "2026-02-02", "--to", "2026-02-01"), 2, "the last day is included"),
    (("reservations", "--from", "02/01/2026"), 2, "is not a day: give YYYY-MM-DD"),
    (("reservations", "--account", "4"), 1, "account 4 is not known here"),
    (("reservations", "--timeout", "0"), 2, "--timeout"),
)


def test_reservations_come_as_a_spreadsheet_reads_them(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """No cell is a formula, a negative number is a number, and both forms have the rows of the view in their order."""
    env = mirrored_env(sync_env)
    found = sql.rows(env.database, DAYS)
    number, day = found[3]
    sql.execute(env.database, SPOIL.replace(":id", number))
    done = program(env, "export", "reservations")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert [row["reservation_id"] for row in rows] == [str(one) for one, _ in found]
    assert "raw_payload" not in rows[0]
    spoilt = rows[3]
    names = {name: spoilt[f"guest_{name}"] for name in ("name", "first_name", "last_name", "total")}
    assert names == {
        "name": '\'=HYPERLINK("http://x")',
        "first_name": "Zoë;'=1",
        "last_name": "a\n'+1",
        "total": "-12.5",
    }
    assert {row["blocks_calendar"] for row in rows} <= {"true", "false", ""}

    whole = program(env, "export", "reservations", "--format", "jsonl", "--from", str(day), "--to", str(day))
    objects = [json.loads(line) for line in whole.stdout.splitlines()]
    assert [one["reservation_id"] for one in objects] == [str(one) for one, at in found if at == day]
    assert objects[0]["guest_total"] == -12.5 or len(objects) > 1

    file = tmp_path / "out.csv"
    file.write_text("old", encoding="utf-8")
    written = program(env, "export", "reservations", "--account", str(env.account_id), "-o", str(file))
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert file.read_bytes().decode().replace("\r\n", "\n") == done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_missing_rows_are_left_out_unless_asked_for(sync_env: Build, program: Program) -> None:
    """What Hostaway no longer has is no row of a sum."""
    env = mirrored_env(sync_env)
    sql.execute(env.database, "UPDATE listings SET missing_since = now() WHERE id = (SELECT min(id) FROM listings)")
    every = len(env.truth("listings"))
    for words, wanted in (((), every - 1), (("--with-missing",), every)):
        done = program(env, "export", "listings", "--format", "jsonl", *words)
        assert len(done.stdout.splitlines()) == wanted


def test_refused_export_says_what_to_do(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """One sentence, and a file that is there stays as it is."""
    env = sync_env()
    file = tmp_path / "out.csv"
    file.write_text("old", encoding="utf-8")
    for words, code, sentence in REFUSED:
        done = program(env, "export", *words, "-o", str(file))
        assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    sql.execute(env.database, "DROP VIEW core.listings CASCADE")
    done = program(env, "export", "listings", "-o", str(file))
    assert (done.returncode, "there is no view core.listings: `hostaway-sync migrate` makes it" in done.stderr) == (
        1,
        True,
    )
    assert file.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_every_export_has_its_view(sync_env: Build, program: Program) -> None:
    """Each gives a line of names, and its day is a column; where the view is not there, a sentence says so."""
    env = sync_env()
    views = {name for (name,) in sql.rows(env.database, "SELECT viewname FROM pg_views WHERE schemaname = 'core'")}
    assert {"accounts", "listings", "reservations"} <= views
    for name, one in EXPORTS.items():
        done = program(env, "export", name.value)
        if one.view in views:
            assert (done.returncode, done.stderr) == (0, "")
            assert one.day is None or one.day in done.stdout.splitlines()[0].split(",")
        else:
            assert (done.returncode, f"there is no view core.{one.view}" in done.stderr) == (1, True)
