-- Writes the history of days of calendars: whether they are free, and the restrictions; prices only if asked for.
CREATE FUNCTION note_updated_calendar_days() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode TO force_generic_plan SET enable_nestloop TO off SET jit TO off
AS $$
DECLARE
    keeps_prices CONSTANT boolean := coalesce(current_setting('hostaway_sync.price_changes', true) = 'on', false);
BEGIN
    IF current_setting('hostaway_sync.changes', true) IN ('off', 'erase') OR NOT EXISTS (SELECT FROM written) THEN
        RETURN NULL;
    END IF;
    INSERT INTO changes (
        account_id, customer_id, resource, record_id, change, keys, before, after, cause, cause_id, position
    )
    SELECT
        n.account_id,
        n.customer_id,
        'calendar',
        n.listing_id || '/' || to_char(n.date, 'YYYY-MM-DD'),
        'updated',
        differing.keys,
        differing.before,
        differing.after,
        nullif(current_setting('hostaway_sync.cause', true), ''),
        nullif(current_setting('hostaway_sync.cause_id', true), ''),
        (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
    FROM replaced AS o
    JOIN written AS n USING (account_id, listing_id, date)
    CROSS JOIN LATERAL (
        SELECT
            array_agg(pair.key) AS keys,
            jsonb_object_agg(pair.key, pair.old_value) AS before,
            jsonb_object_agg(pair.key, pair.new_value) AS after
        FROM (
            VALUES
                ('is_available', to_jsonb(o.is_available), to_jsonb(n.is_available)),
                ('status', to_jsonb(o.status), to_jsonb(n.status)),
                ('price', to_jsonb(o.price), to_jsonb(n.price)),
                ('minimum_stay', to_jsonb(o.minimum_stay), to_jsonb(n.minimum_stay)),
                ('maximum_stay', to_jsonb(o.maximum_stay), to_jsonb(n.maximum_stay)),
                ('closed_on_arrival', to_jsonb(o.closed_on_arrival), to_jsonb(n.closed_on_arrival)),
                ('closed_on_departure', to_jsonb(o.closed_on_departure), to_jsonb(n.closed_on_departure)),
                ('available_units', to_jsonb(o.available_units), to_jsonb(n.available_units))
        ) AS pair (key, old_value, new_value)
        WHERE pair.old_value IS DISTINCT FROM pair.new_value AND (keeps_prices OR pair.key <> 'price')
    ) AS differing
    WHERE o.payload_hash <> n.payload_hash AND differing.keys IS NOT NULL;
    IF FOUND THEN
        PERFORM pg_notify('hostaway_sync_changes', '');
    END IF;
    RETURN NULL;
END
$$
