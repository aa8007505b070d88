-- conversation_key: id
-- reservation_key: reservationId
-- source_created_at: always null
-- source_updated_at: always null
SELECT 'hostaway'::text AS source,
    c.core_account_id AS account_id,
    c.core_key AS conversation_key,
    c.core_reservation_key AS reservation_key,
    NULL::timestamptz AS source_created_at,
    NULL::timestamptz AS source_updated_at,
    c.created_at AS first_seen_at,
    c.observed_at,
    c.missing_since,
    c.raw_payload
FROM {tables}.conversations AS c
WHERE c.core_reservation_key IS NOT NULL
