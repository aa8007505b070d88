"""`hostaway-sync send-message --batch`: many messages, queued for the workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hostaway_sync.app.documents.messages import batch_document, batch_line_document
from hostaway_sync.cli.process import prompts, streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.errors import MessageRefused, UsageError

if TYPE_CHECKING:
    from hostaway_sync.app.messages.batches import BatchLineResult


def send_batch(
    file: str, *, again: bool, yes: bool, quiet_hours: str | None, at_once: bool, dry_run: bool, json: bool
) -> None:
    """Queue the messages of a file, or of stdin, and print what became of each line.

    Raises:
        UsageError: a line cannot be read; nothing of the file was queued.
        MessageRefused: some lines were refused; the others are queued.
    """
    from hostaway_sync.app.messages.batches import BatchLineState
    from hostaway_sync.messages.batch_file import read_lines

    lines, bad = read_lines(_content(file))
    for one in bad:
        terminal.echo(f"line {one.number}: {one.why}", err=True)
    if bad:
        raise UsageError(f"{_lines(len(bad))} of {'stdin' if file == '-' else file} cannot be read: nothing was queued")
    counts = dict.fromkeys(BatchLineState, 0)
    documents = []
    with open_mirror() as mirror:
        for outcome in mirror.batches.queue(
            lines, again=again, quiet_hours=quiet_hours, at_once=at_once, yes=yes, dry_run=dry_run
        ):
            counts[outcome.state] += 1
            if json:
                documents.append(batch_line_document(outcome))
            else:
                terminal.echo(_sentence(outcome, dry_run=dry_run), err=outcome.state is BatchLineState.REFUSED)
        if counts[BatchLineState.QUEUED] and not dry_run and not mirror.jobs.has_worker():
            streams.print_notice(streams.NO_WORKER)
    if json:
        terminal.print_json(
            batch_document(
                queued=counts[BatchLineState.QUEUED],
                known=counts[BatchLineState.KNOWN],
                refused=counts[BatchLineState.REFUSED],
                lines=documents,
            )
        )
    else:
        queued = "would be queued" if dry_run else "queued for the workers"
        terminal.echo(
            f"{counts[BatchLineState.QUEUED]:,} {queued}, {counts[BatchLineState.KNOWN]:,} already there, "
            f"{counts[BatchLineState.REFUSED]:,} refused"
        )
    if counts[BatchLineState.REFUSED]:
        raise MessageRefused(
            f"{counts[BatchLineState.REFUSED]:,} of {_lines(len(lines))} refused; "
            "correct them, and give the same file again"
        )


def _content(file: str) -> str:
    if file == "-":
        return prompts.read_stdin("the batch")
    try:
        return Path(file).read_bytes().decode()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text") from None


def _sentence(outcome: BatchLineResult, *, dry_run: bool) -> str:
    line, intent = outcome.line, outcome.intent
    where = f"line {line.number}: reservation {line.request.reservation_id}"
    if outcome.why is not None:
        # Reasons that name the reservation themselves read well after the line alone.
        about = f"line {line.number}" if f"reservation {line.request.reservation_id}" in outcome.why else where
        return f"{about}: {outcome.why}"
    number = f" (number {intent.intent_id})" if intent is not None else ""
    if outcome.state.value == "known" and intent is not None:
        error = f": {intent.error}" if intent.error else ""
        return f"{where}: already there, {intent.state.value}{number}{error}"
    until = f", waits until {outcome.until:%Y-%m-%d %H:%M} UTC" if outcome.until else ""
    return f"{where}: {'would be queued' if dry_run else 'queued'}{number}{until}"


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
