-- Guests who wait for an answer: one row a conversation whose last message is a guest's. By the messages alone: the systems' unread marks stay set where a host answers in the channel's app.
--
-- conversation_key: the conversation, as in core.conversations
-- reservation_key: its reservation, the one with the latest arrival where it has several; null where it has none
-- channel: where the guest writes, as in core.conversations
-- guest_name: as the system has it; may be empty
-- last_guest_message_at: when the guest wrote last
-- last_guest_message: what the guest wrote last; may hold line breaks and HTML
-- hours_waiting: hours since then, to a tenth
SELECT c.source,
    c.account_id,
    c.conversation_key,
    stay.reservation_key,
    c.listing_key,
    c.guest_key,
    c.channel,
    stay.guest_name,
    c.last_guest_message_at,
    word.last_guest_message,
    greatest(round((extract(epoch FROM now() - c.last_guest_message_at) / 3600)::numeric, 1), 0) AS hours_waiting
FROM {core}.conversations AS c
LEFT JOIN LATERAL (
    SELECT r.reservation_key, r.guest_name
    FROM {core}.conversation_reservations AS cr
    JOIN {core}.reservations AS r ON r.reservation_key = cr.reservation_key
    WHERE cr.conversation_key = c.conversation_key
    ORDER BY r.check_in_date DESC NULLS LAST, r.reservation_key
    LIMIT 1
) AS stay ON true
LEFT JOIN LATERAL (
    SELECT m.body AS last_guest_message
    FROM {core}.messages AS m
    WHERE m.conversation_key = c.conversation_key AND m.sender_type = 'guest' AND m.status = 'sent'
        AND m.missing_since IS NULL
    ORDER BY m.sent_at DESC NULLS LAST, m.message_id DESC
    LIMIT 1
) AS word ON true
WHERE c.is_awaiting_reply AND c.missing_since IS NULL
