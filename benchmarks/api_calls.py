"""API calls of a full sync: listings pages + reservation pages + conversation pages + one a thread.

python benchmarks/api_calls.py
"""

from __future__ import annotations

from stage import play, stage


def main() -> None:
    """Count the calls of a first and a second full sync of an account of 787 reservations."""
    with stage("--reservations", "787", "--rate-limits", "off") as on:
        for run in ("first", "unchanged"):
            ended = play(on, "sync", str(on.account_id), "--full")
            seen = {name: counts["seen"] for name, counts in ended.output["resources"].items()}
            print(f"{run:>10}: {ended.output['api_calls']} calls, {ended.seconds:.2f} s, {seen}")


if __name__ == "__main__":
    main()
