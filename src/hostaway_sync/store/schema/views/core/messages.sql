-- Messages: what guests and hosts wrote or will have written, one row each.
--
-- message_id: its id in its system
-- message_key: its key for joins: source:account:id
-- sent_at: when it was sent; of a scheduled one, when it is to be
-- sender_type: guest, host or system
-- sender_name: who wrote it
-- is_automated: whether a rule wrote it
-- channel: that it went through, in the words of core.reservations
-- medium: channel, email, sms, whatsapp or note
-- body: its text, HTML in some
-- status: scheduled, sent, failed, cancelled or unknown
-- has_attachments: whether files or pictures came with it
SELECT s.source,
    s.account_id,
    s.message_id,
    s.message_key,
    s.conversation_key,
    s.reservation_key,
    s.sent_at,
    s.sender_type,
    s.sender_name,
    s.is_automated,
    s.channel,
    s.medium,
    s.body,
    s.status,
    s.has_attachments,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
