-- listing_id: id
-- name: name
-- internal_name: internalListingName
-- status: specialStatus; active where it is null
-- is_listed: always null
-- listing_type: roomType
-- parent_listing_key: always null
-- street: street
-- city: city
-- region: state
-- postal_code: zipcode
-- country_code: countryCode
-- latitude: lat
-- longitude: lng
-- time_zone: timeZoneName
-- utc_offset: always null
-- max_guests: personCapacity
-- bedrooms: bedroomsNumber
-- beds: bedsNumber
-- bathrooms: bathroomsNumber
-- currency: currencyCode
-- default_check_in_time: checkInTimeStart, whole hours
-- default_check_out_time: checkOutTime, whole hours
-- source_created_at: insertedOn
-- source_updated_at: latestActivityOn
SELECT 'hostaway'::text AS source,
    l.core_account_id AS account_id,
    l.core_id AS listing_id,
    l.core_key AS listing_key,
    p.name,
    p."internalListingName" AS internal_name,
    CASE
        WHEN coalesce(p."specialStatus", '') = '' THEN 'active'
        WHEN lower(p."specialStatus") = 'archived' THEN 'archived'
        ELSE 'unknown'
    END AS status,
    NULL::boolean AS is_listed,
    p."roomType" AS listing_type,
    NULL::text AS parent_listing_key,
    p.street,
    p.city,
    p.state AS region,
    p.zipcode AS postal_code,
    p."countryCode" AS country_code,
    {core}.as_number(p.lat) AS latitude,
    {core}.as_number(p.lng) AS longitude,
    l.time_zone,
    NULL::text AS utc_offset,
    {core}.as_integer(p."personCapacity") AS max_guests,
    {core}.as_integer(p."bedroomsNumber") AS bedrooms,
    {core}.as_integer(p."bedsNumber") AS beds,
    {core}.as_number(p."bathroomsNumber") AS bathrooms,
    l.currency,
    {core}.as_hour(p."checkInTimeStart") AS default_check_in_time,
    {core}.as_hour(p."checkOutTime") AS default_check_out_time,
    {core}.as_moment(p."insertedOn") AS source_created_at,
    l.source_updated_at,
    l.created_at AS first_seen_at,
    l.observed_at,
    l.missing_since,
    l.raw_payload
FROM {tables}.listings AS l
CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(l.raw_payload) WHEN 'object' THEN l.raw_payload END) AS p (
    name text, "internalListingName" text, "specialStatus" text, "roomType" text, street text, city text, state text,
    zipcode text, "countryCode" text, lat text, lng text, "personCapacity" text, "bedroomsNumber" text,
    "bedsNumber" text, "bathroomsNumber" text, "checkInTimeStart" text, "checkOutTime" text, "insertedOn" text
)
