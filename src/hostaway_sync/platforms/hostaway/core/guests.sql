-- guest_id: id of the reservation
-- guest_key: same text as reservation_key
-- full_name: guestName
-- first_name: guestFirstName
-- last_name: guestLastName
-- email: guestEmail
-- phone: phone
-- language: guestLocale
-- is_identified: always false
-- source_created_at: insertedOn of the reservation
-- source_updated_at: updatedOn of the reservation
-- raw_payload: the reservation
SELECT 'hostaway'::text AS source,
    r.core_account_id AS account_id,
    r.core_id AS guest_id,
    r.core_key AS guest_key,
    p."guestName" AS full_name,
    p."guestFirstName" AS first_name,
    p."guestLastName" AS last_name,
    p."guestEmail" AS email,
    p.phone,
    p."guestLocale" AS language,
    false AS is_identified,
    {core}.as_moment(p."insertedOn") AS source_created_at,
    r.source_updated_at,
    r.created_at AS first_seen_at,
    r.observed_at,
    r.missing_since,
    r.raw_payload
FROM {tables}.reservations AS r
CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(r.raw_payload) WHEN 'object' THEN r.raw_payload END) AS p (
    "guestName" text, "guestFirstName" text, "guestLastName" text, "guestEmail" text, phone text, "guestLocale" text,
    "insertedOn" text
)
