-- Writes the history of rows of {table} whose payload or presence changed: the keys that differ, before and after.
-- A nested loop would compare all rows of a page with all others; sorting and memoizing would copy every payload. The
-- plan is made once a session, for any page.
CREATE FUNCTION note_updated_{table}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode TO force_generic_plan SET jit TO off
    SET enable_nestloop TO off SET enable_mergejoin TO off SET enable_memoize TO off
AS $$
DECLARE
    mode CONSTANT text := current_setting('hostaway_sync.changes', true);
    volatile_keys CONSTANT text[] := coalesce(nullif(current_setting('hostaway_sync.volatile_keys', true), ''), '{}');
    signed_keys CONSTANT text[] := coalesce(nullif(current_setting('hostaway_sync.signed_keys', true), ''), '{}');
BEGIN
    IF mode = 'off' OR NOT EXISTS (SELECT FROM written) THEN
        RETURN NULL;
    END IF;
    IF mode = 'erase' THEN
        INSERT INTO changes (account_id, customer_id, resource, record_id, change, position)
        SELECT
            n.account_id,
            n.customer_id,
            {resource},
            {record_id},
            'erased',
            (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
        FROM replaced AS o
        JOIN written AS n USING ({key})
        WHERE o.raw_payload <> n.raw_payload;
    ELSE
        INSERT INTO changes (
            account_id, customer_id, resource, record_id, change, source_updated_at, keys, before, after, cause,
            cause_id, position
        )
        SELECT
            n.account_id,
            n.customer_id,
            {resource},
            {record_id},
            CASE
                WHEN o.missing_since IS NULL AND n.missing_since IS NOT NULL THEN 'missing'
                WHEN o.missing_since IS NOT NULL AND n.missing_since IS NULL THEN 'returned'
                ELSE 'updated'
            END,
            n.source_updated_at,
            CASE WHEN same.has_same_keys THEN same.keys ELSE other.keys END,
            CASE WHEN same.has_same_keys THEN same.before ELSE other.before END,
            CASE WHEN same.has_same_keys THEN same.after ELSE other.after END,
            nullif(current_setting('hostaway_sync.cause', true), ''),
            nullif(current_setting('hostaway_sync.cause_id', true), ''),
            (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
        FROM replaced AS o
        JOIN written AS n USING ({key})
        CROSS JOIN LATERAL (
            SELECT
                CASE
                    WHEN signed_keys = '{}' AND jsonb_typeof(o.raw_payload) = 'object' THEN o.raw_payload || '{}'
                    ELSE comparable_payload(o.raw_payload, volatile_keys, signed_keys)
                END AS before,
                CASE
                    WHEN signed_keys = '{}' AND jsonb_typeof(n.raw_payload) = 'object' THEN n.raw_payload || '{}'
                    ELSE comparable_payload(n.raw_payload, volatile_keys, signed_keys)
                END AS after
            -- Evaluated once a row; a payload to which nothing is added is the same, but unpacked for all that follows.
            OFFSET 0
        ) AS payload
        -- JSONB keeps its keys in order: two payloads with the same keys are compared side by side.
        CROSS JOIN LATERAL (
            SELECT
                bool_and(coalesce(pair.key = pair.new_key, false)) AS has_same_keys,
                array_agg(pair.key) AS keys,
                jsonb_object_agg(pair.key, pair.old_value) FILTER (WHERE pair.key = pair.new_key) AS before,
                jsonb_object_agg(pair.key, pair.new_value) FILTER (WHERE pair.key = pair.new_key) AS after
            FROM ROWS FROM (jsonb_each(payload.before), jsonb_each(payload.after))
                AS pair (key, old_value, new_key, new_value)
            WHERE pair.key IS DISTINCT FROM pair.new_key
                OR (pair.old_value <> pair.new_value AND pair.key <> ALL (volatile_keys))
        ) AS same
        CROSS JOIN LATERAL (
            SELECT
                array_agg(key) AS keys,
                jsonb_object_agg(key, former.value) FILTER (WHERE former.value IS NOT NULL) AS before,
                jsonb_object_agg(key, latter.value) FILTER (WHERE latter.value IS NOT NULL) AS after
            FROM jsonb_each(payload.before) AS former
            FULL JOIN jsonb_each(payload.after) AS latter USING (key)
            WHERE NOT same.has_same_keys
                AND former.value IS DISTINCT FROM latter.value
                AND key <> ALL (volatile_keys)
        ) AS other
        WHERE (o.payload_hash <> n.payload_hash OR (o.missing_since IS NULL) <> (n.missing_since IS NULL))
            AND (
                (o.missing_since IS NULL) <> (n.missing_since IS NULL)
                OR CASE WHEN same.has_same_keys THEN same.keys ELSE other.keys END IS NOT NULL
            );
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('hostaway_sync_changes', '');
    END IF;
    RETURN NULL;
END
$$
