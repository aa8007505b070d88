-- Conversations: the threads of messages with guests, one row each.
--
-- conversation_id: its id in its system
-- conversation_key: its key for joins: source:account:id
-- listing_key: listing that it is about, as in core.listings
-- guest_key: guest who writes, as in core.guests
-- channel: where its reservation was booked, in the words of core.reservations
-- subject: what the system says it is about
-- last_message_at: newest sent message
-- last_guest_message_at: newest message of the guest
-- last_host_message_at: newest sent message of the host, automated ones included
-- message_count: number of sent messages
-- is_awaiting_reply: whether the guest wrote after everything that the host wrote, automated messages left out
SELECT s.source,
    s.account_id,
    s.conversation_id,
    s.conversation_key,
    s.listing_key,
    s.guest_key,
    s.channel,
    s.subject,
    s.last_message_at,
    s.last_guest_message_at,
    s.last_host_message_at,
    s.message_count,
    s.last_guest_message_at > coalesce(s.last_reply_at, '-infinity') AS is_awaiting_reply,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
