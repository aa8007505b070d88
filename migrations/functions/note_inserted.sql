-- Writes the history of rows that are new in {table}. While its list was never read whole, rows are no news.
CREATE FUNCTION note_inserted_{table}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode TO force_generic_plan
AS $$
DECLARE
    volatile_keys CONSTANT text[] := coalesce(nullif(current_setting('hostaway_sync.volatile_keys', true), ''), '{}');
    signed_keys CONSTANT text[] := coalesce(nullif(current_setting('hostaway_sync.signed_keys', true), ''), '{}');
BEGIN
    IF current_setting('hostaway_sync.changes', true) = 'off' OR NOT EXISTS (SELECT FROM written) THEN
        RETURN NULL;
    END IF;
    INSERT INTO changes (
        account_id, customer_id, resource, record_id, change, source_updated_at, after, cause, cause_id, position
    )
    SELECT
        n.account_id,
        n.customer_id,
        {resource},
        {record_id},
        'inserted',
        n.source_updated_at,
        comparable_payload(n.raw_payload, volatile_keys, signed_keys),
        nullif(current_setting('hostaway_sync.cause', true), ''),
        nullif(current_setting('hostaway_sync.cause_id', true), ''),
        (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
    FROM written AS n
    WHERE EXISTS ({was_read});
    IF FOUND THEN
        PERFORM pg_notify('hostaway_sync_changes', '');
    END IF;
    RETURN NULL;
END
$$
