"""`hostaway-sync worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror, read_settings
from hostaway_sync.cli.ui.options import Concurrency, Textfile


def worker(
    *,
    concurrency: Concurrency = 4,
    drain: Annotated[bool, typer.Option("--drain", help="End as soon as nothing is due: for cron.")] = False,
    metrics_textfile: Textfile = None,
) -> None:
    """Work off deliveries and queued syncs, until it is stopped.

    As many may run as you like, on as many machines. One that is stopped finishes what it has in hand or gives it back
    within ten seconds; the work of one that is killed is taken over within seconds by a worker of the same host, and
    within a minute by any other one. Metrics are left once a minute.
    """
    from hostaway_sync.cli.process.monitoring import exported

    settings = read_settings()
    directory = metrics_textfile or settings.metrics_textfile_dir
    # Many workers share what PostgreSQL takes: with the queue's two, each has four.
    with (
        open_mirror(settings=settings, connections=max(2, concurrency // 2)) as mirror,
        exported(mirror, directory),
    ):
        mirror.jobs.run_worker(concurrency=concurrency, drain=drain)
