-- Listings: what guests book, one row a listing, archived ones included.
--
-- listing_id: its id in its system
-- listing_key: its key for joins: source:account:id
-- name: as guests read it
-- internal_name: as its host calls it
-- status: active, archived, inactive or unknown
-- is_listed: whether guests can find it
-- listing_type: what kind of room or house it is, in the system's words
-- parent_listing_key: listing that it is a part of
-- street: of the address
-- city: of the address
-- region: state, province or county of the address
-- postal_code: of the address
-- country_code: of the address, ISO 3166-1 alpha-2
-- latitude: degrees north
-- longitude: degrees east
-- time_zone: IANA name; its dates and clock times are in this zone
-- utc_offset: fixed distance to UTC, where a system knows no zone
-- max_guests: persons who may stay
-- bedrooms: number of them
-- beds: number of them
-- bathrooms: number of them, halves included
-- currency: of its prices, ISO 4217
-- default_check_in_time: earliest arrival, by its own clock
-- default_check_out_time: latest departure, by its own clock
SELECT s.source,
    s.account_id,
    s.listing_id,
    s.listing_key,
    s.name,
    s.internal_name,
    s.status,
    s.is_listed,
    s.listing_type,
    s.parent_listing_key,
    s.street,
    s.city,
    s.region,
    s.postal_code,
    s.country_code,
    s.latitude,
    s.longitude,
    s.time_zone,
    s.utc_offset,
    s.max_guests,
    s.bedrooms,
    s.beds,
    s.bathrooms,
    s.currency,
    s.default_check_in_time,
    s.default_check_out_time,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
