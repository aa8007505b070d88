-- The thread as one row: one a reservation, and one a conversation that has none.
CREATE VIEW messages WITH (security_invoker = true) AS
SELECT
    threads.reservation_id,
    m.account_id,
    m.customer_id,
    jsonb_agg(m.raw_payload ORDER BY m.sent_at, m.id) AS raw_messages,
    min(m.created_at) AS created_at,
    max(m.updated_at) AS updated_at,
    threads.conversation_id
FROM conversation_messages AS m
LEFT JOIN conversations AS c ON c.account_id = m.account_id AND c.id = m.conversation_id
CROSS JOIN LATERAL (
    -- A conversation knows its reservation better than its messages do.
    SELECT
        coalesce(c.reservation_id, m.reservation_id) AS reservation_id,
        CASE WHEN coalesce(c.reservation_id, m.reservation_id) IS NULL THEN m.conversation_id END AS conversation_id
) AS threads
WHERE m.missing_since IS NULL
GROUP BY m.account_id, m.customer_id, threads.reservation_id, threads.conversation_id
