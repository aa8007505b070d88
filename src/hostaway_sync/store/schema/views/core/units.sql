-- Units: what is booked of a listing that has several alike, one row each.
--
-- unit_id: its id in its system
-- unit_key: its key for joins: source:account:id
-- listing_key: listing that it belongs to, as in core.listings
-- name: as its host calls it
-- raw_payload: the unit as the system sent it, within its listing
SELECT s.source,
    s.account_id,
    s.unit_id,
    s.unit_key,
    s.listing_key,
    s.name,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
