"""`python -m hostaway_sync.sandbox`: serve a fake Hostaway until a signal stops it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, get_args

from hostaway_sync.sandbox import AccountSpec, Sandbox
from hostaway_sync.sandbox.server.rate_limits import Profile
from hostaway_sync.sandbox.world.changes import START

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line of JSON with `url` and, for each account, `account_id` and `client_secret`; then serve.

    SIGINT and SIGTERM stop it with exit code 0.
    """
    options = _parser().parse_args(arguments)
    stop = Event()

    def stop_serving(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_serving)
    accounts = [
        AccountSpec(
            id=70001 + number,
            reservations=options.reservations,
            listings=options.listings,
            conversations=options.conversations,
        )
        for number in range(options.accounts)
    ]
    sandbox = Sandbox(
        seed=options.seed,
        accounts=accounts,
        rate_limits=options.rate_limits,
        token_delay=options.token_delay,
        now=datetime.now(UTC) if options.today else START,
        port=options.port,
    )
    with sandbox:
        secrets = [{"account_id": spec.id, "client_secret": spec.secret} for spec in accounts]
        sys.stdout.write(json.dumps({"url": sandbox.url} | secrets[0] | {"accounts": secrets}) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m hostaway_sync.sandbox", description="Serve a stand-in for Hostaway.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--reservations", type=int, default=787, help="in each account")
    parser.add_argument("--listings", type=int, default=12, help="in each account")
    parser.add_argument(
        "--no-conversations", dest="conversations", action="store_false", help="create no conversations"
    )
    parser.add_argument(
        "--accounts", type=int, choices=range(1, 501), default=1, metavar="N", help="70001 and following"
    )
    parser.add_argument("--rate-limits", choices=get_args(Profile), default="new")
    parser.add_argument("--token-delay", type=float, default=1.0, help="seconds until a new token is good")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--today", action="store_true", help="start the accounts' clocks now, not on a fixed day")
    return parser


if __name__ == "__main__":
    sys.exit(main())
