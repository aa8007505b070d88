-- Which conversation is about which reservations: one row a pair.
--
SELECT s.source,
    s.account_id,
    s.conversation_key,
    s.reservation_key,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
