"""A switch for each behaviour that the API notes leave open; a correct client is correct under every setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args, get_type_hints

MovedCursor = Literal["restart", "empty", "bad_request", "not_found"]
DeletedCursor = Literal["restart", "continue", "empty", "bad_request", "not_found"]
Presence = Literal["present", "null", "absent"]


@dataclass(frozen=True, slots=True)
class Switches:
    """How this Hostaway behaves where the notes are unsure; the defaults are the most likely behaviour.

    Attributes:
        moved_cursor: `afterId` of a row that changed since it was listed: the walk goes on below its new place (near
            the top), comes back empty, or fails with 400 or 404 (4.3).
        deleted_cursor: `afterId` of a row that is gone: from the top, below its last place, empty, 400 or 404 (4.3).
        cursor_count: `count` under `afterId` is of the whole list or of what is left (4.3).
        deleted_object: status for an object that is gone (10).
        deleted_reservation_keeps_threads: its conversations stay listed (10).
        thread_order: newest message first by `id` or by `date` (4.1).
        edits_bump: editing a message moves its reservation (5).
        failed_sends_bump: a message that could not be sent moves its reservation (5).
        read_marks_bump: marking a thread read or unread moves its reservation (5).
        single_extra_keys: a single GET has keys that lists have not (9.2).
        single_conversation_messages: a single GET of a conversation embeds one message or all (7.2).
        sort_parameters: `sortOrder` is honoured or ignored (4.4).
        include_resources: the flag is honoured, or the account's default is all it gets (4.6).
        resources_by_default: without the flag, sub-objects are filled (4.6).
        listings_count, reservations_count, conversations_count, messages_count: `count` in the envelope (2.1).
        page_keys: `page` and `totalPages` where they are usual (2.1).
        listings_order: by rising or falling id (4.1).
        max_limit: rows to which a larger `limit` is cut (4.1).
        bad_limit: `limit=0`, negative or no number gives the default or 400 (4.1).
        overlong_pages: a page may hold one row more than asked for (quirk 52).
        activity_filter: `latestActivityStart/End` on reservations is honoured by whole days or ignored (4.5).
        conversation_listing: a conversation's `listingMapId` is right or holds the account's id (7.2).
        blank_times: an empty time is null, an empty text or zeros (9.2, quirk 65).
        sent_key: the message's key for the time it reached the channel (7.3).
        attachments: of a message that has none (7.3).
        fail_text: where a failure puts its sentence (2.2).
        bad_bearer: status for a token that is not good (1.2).
        token_lifetime: `expires_in` of a new token, seconds; Hostaway says a number, some clients met text (1.1).
        token_counts: the token route counts against the rate limit (1.1).
        sent_status: of a message right after POST (7.4).
        sent_body: a text that was sent is kept as it is, or as HTML in paragraphs (7.3).
        invalid_write: status for a write without its required field; 200 comes with `status: fail` (2.2).
        webhook_ports: a webhook URL with a port is accepted or refused (6.1).
        legacy_webhooks: the deprecated lists of webhooks still answer, or are gone (6.1).
        delivery_log: the log of deliveries is where the samples say, where the prose says, or nowhere (6.3).
        delivery_log_order: its newest or its oldest entry first (6.3).
        delivery_nesting: a delivery's object is under `data` or under `payload.data` (6.2).
        short_calendar: a range of days is whole, lacks its second half where it has more than 100, or ends 180 days
            after the clock's today (8).
        ignored_dates: the dates that a calendar is asked for are ignored, and the next 90 days from today come (8).
        calendar_order: days by rising date or in no order (8).
        calendar_doubles: one day of an answer comes twice, identical (8).
        gate_403: paths of routes that answer 403, as features that the account's plan has not.
        ignores_offset: paged lists of the other resources give their first page whatever `offset` asks for.
        caps_limit_50: these lists give 50 rows a page at most.
        object_form: whole lists of the other resources come as an object by id.
        moves_default_order: lists that know `sortBy` stand in another order each time that they are asked without it.
    """

    moved_cursor: MovedCursor = "restart"
    deleted_cursor: DeletedCursor = "continue"
    cursor_count: Literal["total", "rest"] = "total"
    deleted_object: Literal[404, 403] = 404
    deleted_reservation_keeps_threads: bool = False
    thread_order: Literal["id", "date"] = "id"
    edits_bump: bool = False
    failed_sends_bump: bool = False
    read_marks_bump: bool = False
    single_extra_keys: bool = True
    single_conversation_messages: Literal["one", "all"] = "one"
    sort_parameters: Literal["honoured", "ignored"] = "honoured"
    include_resources: Literal["honoured", "ignored"] = "honoured"
    resources_by_default: bool = False
    listings_count: Presence = "present"
    reservations_count: Presence = "present"
    conversations_count: Presence = "present"
    messages_count: Presence = "present"
    page_keys: Presence = "present"
    listings_order: Literal["id", "id_desc"] = "id"
    max_limit: Literal[500, 250, 100, 20] = 500
    bad_limit: Literal["default", "bad_request"] = "default"
    overlong_pages: bool = False
    activity_filter: Literal["days", "ignored"] = "days"
    conversation_listing: Literal["right", "account_id"] = "right"
    blank_times: Literal["null", "empty", "zeros"] = "null"
    sent_key: Literal["sentToChannelDate", "sentChannelDate"] = "sentToChannelDate"
    attachments: Literal["null", "[]"] = "null"
    fail_text: Literal["message", "result", "list"] = "message"
    bad_bearer: Literal[403, 401] = 403
    token_lifetime: Literal[63_072_000, 15_897_600, "63072000"] = 63_072_000
    token_counts: bool = True
    sent_status: Literal["sent", "awaiting"] = "sent"
    sent_body: Literal["plain", "html"] = "plain"
    invalid_write: Literal[400, 200, 422] = 400
    webhook_ports: Literal["accepted", "refused"] = "accepted"
    legacy_webhooks: Literal["present", "gone"] = "present"
    delivery_log: Literal["samples", "prose", "gone"] = "samples"
    delivery_log_order: Literal["newest", "oldest"] = "newest"
    delivery_nesting: Literal["data", "payload"] = "data"
    short_calendar: Literal["no", "half", "horizon"] = "no"
    ignored_dates: bool = False
    calendar_order: Literal["ascending", "shuffled"] = "ascending"
    calendar_doubles: bool = False
    gate_403: tuple[str, ...] = field(default=(), metadata={"choices": ((), ("/reviews", "/tasks", "/seasonalRules"))})
    ignores_offset: bool = False
    caps_limit_50: bool = False
    object_form: bool = False
    moves_default_order: bool = False

    @staticmethod
    def choices() -> dict[str, tuple[Any, ...]]:
        """Return the allowed values of every switch, its default first, for property tests to draw from."""
        return dict(_CHOICES)


def _all_choices() -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(Switches)
    choices: dict[str, tuple[Any, ...]] = {}
    for switch in fields(Switches):
        allowed = (True, False) if hints[switch.name] is bool else get_args(hints[switch.name])
        allowed = switch.metadata.get("choices", allowed)
        choices[switch.name] = (switch.default, *(value for value in allowed if value != switch.default))
    return choices


_CHOICES: Final = _all_choices()
