-- Writes the history of messages to guests: how each stands. Neither its text nor an error, which may quote it.
CREATE FUNCTION note_sends() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO changes (
            account_id, customer_id, resource, record_id, change, after, cause, cause_id, position
        )
        SELECT
            n.account_id,
            (SELECT customer_id FROM accounts WHERE accounts.account_id = n.account_id),
            'send',
            n.intent_id::text,
            'inserted',
            jsonb_build_object(
                'state', n.state,
                'message_id', n.message_id,
                'reservation_id', n.reservation_id,
                'conversation_id', n.conversation_id,
                'channel_type', n.channel_type
            ),
            'send',
            n.intent_id::text,
            (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
        FROM written AS n;
    ELSE
        INSERT INTO changes (
            account_id, customer_id, resource, record_id, change, keys, before, after, cause, cause_id, position
        )
        SELECT
            n.account_id,
            (SELECT customer_id FROM accounts WHERE accounts.account_id = n.account_id),
            'send',
            n.intent_id::text,
            'updated',
            differing.keys,
            differing.before,
            differing.after,
            'send',
            n.intent_id::text,
            (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
        FROM replaced AS o
        JOIN written AS n USING (intent_id)
        CROSS JOIN LATERAL (
            SELECT
                array_agg(pair.key) AS keys,
                jsonb_object_agg(pair.key, pair.old_value) AS before,
                jsonb_object_agg(pair.key, pair.new_value) AS after
            FROM (
                VALUES
                    ('state', to_jsonb(o.state), to_jsonb(n.state)),
                    ('message_id', to_jsonb(o.message_id), to_jsonb(n.message_id))
            ) AS pair (key, old_value, new_value)
            WHERE pair.old_value IS DISTINCT FROM pair.new_value
        ) AS differing
        WHERE differing.keys IS NOT NULL;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('hostaway_sync_changes', '');
    END IF;
    RETURN NULL;
END
$$
