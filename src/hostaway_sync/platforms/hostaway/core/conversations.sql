-- conversation_id: id
-- listing_key: listingMapId
-- guest_key: reservationId
-- channel: channelId of its reservation
-- subject: always null
-- last_message_at: date of its messages with status sent
-- last_guest_message_at: messages with isIncoming 1
-- last_host_message_at: messages with isIncoming 0
-- is_awaiting_reply: automated are messages with originatedBy Automation or messageSource pre-generated
-- source_created_at: insertedOn
-- source_updated_at: always null
SELECT 'hostaway'::text AS source,
    c.core_account_id AS account_id,
    c.core_id AS conversation_id,
    c.core_key AS conversation_key,
    c.core_listing_key AS listing_key,
    c.core_reservation_key AS guest_key,
    {core}.hostaway_channel(r.channel_id, NULL) AS channel,
    NULL::text AS subject,
    m.last_message_at,
    m.last_guest_message_at,
    m.last_host_message_at,
    m.last_reply_at,
    m.message_count,
    {core}.as_moment(c.raw_payload ->> 'insertedOn') AS source_created_at,
    c.source_updated_at,
    c.created_at AS first_seen_at,
    c.observed_at,
    c.missing_since,
    c.raw_payload
FROM {tables}.conversations AS c
LEFT JOIN {tables}.reservations AS r ON r.account_id = c.account_id AND r.id = c.reservation_id
LEFT JOIN LATERAL (
    SELECT max(o.sent_at) AS last_message_at,
        max(o.sent_at) FILTER (WHERE o.is_incoming) AS last_guest_message_at,
        max(o.sent_at) FILTER (WHERE NOT o.is_incoming) AS last_host_message_at,
        max(o.sent_at) FILTER (
            WHERE NOT o.is_incoming AND coalesce(o.raw_payload ->> 'originatedBy', '') NOT LIKE 'Automation%'
                AND coalesce(o.raw_payload ->> 'messageSource', '') <> 'pre-generated'
        ) AS last_reply_at,
        count(*)::integer AS message_count
    FROM {tables}.conversation_messages AS o
    WHERE o.account_id = c.account_id AND o.conversation_id = c.id AND o.status = 'sent' AND o.missing_since IS NULL
) AS m ON true
