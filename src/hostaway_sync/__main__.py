"""`python -m hostaway_sync`, and the entry point of `hostaway-sync`."""

from __future__ import annotations

from hostaway_sync.cli.process.process import run


def main() -> None:
    """Run the command line."""
    run(_program)


def _program() -> None:
    # Imported after the signal handlers are set, because the import takes longer than many commands.
    from hostaway_sync.cli.main import command_tree

    command_tree()(prog_name="hostaway-sync")


if __name__ == "__main__":
    main()
