"""`python -m hostaway_sync`, and the entry point of `hostaway-sync`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from hostaway_sync.cli.program import run

    run()


if __name__ == "__main__":
    main()
