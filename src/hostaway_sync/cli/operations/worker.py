"""`hostaway-sync worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror, read_settings
from hostaway_sync.cli.ui.options import Concurrency, Textfile


def worker(
    *,
    concurrency: Concurrency = 4,
    drain: Annotated[bool, typer.Option("--drain", help="End as soon as nothing is due, for cron.")] = False,
    metrics_textfile: Textfile = None,
) -> None:
    """Work queued deliveries, syncs and messages until stopped.

    Any number of workers may run, on any number of machines. A worker that is stopped finishes its jobs or gives them
    back within ten seconds. The jobs of a killed worker are taken over within seconds by a worker of the same host, and
    within a minute by any other. Metrics are written once a minute.
    """
    from hostaway_sync.cli.process.monitoring import exported
    from hostaway_sync.store.postgres.pool_size import QUEUE_CONNECTIONS

    settings = read_settings()
    directory = metrics_textfile or settings.metrics_textfile_dir
    # Many workers share what PostgreSQL takes: with the queue's two, each has four.
    with (
        open_mirror(settings=settings, connections=max(2, concurrency // 2), beside=QUEUE_CONNECTIONS) as mirror,
        exported(mirror, directory),
    ):
        mirror.jobs.run_worker(concurrency=concurrency, drain=drain)
