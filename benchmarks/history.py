"""What the history of changes costs: a first sync, the same again, and one in which every row changed.

In pairs, without and with the triggers that write it, so that a machine with other work disturbs both alike. Seconds
are of the processor, of the program and of the server together, and the median of all pairs counts.

python benchmarks/history.py [RESERVATIONS [PAIRS]]
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from stage import Stage, play, stage

from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database

TARGETS = {"first": 1.03, "unchanged": 1.03, "changed": 1.25}
TABLES = ("reservations", "watermarks", "walks", "walk_pages", "changes")
FORGET_ALL = f"TRUNCATE {', '.join(f'hostaway.{table}' for table in TABLES)}"
CHANGE_ALL = """
UPDATE hostaway.reservations SET payload_hash = '\\x00',
    raw_payload = raw_payload || jsonb_build_object('status', 'other', 'numberOfGuests', id, 'isPaid', 'unknown')
"""
TRIGGERS = ("note_inserted", "note_updated")
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """The embedded server of a stage: its tables, and the time of the processor that it used."""

    def __init__(self, on: Stage) -> None:
        place = Path(on.environment["HOSTAWAY_SYNC_DATA_DIR"]) / "postgresql"
        self._embedded = EmbeddedPostgres(place)
        self._embedded.start()
        self._database = Database(self._embedded.url(), schema="hostaway")
        (found,) = place.rglob("postmaster.pid")
        self._pid = int(found.read_text(encoding="ascii").split()[0])

    def execute(self, *statements: str) -> None:
        """Run statements, each by itself."""
        with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SET statement_timeout = 0"))
            for statement in statements:
                connection.execute(sa.text(statement))

    def read_cpu(self) -> float:
        """Return the seconds of the processor that ended sessions used, this one's not."""
        time.sleep(0.5)
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def close(self) -> None:
        """Leave the server."""
        self._database.disconnect()
        self._embedded.release()


def main() -> None:
    """Measure pairs, and print them."""
    size = int(sys.argv[1]) if sys.argv[1:] else 50_000
    pairs = int(sys.argv[2]) if sys.argv[2:] else 5
    ratios: dict[str, list[float]] = defaultdict(list)
    print(f"{size:,} reservations; seconds of the processor, program and server")
    print(f"{'run':>10} {'without':>16} {'with':>16} {'ratio':>6}")
    with stage("--reservations", str(size), "--rate-limits", "off") as on:
        server = Server(on)
        # It runs at moments of its own, and would count for one of the two alone: rows are the same with both.
        server.execute("ALTER TABLE hostaway.reservations SET (autovacuum_enabled = off)")
        for pair in range(pairs):
            found: dict[bool, dict[str, tuple[float, float]]] = {}
            # Which of the two comes first turns round: the second finds warmer caches.
            for has_history in (pair % 2 == 0, pair % 2 == 1):
                found[has_history] = measure(on, server, size, has_history=has_history)
            for run in TARGETS:
                before, after = found[False][run], found[True][run]
                ratios[run].append(sum(after) / sum(before))
                spent = [f"{program:7.2f} {served:8.2f}" for program, served in (before, after)]
                print(f"{run:>10} {spent[0]:>16} {spent[1]:>16} {ratios[run][-1]:>6.3f}", flush=True)
        server.close()
    for run, target in TARGETS.items():
        print(f"{run:>10}: {median(ratios[run]):.3f} (target {target:.2f})")


def measure(on: Stage, server: Server, size: int, *, has_history: bool) -> dict[str, tuple[float, float]]:
    """Return the seconds of each run, of the program and of the server."""
    server.execute(FORGET_ALL, *switch(is_on=has_history), "CHECKPOINT")
    found = {}
    for run in TARGETS:
        if run == "changed":
            server.execute(*switch(is_on=False), CHANGE_ALL, *switch(is_on=has_history))
            server.execute("VACUUM hostaway.reservations", "CHECKPOINT")
        began = server.read_cpu()
        ended = play(on, "sync", str(on.account_id), "--full", "--resource", "reservations")
        counts = ended.output["resources"]["reservations"]
        expected = {"first": "inserted", "unchanged": "unchanged", "changed": "updated"}[run]
        assert counts[expected] == size, counts  # noqa: S101  (figures of an incomplete run mean nothing)
        found[run] = ended.cpu, server.read_cpu() - began
    return found


def switch(*, is_on: bool) -> list[str]:
    """Return the statements that switch the triggers of the history on or off, and no other ones."""
    word = "ENABLE" if is_on else "DISABLE"
    return [f"ALTER TABLE hostaway.reservations {word} TRIGGER {name}" for name in TRIGGERS]


if __name__ == "__main__":
    main()
