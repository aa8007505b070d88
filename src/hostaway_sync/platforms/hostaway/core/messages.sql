-- message_id: id
-- conversation_key: conversationId
-- reservation_key: reservationId
-- sent_at: date
-- sender_type: guest where isIncoming is 1, host where it is 0
-- sender_name: AirbnbOfficialMessageMetadata.userName, known for Airbnb only
-- is_automated: originatedBy begins with Automation, or messageSource is pre-generated
-- channel: channelId
-- medium: communicationType
-- body: body
-- status: status; awaiting and paused are scheduled
-- has_attachments: attachments, imagesUrls
-- source_created_at: insertedOn
-- source_updated_at: updatedOn
SELECT 'hostaway'::text AS source,
    m.core_account_id AS account_id,
    m.core_id AS message_id,
    m.core_key AS message_key,
    m.core_conversation_key AS conversation_key,
    m.core_reservation_key AS reservation_key,
    m.sent_at,
    CASE m.is_incoming WHEN true THEN 'guest' WHEN false THEN 'host' END AS sender_type,
    p."AirbnbOfficialMessageMetadata" ->> 'userName' AS sender_name,
    coalesce(p."originatedBy", '') LIKE 'Automation%' OR coalesce(p."messageSource", '') = 'pre-generated'
        AS is_automated,
    {core}.hostaway_channel({core}.as_integer(p."channelId"), NULL) AS channel,
    CASE WHEN p."communicationType" IN ('channel', 'email', 'sms', 'whatsapp') THEN p."communicationType" END AS medium,
    p.body,
    CASE
        WHEN m.status = 'sent' THEN 'sent'
        WHEN m.status IN ('awaiting', 'paused') THEN 'scheduled'
        WHEN m.status = 'failed' THEN 'failed'
        WHEN m.status IN ('cancelled_by_user', 'cancelled_by_system') THEN 'cancelled'
        ELSE 'unknown'
    END AS status,
    coalesce(p.attachments, '[]') NOT IN ('[]', '') OR coalesce(p."imagesUrls", '[]') NOT IN ('[]', '')
        AS has_attachments,
    {core}.as_moment(p."insertedOn") AS source_created_at,
    m.source_updated_at,
    m.created_at AS first_seen_at,
    m.observed_at,
    m.missing_since,
    m.raw_payload
FROM {tables}.conversation_messages AS m
CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(m.raw_payload) WHEN 'object' THEN m.raw_payload END) AS p (
    "AirbnbOfficialMessageMetadata" jsonb, "originatedBy" text, "messageSource" text, "channelId" text,
    "communicationType" text, body text, attachments text, "imagesUrls" text, "insertedOn" text
)
