-- unit_id: listingUnits[].id
-- unit_key: listingUnits[].id
-- listing_key: id of the listing
-- name: listingUnits[].name, else its unitNumber
SELECT 'hostaway'::text AS source,
    l.core_account_id AS account_id,
    p.id AS unit_id,
    'hostaway:' || l.core_account_id || ':' || p.id AS unit_key,
    l.core_key AS listing_key,
    coalesce(p.name, p."unitNumber") AS name,
    NULL::timestamptz AS source_created_at,
    NULL::timestamptz AS source_updated_at,
    l.created_at AS first_seen_at,
    l.observed_at,
    l.missing_since,
    u.unit AS raw_payload
FROM {tables}.listings AS l
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(l.raw_payload -> 'listingUnits') WHEN 'array' THEN l.raw_payload -> 'listingUnits' END
) AS u (unit)
CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(u.unit) WHEN 'object' THEN u.unit END) AS p (
    id text, name text, "unitNumber" text
)
WHERE p.id <> ''
