SELECT 'hostaway'::text AS source,
    a.core_account_id AS account_id,
    a.core_key AS account_key,
    a.name,
    NULL::text AS time_zone,
    NULL::text AS currency,
    NULL::timestamptz AS source_created_at,
    NULL::timestamptz AS source_updated_at,
    a.created_at AS first_seen_at,
    NULL::timestamptz AS observed_at,
    a.removed_at AS missing_since,
    NULL::jsonb AS raw_payload
FROM {tables}.accounts AS a
