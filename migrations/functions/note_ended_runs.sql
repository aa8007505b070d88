-- Writes into the history of an account that its runs end otherwise than the one before: they fail, or succeed again.
CREATE FUNCTION note_ended_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO changes (
        account_id, customer_id, resource, record_id, change, keys, before, after, cause, cause_id, position
    )
    SELECT
        n.account_id,
        (SELECT customer_id FROM accounts WHERE accounts.account_id = n.account_id),
        'sync',
        n.account_id::text,
        CASE WHEN last.state IS NULL THEN 'inserted' ELSE 'updated' END,
        CASE WHEN last.state IS NOT NULL THEN '{state}'::text[] END,
        CASE WHEN last.state IS NOT NULL THEN jsonb_build_object('state', last.state) END,
        jsonb_build_object('state', n.state),
        'sync',
        n.run_id::text,
        (SELECT coalesce(max(position_offset), 0) + pg_current_xact_id()::text::bigint FROM change_clock)
    FROM replaced AS o
    JOIN written AS n USING (run_id)
    LEFT JOIN LATERAL (
        SELECT run.state FROM sync_runs AS run
        WHERE run.account_id = n.account_id
            AND run.run_id <> n.run_id
            AND run.state IN ('success', 'partial', 'failed', 'abandoned')
        ORDER BY run.triggered_at DESC
        LIMIT 1
    ) AS last ON true
    WHERE o.state <> n.state
        AND n.state IN ('success', 'partial', 'failed', 'abandoned')
        AND last.state IS DISTINCT FROM n.state;
    IF FOUND THEN
        PERFORM pg_notify('hostaway_sync_changes', '');
    END IF;
    RETURN NULL;
END
$$
