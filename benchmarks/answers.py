"""What answers and exports of any length cost: seconds, and the most memory that the program held.

Each is asked twice, for a thousand rows and for all: memory that grows with the answer shows itself.

    python benchmarks/answers.py              1,000,000 reservations
    python benchmarks/answers.py 100000
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from stage import stage

ACCOUNTS = 100
FEW = 1000
FILL = """
INSERT INTO hostaway.reservations
    (account_id, id, listing_id, status, arrival_date, departure_date, observed_at, payload_hash, raw_payload)
SELECT 1 + n % {accounts}, n, n % 997, 'new', date '2000-01-01' + n / 100, date '2000-01-03' + n / 100, now(), '',
    jsonb_build_object('id', n, 'guestName', 'Guest ' || n, 'totalPrice', n % 1000, 'currency', 'EUR',
        'status', 'new', 'arrivalDate', date '2000-01-01' + n / 100, 'departureDate', date '2000-01-03' + n / 100,
        'guestEmail', 'guest' || n || '@example.com', 'hostNote', repeat('=note ', 20))
FROM generate_series(1, {rows}) AS n
"""
QUERY = "SELECT account_id, id, status, arrival_date, updated_at, raw_payload FROM reservations LIMIT {}"


def main() -> None:
    """Measure on an embedded server that is deleted afterwards."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with stage("--reservations", "1") as on:
        fill(on.environment, rows)
        measure(on.environment, rows)


def fill(environment: dict[str, str], rows: int) -> None:
    """Store so many reservations."""
    script = (
        f"INSERT INTO hostaway.accounts (account_id) SELECT generate_series(1, {ACCOUNTS});"
        f"{FILL.format(accounts=ACCOUNTS, rows=rows)}; VACUUM ANALYZE hostaway.reservations;"
    )
    command = [sys.executable, "-m", "hostaway_sync", "database", "shell", "--write"]
    subprocess.run(command, env=environment, input=script.encode(), check=True, stdout=subprocess.DEVNULL)


def measure(environment: dict[str, str], rows: int) -> None:
    """Print what each way takes for few rows and for all."""
    day = "2000-01-10"  # the first thousand
    for form in ("csv", "jsonl", "json", "table"):
        words = ["sql", "--format", form, "--timeout", "3600"]
        show(f"sql --format {form}", rows, *(run(environment, *words, QUERY.format(number)) for number in (FEW, rows)))
    for form in ("csv", "jsonl"):
        words = ["export", "reservations", "--format", form]
        show(
            f"export reservations --format {form}",
            rows,
            run(environment, *words, "--to", day),
            run(environment, *words),
        )


def show(title: str, rows: int, few: tuple[float, float], all_of_them: tuple[float, float]) -> None:
    """Print one line."""
    print(
        f"{title:<36}{FEW:>9,} rows {few[0]:6.1f} s {few[1]:6.0f} MB"
        f"{rows:>12,} rows {all_of_them[0]:6.1f} s {all_of_them[1]:6.0f} MB"
    )


def run(environment: dict[str, str], *words: str) -> tuple[float, float]:
    """Run the program to its end; return seconds and the most memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "hostaway_sync", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    kilobytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    return time.perf_counter() - began, kilobytes / 1024


if __name__ == "__main__":
    main()
