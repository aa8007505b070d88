"""`hostaway-sync send-message`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.app.documents.messages import outlook_document, sent_message_document
from hostaway_sync.cli.process import prompts, streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, number
from hostaway_sync.errors import HostawaySyncError, MessageRefused, MessageUnsettled, SourceError, UsageError
from hostaway_sync.model.messages import CommunicationType, IntentState, MessageRequest

if TYPE_CHECKING:
    from hostaway_sync.app.messages.composer import PreparedMessage
    from hostaway_sync.app.messages.messages import Messages
    from hostaway_sync.messages.decision import Step
    from hostaway_sync.model.messages import Intent


def send_message(
    reservation_id: Annotated[
        int | None, typer.Argument(metavar="RESERVATION_ID", parser=number, help="Id of the guest's reservation.")
    ] = None,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="Text of the message; - reads it from stdin.")
    ] = None,
    *,
    channel_type: Annotated[
        CommunicationType | None,
        typer.Option(help="Send it this way; default: as the guest wrote last.", show_default=False),
    ] = None,
    conversation: Annotated[
        int | None, typer.Option(metavar="ID", parser=number, help="Send it into this thread; default: the newest.")
    ] = None,
    account: Annotated[
        int | None,
        typer.Option(metavar="ID", parser=number, help="Account of the reservation, if unknown or in several."),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Name this message: under one key it is sent once.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Send the same text once more within ten minutes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even if the stay is over or off.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent where, and send nothing.")
    ] = False,
    quiet_hours: Annotated[
        str | None,
        typer.Option(metavar="22-8", help="Wait while it is between these hours at the listing.", show_default=False),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Send it now: at any hour, and without a worker.")] = False,
    batch: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Queue many messages: JSON lines with reservation_id, text and key."),
    ] = None,
    resolve: Annotated[
        int | None,
        typer.Option(metavar="ID", parser=number, help="Look for a message whose outcome is unknown, twice."),
    ] = None,
    i_checked_sent: Annotated[
        int | None, typer.Option(metavar="ID", parser=number, help="Settle it as sent: you saw it in the thread.")
    ] = None,
    i_checked_resend: Annotated[
        int | None,
        typer.Option(metavar="ID", parser=number, help="Send it again: you looked, and it is not in the thread."),
    ] = None,
    json: Json = False,
) -> None:
    """Send a guest a message, at most once.

    Whatever fails, no text is sent twice: where Hostaway's answer does not tell whether a message was sent, it is
    looked for in its thread, and one that is not found waits for you.
    """
    one = (reservation_id, text, channel_type, conversation, account, idempotency_key)
    written = [number for number in (resolve, i_checked_sent, i_checked_resend) if number is not None]
    if written:
        if len(written) > 1 or _any_given(*one, batch, quiet_hours, again, now, dry_run):
            raise UsageError(
                "--resolve, --i-checked-sent and --i-checked-resend stand alone: use one of them, for one message"
            )
        with open_mirror() as mirror:
            intent, is_ours = _resolved(mirror.messages, resolve, i_checked_sent, i_checked_resend)
        _conclude(intent, json=json, is_ours=is_ours)
        return
    if batch is not None:
        if _any_given(*one):
            raise UsageError("--batch takes reservation, text, key and way from its lines: leave these arguments out")
        from hostaway_sync.cli.messages.send_batch import send_batch

        send_batch(batch, again=again, yes=yes, quiet_hours=quiet_hours, at_once=now, dry_run=dry_run, json=json)
        return
    if reservation_id is None or text is None:
        raise UsageError("reservation or text is missing: give RESERVATION_ID TEXT")
    request = MessageRequest(
        reservation_id=reservation_id,
        text=prompts.read_stdin("the text").removesuffix("\n") if text == "-" else text,
        account_id=account,
        conversation_id=conversation,
        communication_type=channel_type,
        key=idempotency_key,
        again=again,
        quiet_hours=quiet_hours,
        at_once=now,
    )
    with (
        open_mirror() as mirror,
        mirror.messages.prepare(request) as draft,
    ):
        if dry_run:
            _print_outlook(draft, json=json)
        else:
            is_queued = _send(draft, yes=yes, json=json)
            if is_queued and not mirror.jobs.has_worker():
                streams.print_notice(streams.NO_WORKER)


def _any_given(*options: object) -> bool:
    return any(option is not None and option is not False for option in options)


def _send(draft: PreparedMessage, *, yes: bool, json: bool) -> bool:
    """Send a message, or queue it in quiet hours; return whether it waits for a worker."""
    if draft.concerns:
        prompts.confirm(f"Reservation {draft.message.reservation_id}: {'; '.join(draft.concerns)}.", yes=yes)
    sending = draft.send()
    if sending.intent is None:
        raise MessageUnsettled("the message is not in the ledger any more: its account was purged meanwhile")
    refusal = _refusal(sending.step, sending.intent)
    if refusal is None and sending.is_ours and sending.intent.state is IntentState.PENDING:
        _print_waiting(sending.intent, json=json)
        return True
    if refusal is None:
        _conclude(sending.intent, json=json, is_ours=sending.is_ours)
        return False
    if json:
        terminal.print_json(sent_message_document(sending.intent, sent_now=False))
    raise refusal


def _print_waiting(intent: Intent, *, json: bool) -> None:
    if json:
        terminal.print_json(sent_message_document(intent, sent_now=False))
        return
    until = f"until {intent.not_before_at:%Y-%m-%d %H:%M} UTC" if intent.not_before_at else "for a worker"
    terminal.echo(
        f"Waits {until}: message {intent.intent_id} to reservation {intent.message.reservation_id}, quiet hours "
        f"{intent.quiet_hours}; a worker sends it then (`messages cancel {intent.intent_id}` takes it back)"
    )


def _resolved(
    messages: Messages, resolve: int | None, checked_sent: int | None, checked_resend: int | None
) -> tuple[Intent, bool]:
    """Return the message as it is now, and whether this call sent it."""
    if resolve is not None:
        return messages.resolve(resolve), False
    if checked_sent is not None:
        return messages.confirm_sent(checked_sent), False
    sending = messages.confirm_unsent_and_resend(checked_resend or 0)
    if sending.intent is None:
        raise MessageUnsettled("the message is not in the ledger any more: nothing was sent")
    return sending.intent, sending.is_ours


def _conclude(intent: Intent, *, json: bool, is_ours: bool) -> None:
    """Print what became of a message, or raise what to do about it.

    Raises:
        HostawaySyncError: the message was not sent, or that is not known.
    """
    if json:
        sent_now = is_ours and intent.state is IntentState.SENT
        terminal.print_json(sent_message_document(intent, sent_now=sent_now))
    if intent.state is IntentState.SENT:
        if not json:
            terminal.echo(_sent_sentence(intent, is_ours=is_ours))
        return
    raise _trouble(intent)


def _sent_sentence(intent: Intent, *, is_ours: bool) -> str:
    message = intent.message
    which = f"message {intent.message_id}" if intent.message_id is not None else "as you have seen"
    where = (
        f"to reservation {message.reservation_id} by {message.communication_type.value}: "
        f"{which} in conversation {message.conversation_id}"
    )
    if is_ours:
        return f"Sent {where} (account {message.account_id}, number {intent.intent_id})"
    when = f", {intent.sending_at:%Y-%m-%d %H:%M} UTC" if intent.sending_at else ""
    return f"Sent before {where} (account {message.account_id}, number {intent.intent_id}{when})"


def _trouble(intent: Intent) -> HostawaySyncError:
    number, message = intent.intent_id, intent.message
    if intent.state is IntentState.FAILED:
        if intent.message_id is not None:
            return SourceError(f"message {number} was taken by Hostaway and not delivered: {intent.error}")
        return SourceError(f"message {number} was not sent, and may be sent again: {intent.error}")
    if intent.state is not IntentState.OUTCOME_UNKNOWN:
        return MessageUnsettled(f"message {number} is {intent.state.value}: another process is sending it")
    told = f"whether message {number} reached reservation {message.reservation_id} is not known ({intent.error})"
    if intent.waits_for_person:
        return MessageUnsettled(
            f"{told}, and it is not in its thread: look at conversation {message.conversation_id} in Hostaway, "
            f"then use --i-checked-sent {number} or --i-checked-resend {number}"
        )
    return MessageUnsettled(
        f"{told}: nothing is sent again; the next sync looks for it, or `hostaway-sync send-message --resolve {number}`"
    )


def _refusal(step: Step, intent: Intent | None) -> HostawaySyncError | None:
    """Return why nothing is sent; None where the message is sent, or was before."""
    if intent is None or step.value in {"send", "take_up", "earlier"}:
        return None
    number, message = intent.intent_id, intent.message
    if step.value == "other_text":
        return UsageError(f"key {message.key!r} belongs to another message, number {number}: choose another key")
    if step.value == "repeated":
        when = f"{intent.sending_at:%H:%M:%S} UTC" if intent.sending_at else "just now"
        return MessageRefused(
            f"reservation {message.reservation_id} got the same text at {when} (number {number}): "
            "nothing was sent; --again sends it once more"
        )
    if step.value == "queued":
        when = f" until {intent.not_before_at:%Y-%m-%d %H:%M} UTC" if intent.not_before_at else ""
        return MessageRefused(
            f"this message is queued (number {number}) and waits{when} for a worker: --now sends it at once"
        )
    if step.value == "under_way":
        return MessageRefused(f"another process is sending this message (number {number}): nothing was sent")
    return _trouble(intent)


def _print_outlook(draft: PreparedMessage, *, json: bool) -> None:
    message, decision = draft.message, draft.preview()
    refusal = _refusal(decision.step, decision.intent)
    would_send = decision.step.value in {"send", "take_up"}
    why = str(refusal) if refusal else None
    if not would_send and refusal is None and decision.intent is not None:
        why = _sent_sentence(decision.intent, is_ours=False).replace("Sent", "it was sent", 1)
    if json:
        terminal.print_json(outlook_document(draft, would_send=would_send, why_not=why))
        return
    terminal.echo(f"to     reservation {message.reservation_id} of account {message.account_id}")
    terminal.echo(f"in     conversation {message.conversation_id}, by {message.communication_type.value}")
    for concern in draft.concerns:
        terminal.echo(f"mind   {concern}")
    would = f"would wait until {draft.until:%Y-%m-%d %H:%M} UTC" if draft.until else "would be sent"
    terminal.echo(f"now    {would if would_send else f'would not be sent: {why}'}")
    terminal.echo("")
    terminal.echo(message.body)
